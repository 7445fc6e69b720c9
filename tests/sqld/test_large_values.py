"""Values that are stored once are shown as if they were stored wherever they are named."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from shared.storage import keys
from shared.storage.large import LARGE_VALUE_BYTES, state_value, whole_raw
from shared.storage.values import decode_journal, encode
from shared.wal.commands import Target
from sqld.engine.failures import QueryFailure
from sqld.tables import state, sys_journal
from tests.partitiond.machine.fixtures import (
    COUNTER,
    Machine,
    get_lazy_state,
    invoke,
    new_id,
    set_packed_state,
    set_state,
)
from tests.sqld.in_process import EngineOn

_TEXT = "grün ".encode() * LARGE_VALUE_BYTES
_BYTES = b"\xff" * (LARGE_VALUE_BYTES + 1)
_SCOPED = Target("Counter", "add", "c2", COUNTER.kind, "tenant")


def _filled() -> Machine:
    """Two objects with large, small and empty values, and the journals that made them."""
    machine = Machine()
    for target in (COUNTER, _SCOPED):
        invocation_id = new_id(target)
        machine.apply(invoke(invocation_id, target))
        values = (b"a", _TEXT), (b"b", b""), (b"c", _BYTES), (b"d", b"small"), (b"e", _TEXT)
        put = [set_packed_state(*value) if value[1] == _TEXT else set_state(*value) for value in values]
        machine.report(invocation_id, *put)
        machine.report(invocation_id, *(get_lazy_state(name, at) for at, (name, _) in enumerate(values, 1)))
    return machine


def _whole(machine: Machine) -> dict[bytes, bytes]:
    """The same rows as builds wrote them that did not know large values."""
    get, rows = machine.store.get, dict(machine.store.scan(b"\x00", keys.META))
    for key, value in list(rows.items()):
        if key[:1] in (keys.STATE, keys.SCOPED_STATE):
            rows[key] = state_value(get, key, value)
        elif key[:1] == keys.JOURNAL:
            row = decode_journal(value)
            row.raw, row.large = whole_raw(get, key[1:25], row.raw, row.large), None
            rows[key] = encode(row)
        elif key[:1] in (keys.LARGE, keys.LARGE_USES, keys.LARGE_STATE, keys.SCOPED_LARGE_STATE):
            del rows[key]
    return rows


@pytest.fixture(scope="module")
def engines(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[EngineOn, EngineOn]]:
    machine = _filled()
    found = []
    for name, rows in (("parts", dict(machine.store.scan(b"\x00", keys.META))), ("whole", _whole(machine))):
        data: Path = tmp_path_factory.mktemp(name)
        engine = EngineOn(data, partitions=1)
        engine.partitions[0].large_number = machine.meta.large_number if name == "parts" else 0
        engine.write(rows)
        found.append(engine)
    # What is in tables is read otherwise than what is in the log.
    found[0].partitions[0].compact()
    yield found[0], found[1]
    for engine in found:
        engine.close()


_OF_STATE = ("*", "value", "value_utf8", "value_length", "key", "key, value_length", "count(*)")
_OF_JOURNAL = (
    "*", "raw", "raw_length", "entry_json", "entry_lite_json", "name, raw_length", "entry_type", '"index", raw',
)  # fmt: skip
_QUERIES = [
    *(f"SELECT {columns} FROM state" for columns in _OF_STATE),
    *(f"SELECT {columns} FROM sys_journal" for columns in _OF_JOURNAL),
    "SELECT key, value FROM state WHERE service_key = 'c1' AND service_name = 'Counter'",
    "SELECT key FROM state WHERE value_length > 70000 AND scope = 'tenant'",
    "SELECT key FROM state WHERE value_utf8 LIKE 'grün%'",
    "SELECT value FROM state WHERE key = 'e' LIMIT 1",
    "SELECT a.key, a.value_length, b.value FROM state a JOIN state b ON a.value = b.value AND a.key < b.key",
    "SELECT count(*) FROM sys_journal a JOIN sys_journal b ON a.raw = b.raw",
]


@pytest.mark.parametrize("sql", _QUERIES)
def test_a_query_shows_the_same(engines: tuple[EngineOn, EngineOn], sql: str) -> None:
    parts, whole = engines
    shown, wanted = (sorted(map(repr, engine.rows(sql))) for engine in (parts, whole))
    assert shown == wanted
    assert wanted


def test_a_look_up_shows_the_same(engines: tuple[EngineOn, EngineOn]) -> None:
    parts, whole = engines
    for row in whole.rows("SELECT DISTINCT id FROM sys_journal"):
        sql = f"SELECT * FROM sys_journal WHERE id = '{row['id']}'"
        assert parts.rows(sql) == whole.rows(sql)
        assert len(parts.rows(sql)) == 16


def test_contents_are_read_only_where_they_are_asked_for(
    engines: tuple[EngineOn, EngineOn], monkeypatch: pytest.MonkeyPatch
) -> None:
    parts, _ = engines

    def fail(*_: object) -> bytes:
        raise AssertionError("a content is read")

    monkeypatch.setattr(state, "content_of", fail)
    monkeypatch.setattr(sys_journal, "whole_raw", fail)
    assert len(parts.rows("SELECT key, value_length FROM state")) == 10
    lite = parts.rows("SELECT entry_type, name, raw_length, entry_lite_json FROM sys_journal")
    assert len([row for row in lite if row["raw_length"] > LARGE_VALUE_BYTES and row["entry_lite_json"]]) == 12
    for sql in ("SELECT value FROM state", "SELECT raw FROM sys_journal"):
        with pytest.raises(QueryFailure, match="a content is read"):
            parts.rows(sql)
