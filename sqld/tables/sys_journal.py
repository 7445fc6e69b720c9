"""The journals of all invocations. Pure: no I/O."""

from __future__ import annotations

from collections.abc import Callable, Set
from typing import Any, NamedTuple

from shared.ids import encode_invocation_id, partition_key_of
from shared.protocol.message_types import command_name, is_command
from shared.storage.keys import JOURNAL
from shared.storage.large import Get, whole_raw
from shared.storage.values import decode_journal
from sqld.tables.entry_json import command_label, entry_json, entry_lite_json
from sqld.tables.keyspace import Bounds, Constraints, KeyRange, ranges_by_id
from sqld.tables.source import Columns, StoreTable

__all__ = ["SOURCE"]


_INDEX_MAX = (1 << 32) - 1


class _Row(NamedTuple):
    id: bytes
    position: int
    #: None only where the columns of the key are asked for.
    entry: Any


def _entry_type(row: _Row) -> str:
    role = "Command" if is_command(row.entry.entry_type) else "Notification"
    return f"{role}: {command_name(row.entry.entry_type)}"


def _raw_length(row: _Row) -> int:
    # Without its content, where no column needs that.
    large = row.entry.large
    length: int = len(row.entry.raw)
    return length if large is None else length + large.size


_COLUMNS: Columns = {
    "partition_key": lambda row: partition_key_of(row.id),
    "id": lambda row: encode_invocation_id(row.id),
    "index": lambda row: row.position,
    "entry_type": _entry_type,
    "name": lambda row: command_label(row.entry),
    "raw": lambda row: row.entry.raw,
    "raw_length": _raw_length,
    "version": lambda row: 2,
    "entry_json": lambda row: entry_json(row.entry),
    "entry_lite_json": lambda row: entry_lite_json(row.entry),
    "appended_at": lambda row: row.entry.at_ms or None,
}


def _ranges(constraints: Constraints) -> list[KeyRange]:
    """With some entries of named invocations asked for, their keys: a journal may be long."""
    ranges = ranges_by_id(JOURNAL, constraints, id_column="id")
    index = constraints.get("index", Bounds())
    if constraints.get("id", Bounds()).values is None:
        return ranges
    if index.values is None:
        low = max(0, index.low) if isinstance(index.low, int) else 0
        high = min(_INDEX_MAX, index.high) if isinstance(index.high, int) else _INDEX_MAX
        if low > high:
            return []
        first, last = low.to_bytes(4, "big"), high.to_bytes(4, "big")
        return [KeyRange(r.start + first, r.start + last + b"\0") for r in ranges]
    suffixes = sorted(i.to_bytes(4, "big") for i in index.values if isinstance(i, int) and 0 <= i <= _INDEX_MAX)
    return [KeyRange(r.start + suffix, r.start + suffix + b"\0") for r in ranges for suffix in suffixes]


#: These show what an entry holds; all others do with the message around it.
_CONTENT = frozenset(("raw", "entry_json"))


def _row_with(get: Get, columns: Set[str]) -> Callable[[bytes, bytes], _Row]:
    """Contents that are stored as large values are read where they are asked for."""
    wants_content = not columns.isdisjoint(_CONTENT)

    def row(key: bytes, value: bytes) -> _Row:
        invocation_id, entry = key[1:25], decode_journal(value)
        if wants_content and entry.large is not None:
            entry.raw, entry.large = whole_raw(get, invocation_id, entry.raw, entry.large), None
        return _Row(invocation_id, int.from_bytes(key[25:29], "big"), entry)

    return row


SOURCE = StoreTable(
    ranges=_ranges,
    row=lambda key, value: _Row(key[1:25], int.from_bytes(key[25:29], "big"), decode_journal(value)),
    row_with=_row_with,
    columns=_COLUMNS,
    row_of_key=lambda key: _Row(key[1:25], int.from_bytes(key[25:29], "big"), None),
    key_columns=frozenset(("partition_key", "id", "index")),
)
