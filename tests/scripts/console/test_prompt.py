"""The prompt of `everlog sql`, and answers that are longer than memory."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from scripts.cli.people import Paint
from scripts.console import prompt, writers
from scripts.console.admin import Admin
from scripts.console.answers import Answer
from scripts.console.screen import Screen
from scripts.console.sheet import lines_of
from shared.errors import ConfigError

_ROWS = 1000


def test_prompt_takes_statements_and_words_of_its_own(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    typed = iter(
        ["\\?", "select 1", "", "from t; select 2;", "begun", KeyboardInterrupt(), "\\x", "\\d t;", "bad;", "\\q"]
    )

    def ask(text: str) -> str:
        line = next(typed)
        if isinstance(line, KeyboardInterrupt):
            raise line
        return line

    monkeypatch.setattr("builtins.input", ask)
    answered: list[tuple[str, bool]] = []

    def answer(sql: str, expanded: bool) -> None:
        if sql == "bad":
            raise ConfigError("no such statement")
        answered.append((sql, expanded))

    prompt.converse(Admin("http://127.0.0.1:1"), answer)
    assert answered[:2] == [("select 1\n\nfrom t", False), ("select 2", False)]
    assert "table_name = 't'" in answered[2][0]
    assert answered[2][1]
    seen = capsys.readouterr()
    assert "\\d TABLE" in seen.out
    assert seen.err == "no such statement\n"
    assert next(typed, None) is None


class _Stream:
    """A hundred batches, made when they are asked for."""

    schema = pa.schema({"n": pa.int64(), "text": pa.string()})

    def __init__(self) -> None:
        self.made = 0

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        for _ in range(100):
            self.made += 1
            yield pa.record_batch([pa.array(range(_ROWS)), pa.array(["text"] * _ROWS)], schema=self.schema)


@pytest.mark.parametrize("write", [writers.write_csv, writers.write_json, writers.write_json_lines])
def test_text_is_written_batch_by_batch(write: Callable[..., None], monkeypatch: pytest.MonkeyPatch) -> None:
    """What is made by then was told of already: nothing is gathered."""
    stream, told = _Stream(), []
    answer = Answer(stream)  # type: ignore[arg-type]
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(io.BytesIO()))
    write(answer, lambda: told.append(stream.made))
    assert told == list(range(1, 101))
    assert answer.rows == 100 * _ROWS


def test_files_are_written_batch_by_batch(tmp_path: Path) -> None:
    for write in (writers.write_arrow, writers.write_parquet):
        stream: Any = _Stream()
        told: list[int] = []
        write(Answer(stream), str(tmp_path / "file"), lambda told=told, stream=stream: told.append(stream.made))  # type: ignore[misc]
        assert told == list(range(1, 101))


def test_table_is_printed_as_it_comes() -> None:
    stream: Any = _Stream()
    lines = lines_of(Answer(stream), Screen())
    assert [next(lines) for _ in range(600)][1] == "  0  text"
    assert stream.made == 1


def test_colours_are_for_terminals_without_no_color(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert Paint().bad("x") == "x"
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    assert Paint().bad("x") == "\x1b[31mx\x1b[0m"
    monkeypatch.setenv("NO_COLOR", "1")
    assert Paint().bad("x") == "x"
