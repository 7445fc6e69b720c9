"""The baseline of a campaign: read, compared with, stored. Owns: the file while it is written."""

from __future__ import annotations

import platform
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from scripts.benchmark.campaign import Campaign, say
from scripts.benchmark.facts import Facts, processor
from scripts.benchmark.guard import (
    OTHERS_MAX,
    Baseline,
    Baselines,
    Change,
    Judging,
    Verdict,
    baseline_for,
    compare,
    costs,
    decode_baselines,
    encode_baselines,
    guard_report,
    worse,
)
from scripts.benchmark.rows import Row
from shared.errors import ConfigError

__all__ = ["BASELINE", "Guarded", "guarded", "make_sure", "store"]

#: Beside this file, in the repository.
BASELINE = Path(__file__).with_name("baseline.json")
#: Times that what got worse is measured again.
_AGAIN_MAX = 2


@dataclass(frozen=True, slots=True)
class Guarded:
    """What came of a comparison. `problem`: why there is none."""

    text: str
    changes: Sequence[Change] = ()
    problem: bool = False

    @property
    def failed(self) -> bool:
        return self.problem or worse(self.changes)


def guarded(campaign: Campaign, rows: Sequence[Row], *, path: Path) -> Guarded:
    """Compare what was measured with the baseline of its build and of this processor, or else of another one.

    Raises ConfigError for a file that is none.
    """
    now = _measured(campaign, rows)
    if now is None:
        return Guarded("The guard has nothing to compare: no run of Everlog is valid.", problem=True)
    known = _read(path)
    baseline = baseline_for(known, now.build, now.processor)
    if baseline is None:
        there = ", ".join(known) or "none"
        return Guarded(f"The guard has no baseline of the build {now.build!r}; there are: {there}.", problem=True)
    used = [run.figures.other_cores for run in campaign.measurements if run.figures is not None]
    others = statistics.median(used)
    judging = Judging.PARTS if others > OTHERS_MAX else Judging.ALL
    if baseline.processor != now.processor:
        judging = Judging.SYNCS
    changes = compare(baseline.rows, now.rows, judging)
    if not changes:
        return Guarded("The guard has nothing to compare: the baseline has none of these rows.", problem=True)
    text = guard_report(
        baseline,
        changes,
        calibration_ms=now.calibration_ms,
        python=now.python,
        processor=now.processor,
        others=others,
    )
    return Guarded(text, changes)


def make_sure(campaign: Campaign, rows: Sequence[Row], *, path: Path) -> None:
    """Measure again what got worse, as long as it stays so: a machine may have had a bad minute, and of all runs of a
    row the cheapest counts."""
    for _ in range(_AGAIN_MAX):
        changes = guarded(campaign, rows, path=path).changes
        again = {change.row for change in changes if change.verdict is Verdict.WORSE}
        if not again:
            break
        say(f"worse than the baseline, so measured again: {', '.join(sorted(again))}")
        campaign.run([row for row in rows if row.name in again])


def store(campaign: Campaign, rows: Sequence[Row], facts: Facts, *, path: Path) -> str:
    """Put what was measured into the file, in the place of what its build had on this processor.

    Raises ConfigError: it is not whole.
    """
    now = _measured(campaign, rows, facts)
    if now is None or set(now.rows) != {row.name for row in rows} or any(run.invalid for run in campaign.measurements):
        raise ConfigError("a run is missing or invalid: no baseline was stored")
    known = _read(path)
    known.setdefault(now.build, {})[now.processor] = now
    path.write_text(encode_baselines(known))
    return f"{path} has a new baseline of the build {now.build!r} on {now.processor}, of {now.commit}."


def _measured(campaign: Campaign, rows: Sequence[Row], facts: Facts | None = None) -> Baseline | None:
    clients = {row.name: row.clients for row in rows}
    found = costs(campaign.measurements, clients=clients)
    calibrations = [run.calibration_s for run in campaign.measurements if run.calibration_s]
    builds = {run.build for run in campaign.measurements if run.build}
    if not found or len(builds) != 1:
        return None
    return Baseline(
        builds.pop(),
        processor(),
        facts.everlog if facts else "",
        platform.python_version(),
        facts.machine if facts else "",
        facts.taken_at if facts else "",
        round(statistics.median(calibrations) * 1e3, 2),
        found,
    )


def _read(path: Path) -> Baselines:
    try:
        return decode_baselines(path.read_bytes())
    except FileNotFoundError:
        return {}
    except ValueError as error:
        raise ConfigError(f"{path} holds no baselines: {error}") from error
