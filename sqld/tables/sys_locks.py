"""Locks of objects, as newer clients ask for them. Pure: no I/O."""

from __future__ import annotations

from shared.ids import encode_invocation_id
from shared.storage.keys import LOCK
from sqld.tables.keyspace import Bounds, Constraints, KeyRange, ranges_by_object
from sqld.tables.source import Columns, StoreTable
from sqld.tables.sys_keyed_service_status import lock_row

__all__ = ["SOURCE"]


def _ranges(constraints: Constraints) -> list[KeyRange]:
    """A lock's name is a service's and a key: with one asked for, it is found by these."""
    names = constraints.get("lock_name", Bounds()).values
    if names is None:
        return ranges_by_object(LOCK, constraints)
    pairs = [name.split("/", 1) for name in names if isinstance(name, str) and "/" in name]
    split = {
        "service_name": Bounds(values=frozenset(service for service, _ in pairs)),
        "service_key": Bounds(values=frozenset(key for _, key in pairs)),
    }
    return ranges_by_object(LOCK, {**constraints, **split})


_COLUMNS: Columns = {
    "partition_key": lambda row: row.partition_key,
    "scope": lambda row: row.scope,
    "lock_name": lambda row: f"{row.service}/{row.key}",
    "acquired_by": lambda row: encode_invocation_id(row.holder),
}

SOURCE = StoreTable(ranges=_ranges, row=lock_row, columns=_COLUMNS)
