"""Tables, times, filters, statements, entries and versions, each by itself."""

from __future__ import annotations

import json

import pytest

from scripts.console import when
from scripts.console.entries import entry_words, event_words
from scripts.console.failures import UsageError
from scripts.console.filters import Filter, literal, parse_statuses, where
from scripts.console.grid import Column, clean, cut, fits, grid, pairs, width_of
from scripts.console.object_state import from_shown, shown, version_of
from scripts.console.statements import split


def test_table_is_as_wide_as_it_comes_where_nothing_cuts_it() -> None:
    rows = [["a", "1"], ["long text", "20"]]
    assert grid([Column("NAME"), Column("N", right=True)], rows) == ["NAME        N", "a           1", "long text  20"]


def test_table_fits_and_the_widest_column_gives_way() -> None:
    columns = [Column("ID", whole=True), Column("TEXT"), Column("WORD")]
    rows = [["inv_123456", "a text that is far too long", "word"]]
    lines = grid(columns, rows, width=30)
    assert lines == ["ID          TEXT          WORD", "inv_123456  a text that…  word"]
    assert max(map(len, lines)) == 30


def test_table_keeps_ids_whole_even_where_there_is_no_room() -> None:
    lines = grid([Column("ID", whole=True), Column("TEXT")], [["inv_1234567890", "far too long"]], width=10)
    assert lines[1] == "inv_1234567890  far t…"
    assert not fits([Column(f"column {number}") for number in range(12)], 80)


def test_width_is_that_of_a_terminal() -> None:
    assert width_of("日本") == 4
    assert width_of("e\N{COMBINING ACUTE ACCENT}") == 1
    assert cut("日本語", 5) == "日本…"
    assert cut("日本語", 4) == "日…"
    assert cut("abc", 0) == ""
    assert grid([Column("A"), Column("B")], [["日本", "x"], ["ab", "y"]]) == ["A     B", "日本  x", "ab    y"]


def test_no_value_can_move_the_cursor() -> None:
    assert clean("a\nb\tc\x1b[31m\x07") == "a b c [31m"
    assert "\x1b" not in "".join(grid([Column("A")], [["\x1b[2J"]]))


def test_styles_do_not_count_as_width() -> None:
    lines = grid([Column("A"), Column("B")], [[("x", "bad"), "y"]], paint=lambda style, text: f"<{style}>{text}")
    assert lines == ["<dim>A  <dim>B", "<bad>x  y"]
    assert pairs([("a", ""), ("long", "1")]) == ["  long  1"]


@pytest.mark.parametrize(
    ("passed_ms", "text"),
    [
        (0, "now"),
        (999, "now"),
        (1000, "1 s ago"),
        (59_999, "59 s ago"),
        (60_000, "1 min ago"),
        (-90_000, "in 1 min"),
        (3_600_000 * 5, "5 h ago"),
        (86_400_000 * 400, "400 d ago"),
    ],
)
def test_times_are_told_from_now(passed_ms: int, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(when, "now_ms", lambda: 1_772_366_400_000)
    assert when.ago(when.rfc3339(1_772_366_400_000 - passed_ms)) == text


def test_times_that_are_none_stay_as_they_are() -> None:
    assert when.ago(None) == when.local("") == ""
    assert when.ago("soon") == when.local("soon") == "soon"
    assert when.milliseconds("2026-03-01T12:00:00.123456789Z") == when.milliseconds("2026-03-01T14:00:00.123+02:00")
    assert when.span(1000, 1340) == "+340 ms"
    assert when.span(1000, 13_000) == "+12 s"
    assert when.span(1000, 900) == "-100 ms"


def test_filter_is_a_condition() -> None:
    assert where(Filter()) == ""
    assert Filter().is_empty
    statuses, ends = parse_statuses(["running,paused", "failed"])
    text = where(Filter("O'Hara", "h", "", statuses, ends, "2026-03-01T12:00:00.000Z"), also="x = 1")
    assert text == (
        " where target_service_name = 'O''Hara' and target_handler_name = 'h' and target_service_key = '' "
        "and (status in ('running', 'paused') or completion_result in ('failure')) "
        "and created_at >= '2026-03-01T12:00:00.000Z' and x = 1"
    )
    assert literal("a'b''") == "'a''b'''''"
    assert "completed" not in parse_statuses(["active"])[0]
    with pytest.raises(UsageError, match="there is no status 'lost'"):
        parse_statuses(["lost"])


@pytest.mark.parametrize(
    ("text", "whole", "rest"),
    [
        ("select 1", [], "select 1"),
        ("select 1;", ["select 1"], ""),
        ("a; b;;c", ["a", "b"], "c"),
        ("select ';' ; x", ["select ';'"], "x"),
        ("select 'it''s;' ; x", ["select 'it''s;'"], "x"),
        ('select "a;""b" ; x', ['select "a;""b"'], "x"),
        ("select 1 -- no; end\n; x", ["select 1 -- no; end"], "x"),
        ("select /* ; \n ; */ 1; x", ["select /* ; \n ; */ 1"], "x"),
        ("select 'open; ", [], "select 'open; "),
        ("1 - 2 / 3;", ["1 - 2 / 3"], ""),
        (" ; ", [], ""),
    ],
)
def test_statement_ends_with_its_semicolon(text: str, whole: list[str], rest: str) -> None:
    assert split(text) == (whole, rest)


def test_entries_are_told_in_a_few_words() -> None:
    target = {"VirtualObject": {"name": "Stock", "key": "pears", "handler": "take", "handler_ty": "Exclusive"}}
    call = {"invocation_id": "inv_2", "invocation_target": target, "result_completion_id": 3}
    assert entry_words("Command: Call", json.dumps({"Command": {"Call": call}})) == (
        "Call",
        "Stock/pears/take → inv_2 #3",
    )
    run = {"Command": {"Run": {"completion_id": 1, "name": "charge"}}}
    assert entry_words("Command: Run", json.dumps(run)) == ("Run", "“charge” #1")
    done = {"Notification": {"ty": {"Completion": "Run"}, "id": {"CompletionId": 1}, "result": "Failure"}}
    assert entry_words("Notification: Run", json.dumps(done)) == ("← Run", "#1 failure")
    signal = {"Notification": {"ty": "Signal", "id": {"SignalIndex": 1}, "result": "Void"}}
    assert entry_words("Notification: Signal", json.dumps(signal)) == ("← Signal", "signal 1")
    assert entry_words("Command: Run", None) == ("Run", "its bytes cannot be read")
    paused = {"ty": "Paused", "last_failure": {"error_code": 500, "error_message": "away"}}
    assert event_words(json.dumps(paused)) == ("paused", "after [500] away")
    assert event_words(None)[0] == "unknown event"


def test_version_of_a_state_is_restates() -> None:
    """admin_api.md, part A3."""
    assert version_of({}) == "47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU"
    assert version_of({"a": b"1", "b": b"2"}) == version_of({"b": b"2", "a": b"1"}) != version_of({"a": b"12"})


def test_state_that_is_edited_keeps_the_bytes_of_what_stays() -> None:
    before = {"n": b" 7 ", "raw": b"\xff", "odd": b'{"$base64": "AA=="}', "gone": b"1"}
    values = {name: shown(value) for name, value in before.items()}
    assert values == {"n": 7, "raw": {"$base64": "/w=="}, "odd": {"$base64": "eyIkYmFzZTY0IjogIkFBPT0ifQ=="}, "gone": 1}
    assert from_shown(values, before) == before
    del values["gone"]
    after = from_shown({**values, "n": 8, "new": {"ä": [1, 2]}}, before)
    assert after == {"n": b"8", "raw": b"\xff", "odd": before["odd"], "new": '{"ä":[1,2]}'.encode()}
    with pytest.raises(UsageError, match="no base64"):
        from_shown({"x": {"$base64": "?"}}, before)
