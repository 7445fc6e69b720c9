"""What people see, to the letter: each file of `screens/` is a session at a terminal of 100 columns.

A step is `$ command`, its output behind it; `[status N]` ends one that did not end with 0. Errors stand in the place
where they are printed. EVERLOG_REWRITE=1 writes what is seen now: read the difference.
"""

from __future__ import annotations

import os
import re
import shlex
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from scripts.cli.main import main
from scripts.console import when
from tests.fakes.http_node import HttpNode, http_node
from tests.scripts.console.people_world import NOW_MS, furnish

_FOLDER = Path(__file__).with_name("screens")
_STEP = re.compile(r"^\$ ", re.MULTILINE)


@pytest.fixture(scope="module")
def node() -> Iterator[HttpNode]:
    with http_node() as stub:
        furnish(stub)
        yield stub


@pytest.fixture
def _terminal(node: HttpNode, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(when, "now_ms", lambda: NOW_MS)
    # people.time_text prints local time.
    monkeypatch.setenv("TZ", "UTC")
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setenv("EVERLOG_ADMIN_URL", node.url)
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def _shown(command: str, node: HttpNode, capsys: pytest.CaptureFixture[str]) -> str:
    try:
        status = main(shlex.split(command)[1:])
    except SystemExit as ended:
        status = int(ended.code or 0)
    seen = capsys.readouterr()
    text = (seen.out + seen.err).replace(node.url, "http://node:9070").strip("\n")
    text = re.sub(r"rows, \d+\.\d\d s$", "rows, 0.01 s", text)
    return f"$ {command}\n{text}\n" + (f"[status {status}]\n" if status else "")


@pytest.mark.usefixtures("_terminal")
@pytest.mark.parametrize("file", sorted(_FOLDER.glob("*.txt")), ids=lambda file: file.stem)
def test_screen_is_as_it_was(
    file: Path, node: HttpNode, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    text = file.read_text()
    story, *steps = _STEP.split(text)
    commands = [step.partition("\n")[0] for step in steps]
    seen = story + "\n".join(_shown(command, node, capsys) for command in commands)
    if os.environ.get("EVERLOG_REWRITE"):
        file.write_text(seen)
    assert seen == text


def test_there_are_screens() -> None:
    assert len(list(_FOLDER.glob("*.txt"))) >= 6
