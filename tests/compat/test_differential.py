"""Every API of the official SDKs' contexts, on Everlog and on the oracle: the same answers, statuses and journals.

The cases are tables: `cases_*.py`. All that are asked for run at once, when the first of them begins; each test then
compares what both runtimes made of its own.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterator

import pytest

from tests.compat import cases_calls, cases_errors, cases_flow, cases_lives, cases_state, cases_steps, cases_waits
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
_PAIRS = [(case, sdk, mode) for case in CASES for sdk in case.sdks for mode in case.modes]
RUNS = {run.name: run for run in (Run(*pair, number) for number, pair in enumerate(_PAIRS))}

pytestmark = [
    pytest.mark.slow,
    pytest.mark.processes,
    pytest.mark.timeout(300),
    pytest.mark.xdist_group("differential"),
]


@pytest.fixture(scope="module")
def told(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, tuple[Told, Told]]]:
    """What both sides had to say of each run that this session asks for."""
    asked = [item.callspec.params["run"] for item in request.session.items if "run" in getattr(item, "callspec", _NONE).params]
    with running_stage(tmp_path_factory.mktemp("differential")) as stage:
        yield play(stage, [RUNS[name] for name in asked])


class _NONE:
    params: dict[str, object] = {}


@pytest.mark.parametrize("run", RUNS)
def test_both_runtimes_do_the_same(run: str, told: dict[str, tuple[Told, Told]]) -> None:
    ours, theirs = (_lines(each) for each in told[run])
    difference = "\n".join(difflib.unified_diff(theirs, ours, "the oracle", "Everlog", lineterm="", n=40))
    assert not difference, f"{run}\n{difference}"


def _lines(told: Told) -> list[str]:
    return [f"saw {json.dumps(each, sort_keys=True, ensure_ascii=False)}" for each in told.seen] + told.story


def test_there_are_enough_cases() -> None:
    """Not counting modes: each case of each SDK."""
    titles = [case.title for case in CASES]
    assert len(titles) == len(set(titles))
    assert len({(case.title, sdk) for case in CASES for sdk in case.sdks}) >= 160
