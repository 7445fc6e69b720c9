"""Invocations that wait for their object. Pure: no I/O."""

from __future__ import annotations

from typing import NamedTuple

from shared.ids import encode_invocation_id
from shared.storage.keys import INBOX, decode_object
from shared.storage.values import decode_inbox
from sqld.tables.keyspace import ranges_by_object
from sqld.tables.source import Columns, StoreTable

__all__ = ["SOURCE"]


class _Row(NamedTuple):
    partition_key: int
    scope: str | None
    service: str
    key: str
    sequence: bytes
    id: bytes


_COLUMNS: Columns = {
    "partition_key": lambda row: row.partition_key,
    "service_name": lambda row: row.service,
    "service_key": lambda row: row.key,
    "id": lambda row: encode_invocation_id(row.id),
    "sequence_number": lambda row: int.from_bytes(row.sequence, "big"),
}


def _row(key: bytes, value: bytes) -> _Row | None:
    """A change of state that waits is not shown, as in Restate."""
    waiting = decode_inbox(value)
    return None if waiting is None else _Row(*decode_object(key), waiting)


SOURCE = StoreTable(
    ranges=lambda constraints: ranges_by_object(INBOX, constraints),
    row=_row,
    columns=_COLUMNS,
)
