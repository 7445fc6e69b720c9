"""`scripts/bench growth`: its points, its numbers as text and picture, its endpoint and its waiting clients."""

from __future__ import annotations

import dataclasses
import importlib.util
import re
import socket
import zlib
from pathlib import Path

import pytest

from scripts.growth.main import main
from scripts.growth.payload import answer, text
from scripts.growth.points import QUESTIONS, Numbers, Point, answers, load_of, missing, pick
from scripts.growth.table import BEGIN, END, markdown, replaced, table
from scripts.growth.waiting import Waiting
from shared.errors import ConfigError
from tests.tidy.sources import ROOT

_DOCS = ROOT / "docs"


def _point(question: str, x: int, side: str, round_: int = 1, **changed: float) -> Point:
    point = Point(question, x, side, side, round_, rps=1000.0, p50_ms=1.0, p99_ms=3.0, cpu_us=200.0, pss_mb=100.0)
    return dataclasses.replace(point, **changed)  # type: ignore[arg-type]


_NUMBERS = Numbers(
    ["a machine"],
    [
        *(_point("stored", 100, "everlog", round_, rps=rps) for round_, rps in enumerate((900.0, 4000.0, 2000.0), 1)),
        _point("stored", 100, "oracle"),
        _point("payload", 1_000_000, "everlog", rps=50.0),
        dataclasses.replace(_point("clients", 10, "oracle"), rps=0.0, invalid="3 failed reads"),
    ],
)


def test_medians_by_side_without_invalid_runs() -> None:
    found = answers(_NUMBERS.points)
    assert [(a.question, a.x, a.side, a.rps, a.runs) for a in found] == [
        ("stored", 100, "everlog", 2000.0, 3),
        ("stored", 100, "oracle", 1000.0, 1),
        ("payload", 1_000_000, "everlog", 50.0, 1),
    ]
    assert found[-1].mb_s == 100.0
    assert found[0].mb_s == 0.0


def test_only_missing_and_invalid_rounds_are_made() -> None:
    assert missing(_NUMBERS.points, "stored", 100, "everlog", 4) == [4]
    assert missing(_NUMBERS.points, "clients", 10, "oracle", 2) == [1, 2]
    assert missing(_NUMBERS.points, "stored", 100, "everlog", 3) == []


def test_only_names_questions_and_sides() -> None:
    assert pick("") == (list(QUESTIONS), ["everlog", "oracle"])
    assert pick("payload,stored") == (["stored", "payload"], ["everlog", "oracle"])
    assert pick("clients, oracle") == (["clients"], ["oracle"])
    with pytest.raises(ConfigError, match="there are stored, partitions, payload, clients, everlog, oracle"):
        pick("payloads")


def test_every_point_has_a_load_and_few_are_of_the_points() -> None:
    for question in QUESTIONS.values():
        assert set(question.few) <= set(question.points)
        assert list(question.points) == sorted(question.points)
        for x in question.points:
            row = load_of(question.name, x)
            assert row.body_bytes == (x if question.name == "payload" else 0)


def test_answer_is_as_large_as_it_says() -> None:
    """Output and End; the value is what the load's row wants."""
    for size in (100, 1000):
        raw = answer(size)
        value = text(size)
        assert value in raw
        assert len(zlib.compress(value)) > 0.7 * size
        assert len(value) == size
        assert raw.endswith(b"\x00\x03\x00\x00\x00\x00\x00\x00")
        assert re.fullmatch(load_of("payload", size).answer, value.decode())


def test_table_tells_sides_ratios_and_what_is_invalid() -> None:
    text = table(_NUMBERS)
    assert "3 (× 2.00)" in text
    assert "clients 10 oracle: INVALID 3 failed reads" in text
    assert text.startswith("a machine")


def test_numbers_are_kept_and_put_into_a_page() -> None:
    assert Numbers.decode(_NUMBERS.encode()) == _NUMBERS
    page = replaced(f"before\n{BEGIN}\nold\n{END}\nafter\n", _NUMBERS)
    assert page == f"before\n{BEGIN}\n{markdown(_NUMBERS)}\n{END}\nafter\n"
    assert "| 100 | 2000 | 1000 | 1.00 | 1.00 |" in page
    assert replaced(page, _NUMBERS) == page
    with pytest.raises(ValueError, match="the page has no"):
        replaced("nothing", _NUMBERS)
    with pytest.raises(ConfigError, match="no numbers of growth"):
        Numbers.decode("[]")


def test_page_has_the_numbers_that_are_kept() -> None:
    page = (_DOCS / "performance.md").read_text()
    assert replaced(page, Numbers.decode((_DOCS / "growth.json").read_bytes())) == page
    assert (_DOCS / "growth.png").read_bytes().startswith(b"\x89PNG")


def test_picture_is_drawn_of_kept_numbers(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = tmp_path / "numbers.json"
    source.write_text(_NUMBERS.encode())
    if importlib.util.find_spec("matplotlib") is None:
        assert main(["--from", str(source), "--plot", str(tmp_path)]) == 2
        assert "matplotlib is missing" in capsys.readouterr().err
        return
    assert main(["--from", str(source), "--plot", str(tmp_path)]) == 1, "a point has no valid run"
    assert (tmp_path / "growth.png").read_bytes().startswith(b"\x89PNG")


def test_waiting_client_that_is_answered_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    waiting = Waiting(1, 1, 2)
    monkeypatch.setattr(waiting, "_problem", lambda: "")
    with socket.create_server(("127.0.0.1", 0)) as server:
        monkeypatch.setattr(waiting, "_address", server.getsockname())
        with waiting:
            assert waiting.check() == ""
            first, _ = server.accept()
            with first:
                assert first.recv(1000).endswith(b"\r\n\r\n{}")
                first.sendall(b"HTTP/1.1 503 no\r\n\r\n")
                # The server's end has it at once: loopback delivers within the call.
                assert "1 of the waiting clients were answered: b'HTTP/1.1 503" in waiting.check()
