"""What a call costs against a stored baseline, in terms that no machine decides. Pure: no I/O.

The CPU time of a call, of the whole runtime and of each program, is told in thousandths of one calibration
(`calibration.py`) that was done beside the same load. One client's call is mostly waking up: of it only the whole is
judged, and by a wide bound. Syncs a call are judged there: with more clients it is the disk that decides how many calls
share one.

A baseline file has one baseline for each build (pure Python, compiled) and processor: how dear a call is beside a
calibration differs between two kinds of them by up to a half, and by how much, from program to program. Against another
kind's CPU time is told and not judged.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

import msgspec

from scripts.benchmark.measurement import EVERLOG, Measurement, ProcessUse
from scripts.benchmark.table import align

__all__ = [
    "OTHERS_MAX",
    "WHOLE",
    "Baseline",
    "Baselines",
    "Change",
    "Judging",
    "RowCost",
    "Verdict",
    "as_json",
    "baseline_for",
    "compare",
    "costs",
    "decode_baselines",
    "encode_baselines",
    "guard_report",
    "worse",
]

#: The whole process tree, beside its programs.
WHOLE = "whole runtime"
#: Further than this from the baseline is a change. Measured: see docs/performance.md, "The regression guard".
WHOLE_TOLERANCE = 0.10
PROGRAM_TOLERANCE = 0.15
#: One client's call is mostly waking up, in each program as it comes: the same build was × 1.28 of itself.
ONE_CLIENT_TOLERANCE = 0.4
SYNCS_TOLERANCE = 0.10
#: By parts: of a program's part of the whole, if it has also become dearer itself by the second.
PART_TOLERANCE = 0.07
_BY_PARTS_TOLERANCE = 0.05
#: A program's change counts when it is at least this part of what the whole call costs.
_SHARE_MIN = 0.02
_NOT_OF_CALLS = ("query worker", "keeper", "?")
#: Cores that all else on the machine may use.
OTHERS_MAX = 0.15


class Verdict(Enum):
    """What became of a figure."""

    WORSE = "WORSE"
    BETTER = "better"
    SAME = "as before"
    UNJUDGED = "not judged"


class Judging(Enum):
    """What can be judged."""

    #: The whole runtime, and each program.
    ALL = "all"
    #: Others used the machine: that makes all programs dearer alike. A program is judged by its part of the whole.
    PARTS = "parts"
    #: The baseline is of another kind of processor.
    SYNCS = "syncs"


@dataclass(frozen=True, slots=True)
class RowCost:
    """One call of one row."""

    #: Program -> thousandths of a calibration. WHOLE is among them.
    cpu: dict[str, float]
    #: None: not counted.
    syncs: float | None = None
    #: KB that came to the disk. Not judged: it is told in whole pages of the cache.
    written_kb: float | None = None
    clients: int = 0


@dataclass(frozen=True, slots=True)
class Baseline:
    """What calls cost at one commit with one build on one kind of processor."""

    build: str
    processor: str
    commit: str
    python: str
    machine: str
    taken_at: str
    calibration_ms: float
    rows: dict[str, RowCost] = field(default_factory=dict)


#: Build -> processor -> baseline.
Baselines = dict[str, dict[str, Baseline]]


@dataclass(frozen=True, slots=True)
class Change:
    """One figure of one row beside the baseline's. `what`: a program, WHOLE, or `syncs`."""

    row: str
    what: str
    before: float
    now: float
    verdict: Verdict

    @property
    def ratio(self) -> float:
        return self.now / self.before if self.before else float("inf")


def costs(runs: Iterable[Measurement], *, clients: Mapping[str, int]) -> dict[str, RowCost]:
    """Of Everlog's valid runs the cheapest of each row: what else runs on a machine can only make calls dearer.

    Rows whose runs were not calibrated are left out.
    """
    groups: dict[str, list[Measurement]] = {}
    for run in runs:
        if run.side == EVERLOG and not run.invalid and run.figures is not None and run.calibration_s:
            groups.setdefault(run.row, []).append(run)
    return {row: _cost(found, clients.get(row, 0)) for row, found in groups.items()}


def _cost(runs: Sequence[Measurement], clients: int) -> RowCost:
    run = min(runs, key=_whole)
    unit = _unit(run)
    cpu = {name: round(use.cpu_s / unit, 4) for name, use in _of_calls(run).items() if use.cpu_s}
    order = sorted(cpu, key=lambda name: -cpu[name])
    syncs = [run.syncs_per_call for run in runs if run.syncs_per_call is not None]
    assert run.figures is not None
    written = sum(use.written for use in run.processes.values()) / max(1, run.figures.requests) / 1024
    return RowCost(
        {WHOLE: round(_whole(run), 4), **{name: cpu[name] for name in order}},
        round(statistics.median(syncs), 3) if syncs else None,
        round(written, 2),
        clients,
    )


def _whole(run: Measurement) -> float:
    return sum(use.cpu_s for use in _of_calls(run).values()) / _unit(run)


def _of_calls(run: Measurement) -> dict[str, ProcessUse]:
    """Without programs that no call needs, whose start may fall into the load."""
    return {name: use for name, use in run.processes.items() if name not in _NOT_OF_CALLS}


def _unit(run: Measurement) -> float:
    """Seconds of CPU of all calls that are a thousandth of a calibration for each."""
    assert run.figures is not None
    assert run.calibration_s is not None
    return run.calibration_s * max(1, run.figures.requests) / 1000


def compare(
    baseline: Mapping[str, RowCost], now: Mapping[str, RowCost], judging: Judging = Judging.ALL
) -> list[Change]:
    """Every figure that both have, row by row. A program that only one of them has cost nothing in the other."""
    changes: list[Change] = []
    for row in (row for row in now if row in baseline):
        before, after = baseline[row], now[row]
        for name in dict.fromkeys((*after.cpu, *before.cpu)):
            verdict = _verdict(before, after, name, judging)
            changes.append(Change(row, name, before.cpu.get(name, 0.0), after.cpu.get(name, 0.0), verdict))
        if before.syncs is not None and after.syncs is not None and after.clients == 1:
            verdict = _judge(before.syncs, after.syncs, SYNCS_TOLERANCE, 0.0)
            changes.append(Change(row, "syncs", before.syncs, after.syncs, verdict))
    return changes


def _verdict(baseline: RowCost, now: RowCost, name: str, judging: Judging) -> Verdict:
    before, after = baseline.cpu, now.cpu
    least = _SHARE_MIN * before[WHOLE]
    old, new = before.get(name, 0.0), after.get(name, 0.0)
    if judging is Judging.ALL:
        if now.clients == 1:
            return _judge(old, new, ONE_CLIENT_TOLERANCE, least) if name == WHOLE else Verdict.UNJUDGED
        return _judge(old, new, WHOLE_TOLERANCE if name == WHOLE else PROGRAM_TOLERANCE, least)
    if judging is Judging.SYNCS or name == WHOLE or now.clients == 1:
        return Verdict.UNJUDGED
    # Its part grows as well when another program got cheaper: then it has not become dearer itself.
    itself = _judge(old, new, _BY_PARTS_TOLERANCE, least)
    part = _judge(old / before[WHOLE], new / after[WHOLE], PART_TOLERANCE, _SHARE_MIN / 2)
    return itself if itself is part else Verdict.SAME


def _judge(before: float, now: float, tolerance: float, least: float) -> Verdict:
    if abs(now - before) <= least or abs(now - before) <= tolerance * before:
        return Verdict.SAME
    return Verdict.WORSE if now > before else Verdict.BETTER


def worse(changes: Iterable[Change]) -> bool:
    """Did anything get worse?"""
    return any(change.verdict is Verdict.WORSE for change in changes)


def guard_report(
    baseline: Baseline, changes: Sequence[Change], *, calibration_ms: float, python: str, processor: str, others: float
) -> str:
    """What got worse and what better; of what did not, the whole runtime alone. `others`: cores that they used."""
    head = (
        f"Against the baseline of {baseline.commit} ({baseline.build}, Python {baseline.python}, {baseline.taken_at},"
        f" {baseline.machine}).\nCPU a call in thousandths of a calibration, which took {calibration_ms:.1f} ms of CPU"
        f" here and {baseline.calibration_ms:.1f} ms there."
    )
    if python.split(".")[:2] != baseline.python.split(".")[:2]:
        head += f"\nWARNING: Python is {python} here; a baseline is for one version."
    if processor != baseline.processor:
        head += (
            f"\nWARNING: there is no baseline of this processor, {processor}: only syncs are judged. To have the rest"
            " judged, store one of a commit that is good (--store-baseline)."
        )
    elif others > OTHERS_MAX:
        head += (
            f"\nWARNING: others used {others:.2f} cores during the runs. A program is judged by its part of the whole;"
            " for the whole repeat it on a quiet machine."
        )
    table = [["row", "what", "baseline", "now", "ratio", ""]]
    for change in changes:
        if change.verdict in (Verdict.WORSE, Verdict.BETTER) or change.what in (WHOLE, "syncs"):
            cells = [f"{change.before:.3f}", f"{change.now:.3f}", f"× {change.ratio:.2f}", change.verdict.value]
            table.append([change.row, change.what, *cells])
    count = sum(change.verdict is Verdict.WORSE for change in changes)
    end = f"{count} figures got worse." if count else "Nothing got worse."
    return "\n".join([head, align(table, left=2), end])


def baseline_for(known: Baselines, build: str, processor: str) -> Baseline | None:
    """That of this processor, or else the newest of another one; None: the build has none."""
    found = known.get(build, {})
    return found.get(processor) or max(found.values(), key=lambda baseline: baseline.taken_at, default=None)


def encode_baselines(baselines: Baselines) -> str:
    """As it is stored: JSON for people too."""
    return msgspec.json.format(msgspec.json.encode(baselines), indent=2).decode() + "\n"


def decode_baselines(text: str | bytes) -> Baselines:
    """Raises msgspec.ValidationError, a ValueError, for what is none."""
    found: Baselines = msgspec.json.decode(text, type=Baselines)
    return found


def as_json(changes: Iterable[Change]) -> list[dict[str, Any]]:
    """For --json."""
    return [msgspec.to_builtins(change) | {"ratio": round(change.ratio, 4)} for change in changes]
