"""Key-value state of objects and workflows. Pure: no I/O."""

from __future__ import annotations

from collections.abc import Callable, Set
from typing import NamedTuple

from shared.storage.keys import STATE, decode_object
from shared.storage.large import Get, content_of, large_state_of
from sqld.tables.keyspace import ranges_by_object
from sqld.tables.source import Columns, StoreTable, utf8_or_none

__all__ = ["SOURCE"]


class _Row(NamedTuple):
    partition_key: int
    scope: str | None
    service: str
    key: str
    name: bytes
    value: bytes
    length: int


_COLUMNS: Columns = {
    "partition_key": lambda row: row.partition_key,
    "scope": lambda row: row.scope,
    "service_name": lambda row: row.service,
    "service_key": lambda row: row.key,
    "key": lambda row: row.name.decode(errors="replace"),
    "key_length": lambda row: len(row.name),
    "value_utf8": lambda row: utf8_or_none(row.value),
    "value": lambda row: row.value,
    "value_length": lambda row: row.length,
}

_CONTENT = frozenset(("value", "value_utf8"))


def _row_with(get: Get, columns: Set[str]) -> Callable[[bytes, bytes], _Row]:
    """Contents that are large are read where they are asked for."""
    wants_content = not columns.isdisjoint(_CONTENT)

    def row(key: bytes, value: bytes) -> _Row:
        place, large = decode_object(key), large_state_of(get, key, value)
        if large is None:
            return _Row(*place, value, len(value))
        return _Row(*place, content_of(get, place[0], large) if wants_content else b"", large.size)

    return row


SOURCE = StoreTable(
    ranges=lambda constraints: ranges_by_object(STATE, constraints, name_column="key"),
    row=lambda key, value: _Row(*decode_object(key), value, len(value)),
    row_with=_row_with,
    columns=_COLUMNS,
    # Values may be large, and lists of names are asked for without them.
    row_of_key=lambda key: _Row(*decode_object(key), b"", 0),
    key_columns=frozenset(("partition_key", "scope", "service_name", "service_key", "key", "key_length")),
)
