"""Locks of objects. Pure: no I/O."""

from __future__ import annotations

from typing import NamedTuple

from shared.ids import encode_invocation_id
from shared.storage.keys import LOCK, decode_object
from shared.storage.values import decode_lock
from sqld.tables.keyspace import ranges_by_object
from sqld.tables.source import Columns, StoreTable

__all__ = ["SOURCE", "LockRow", "lock_row"]


class LockRow(NamedTuple):
    """A lock that somebody holds."""

    partition_key: int
    scope: str | None
    service: str
    key: str
    holder: bytes


def lock_row(key: bytes, value: bytes) -> LockRow | None:
    """None: nobody holds it."""
    holder = decode_lock(value).holder
    # A lock that nobody holds only keeps the bounds of an inbox: the oracle shows no row either.
    return None if holder is None else LockRow(*decode_object(key)[:4], holder)


_COLUMNS: Columns = {
    "partition_key": lambda row: row.partition_key,
    "service_name": lambda row: row.service,
    "service_key": lambda row: row.key,
    "invocation_id": lambda row: encode_invocation_id(row.holder),
}

SOURCE = StoreTable(
    ranges=lambda constraints: ranges_by_object(LOCK, constraints, id_column="invocation_id"),
    row=lock_row,
    columns=_COLUMNS,
)
