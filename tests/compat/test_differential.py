"""Every API of the official SDKs' contexts, on Everlog and on the oracle: the same answers, statuses and journals.

The cases are tables: `cases_*.py`. All that are asked for run at once, when the first of them begins; each test then
compares what both runtimes made of its own.
"""

from __future__ import annotations

import difflib
import json
import os
import re
from collections.abc import Iterator

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

#: Of each run: Everlog's answers and the oracle's.
Answers = dict[str, tuple[Told, Told]]

pytestmark = [
    pytest.mark.slow,
    pytest.mark.processes,
    pytest.mark.timeout(300),
    pytest.mark.xdist_group("differential"),
]


@pytest.fixture(scope="module")
def told(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Answers]:
    """What both sides had to say of each run that this session asks for."""
    specs = [item.callspec for item in request.session.items if hasattr(item, "callspec")]
    asked = [spec.params["run"] for spec in specs if spec.params.get("run") in RUNS]
    with running_stage(tmp_path_factory.mktemp("differential")) as stage:
        yield play(stage, [RUNS[name] for name in asked])


@pytest.mark.parametrize("run", RUNS)
def test_both_runtimes_do_the_same(run: str, told: Answers) -> None:
    ours, theirs = (_lines(each) for each in told[run])
    known = RUNS[run].case.differs or Difference("")
    difference = list(difflib.unified_diff(theirs, ours, "the oracle", "Everlog", lineterm="", n=40))
    unknown = [
        *_unmatched([line[1:] for line in difference[2:] if line[0] == "-"], known.theirs),
        *_unmatched([line[1:] for line in difference[2:] if line[0] == "+"], known.ours),
    ]
    assert not unknown, "\n".join([run, *unknown, *difference])


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
