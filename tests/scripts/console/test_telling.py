"""Logs for scripts and for eyes, and the line that tells how far a long query is."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path

import pytest

from scripts.cli.main import main
from scripts.console import ticker
from scripts.console.ticker import Ticker
from tests.conftest import eventually

_LINES = (
    "2026-03-01T12:00:00.001 INFO logd logd.server: begun",
    "2026-03-01T12:00:00.003 ERROR logd logd.server: ended",
    "  a line without a time",
)


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "logd.log").write_text("".join(f"{line}\n" for line in _LINES))
    (tmp_path / "logs" / "sqld.log").write_text("2026-03-01T12:00:00.002 WARNING sqld sqld: slow\n")
    return tmp_path


def test_logs_for_scripts_name_the_program(data_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["logs", "--json", "--data-dir", str(data_dir)]) == 0
    told = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [each["program"] for each in told] == ["logd", "sqld", "logd", "logd"]
    assert [each["line"] for each in told if each["program"] == "logd"] == list(_LINES)


def test_logs_on_a_terminal_show_what_is_wrong(
    data_dir: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    assert main(["logs", "-n", "2", "logd", "--data-dir", str(data_dir)]) == 0
    assert capsys.readouterr().out == f"\x1b[31m{_LINES[1]}\x1b[0m\n{_LINES[2]}\n"


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_long_query_tells_how_far_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ticker, "_FIRST_AFTER_S", 0.001)
    monkeypatch.setattr(ticker, "_EVERY_S", 0.001)
    monkeypatch.setattr(sys, "stderr", terminal := _Terminal())
    with Ticker() as running:
        eventually(lambda: "the query runs" in terminal.getvalue(), what="it says that it runs")
        running.rows = 12_345
        eventually(lambda: "12,345 rows, 0 s" in terminal.getvalue(), what="it tells the rows")
    assert terminal.getvalue().endswith("\r\x1b[K")


def test_nothing_is_told_where_nobody_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", elsewhere := io.StringIO())
    with Ticker() as running:
        running.rows = 1
    assert elsewhere.getvalue() == ""
