"""Every API of the official SDKs' contexts, on Everlog and on the oracle: the same answers, statuses and journals.

The cases are tables: `cases_*.py`. EVERLOG_CASES chooses some, EVERLOG_ALL_MODES=1 plays each in all six modes.
"""

from __future__ import annotations

import difflib
import json
import os
import re
import warnings
from pathlib import Path

import pytest

from tests.compat import cases_calls, cases_errors, cases_flow, cases_lives, cases_state, cases_steps, cases_waits
from tests.compat.case import Case, Difference
from tests.compat.modes import FEW, OF_SDK
from tests.compat.scene import Run
from tests.compat.stage import Told, play, running_stage

CASES = (
    *cases_state.CASES,
    *cases_steps.CASES,
    *cases_calls.CASES,
    *cases_waits.CASES,
    *cases_flow.CASES,
    *cases_errors.CASES,
    *cases_lives.CASES,
)
_ALL_MODES = bool(os.environ.get("EVERLOG_ALL_MODES"))


def _modes(case: Case, sdk: str) -> tuple[str, ...]:
    """At least one; a case for a few modes only plays them all."""
    if _ALL_MODES or len(case.modes) <= len(FEW):
        return case.modes
    return tuple(mode for mode in case.modes if mode in OF_SDK[sdk])


_PAIRS = [(case, sdk, mode) for case in CASES for sdk in case.sdks for mode in _modes(case, sdk)]
RUNS = {run.name: run for run in (Run(*pair, number) for number, pair in enumerate(_PAIRS))}

#: Only runs whose name has this text, such as `promise` or `[Ts r6]`.
_CHOSEN = os.environ.get("EVERLOG_CASES", "")
#: More than so many at once are no accident.
_AGAIN_MAX = 12

pytestmark = [pytest.mark.slow, pytest.mark.processes, pytest.mark.timeout(480)]


@pytest.mark.filterwarnings("default:differed once:UserWarning")
def test_both_runtimes_do_the_same(tmp_path: Path) -> None:
    """One test, since starting the oracle is what takes the time, and the runs take turns on both sides at once.

    A run that differs is played again on a fresh stage, with little beside it: under load, the oracle may be seen in
    a passing state (`ready` before the failure of an attempt is stored), and what is then done to it is another story.
    A difference of the runtimes shows both times.
    """
    runs = [run for run in RUNS.values() if _CHOSEN in run.name]
    first = _problems(tmp_path / "first", runs)
    again = [run for run in runs if run.name in first]
    if not again:
        return
    assert len(again) <= _AGAIN_MAX, _report(first, len(runs))
    second = _problems(tmp_path / "again", again)
    assert not second, _report(second, len(runs))
    warnings.warn(f"differed once, and not when played again: {_report(first, len(runs))}", stacklevel=1)


def _problems(folder: Path, runs: list[Run]) -> dict[str, str]:
    """Play on a fresh stage. -> what differs, by the run's name."""
    folder.mkdir()
    with running_stage(folder) as stage:
        told = play(stage, runs)
    return {run.name: problem for run in runs if (problem := _problem(run, *told[run.name]))}


def _report(problems: dict[str, str], of: int) -> str:
    return f"{len(problems)} of {of} differ:\n" + "\n\n".join(problems.values())


def _problem(run: Run, everlog: Told, oracle: Told) -> str:
    """What differs without a reason that the case names, and the whole of it; or nothing."""
    ours, theirs = _lines(everlog), _lines(oracle)
    known = run.case.differs or Difference("")
    difference = list(difflib.unified_diff(theirs, ours, "the oracle", "Everlog", lineterm="", n=40))
    if known.sometimes and not difference:
        return ""
    unknown = [
        *_unmatched([line[1:] for line in difference[2:] if line[0] == "-"], known.theirs),
        *_unmatched([line[1:] for line in difference[2:] if line[0] == "+"], known.ours),
    ]
    return "\n".join([f"{run.name}: {unknown}", *difference]) if unknown else ""


def _unmatched(lines: list[str], patterns: tuple[str, ...]) -> list[str]:
    """Lines that no pattern explains, and patterns that no line has."""
    return [line for line in lines if not any(re.search(each, line) for each in patterns)] + [
        f"no line has {each!r}" for each in patterns if not any(re.search(each, line) for line in lines)
    ]


def _lines(told: Told) -> list[str]:
    return [f"saw {json.dumps(each, sort_keys=True, ensure_ascii=False)}" for each in told.seen] + told.story


def test_there_are_enough_cases() -> None:
    """Not counting modes: each case of each SDK."""
    titles = [case.title for case in CASES]
    assert len(titles) == len(set(titles))
    assert len({(case.title, sdk) for case in CASES for sdk in case.sdks}) >= 160
