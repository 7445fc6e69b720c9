"""The official command line prints of Everlog what it prints of Restate, and ends with the same status.

The chapters are tables: `chapters_*.py`. What Restate's prints is kept in `goldens/`, so that this needs no Restate.
EVERLOG_ALL_CLI=1 plays all commands, and asks the oracle whether the goldens are still what it says.
"""

from __future__ import annotations

import difflib
import os
import re
from pathlib import Path

import pytest

from tests.compat.official_cli.chapters import CHAPTERS
from tests.compat.official_cli.goldens import golden
from tests.compat.official_cli.stage import play_on_everlog, play_on_oracle
from tests.compat.official_cli.steps import Cli, Step, titled

pytestmark = [pytest.mark.slow, pytest.mark.processes, pytest.mark.timeout(240)]
_ALL = bool(os.environ.get("EVERLOG_ALL_CLI"))


def test_it_prints_of_everlog_what_it_prints_of_restate(tmp_path: Path) -> None:
    """One test: what takes the time is the start of the node, and each chapter goes on where the last one ended."""
    told = play_on_everlog(tmp_path, CHAPTERS, seldom=_ALL)
    problems = [problem for chapter, steps in CHAPTERS.items() for problem in _problems(chapter, steps, told[chapter])]
    assert not problems, f"{len(problems)} commands print something else:\n" + "\n\n".join(problems)


def _problems(chapter: str, steps: tuple[Step, ...], told: dict[str, str]) -> list[str]:
    kept = golden(chapter)
    commands = titled(steps)
    assert list(commands) == list(kept), f"write the goldens of {chapter} anew: see goldens.py"
    return [problem for words, ours in told.items() if (problem := _problem(commands[words], kept[words], ours))]


def _problem(command: Cli, theirs: str, ours: str) -> str:
    for known in command.differs:
        theirs, count = re.subn(known.theirs, known.ours, theirs, flags=re.MULTILINE)
        assert count, f"restate {command.words}: the oracle does not print {known.theirs!r}"
    return _difference(command, theirs, ours)


def _difference(command: Cli, theirs: str, ours: str) -> str:
    if command.shuffled:
        # A cell with many lines begins beside another one: only the words are the same.
        theirs, ours = ("\n".join(sorted(told.split())) for told in (theirs, ours))
    if theirs == ours:
        return ""
    lines = theirs.splitlines(), ours.splitlines()
    difference = difflib.unified_diff(*lines, "the oracle", "told now", lineterm="", n=9)
    return "\n".join([f"restate {command.words}", *difference])


@pytest.mark.skipif(not _ALL, reason="EVERLOG_ALL_CLI is not set: the goldens are not compared with the oracle")
def test_the_goldens_are_what_the_oracle_prints(tmp_path: Path) -> None:
    told = play_on_oracle(tmp_path, CHAPTERS)
    problems = []
    for chapter, steps in CHAPTERS.items():
        kept, commands = golden(chapter), titled(steps)
        problems += [_difference(commands[words], kept[words], now) for words, now in told[chapter].items()]
    assert not any(problems), "\n\n".join(filter(None, problems))
