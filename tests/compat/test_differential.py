"""Every API of the official SDKs' contexts, on Everlog and on the oracle: the same answers, statuses and journals.

The cases are tables: `cases_*.py`. EVERLOG_CASES chooses some, EVERLOG_ALL_MODES=1 plays each in all six modes.
"""

from __future__ import annotations

import difflib
import json
import os
import re
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

pytestmark = [pytest.mark.slow, pytest.mark.processes, pytest.mark.timeout(480)]


def test_both_runtimes_do_the_same(tmp_path: Path) -> None:
    """One test, since starting the oracle is what takes the time, and the runs take turns on both sides at once."""
    runs = [run for run in RUNS.values() if _CHOSEN in run.name]
    with running_stage(tmp_path) as stage:
        told = play(stage, runs)
    problems = [problem for run in runs if (problem := _problem(run, *told[run.name]))]
    assert not problems, f"{len(problems)} of {len(runs)} differ:\n" + "\n\n".join(problems)


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
