"""The kinds of tables, by where their rows come from. Pure: no I/O.

A table is a way to find rows and one function a column. A row is whatever is cheapest to make; a column that the
query does not name costs nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from collections.abc import Set as AbstractSet
from typing import Any, NamedTuple

import msgspec

from shared.api.partition import InvocationState
from shared.catalog.catalog import Catalog
from shared.storage.large import Get
from sqld.tables.keyspace import Constraints, KeyRange
from sqld.tables.node_facts import NodeFacts

__all__ = [
    "CatalogTable",
    "Columns",
    "JoinedTable",
    "NodeTable",
    "PartitionView",
    "Source",
    "StoreTable",
    "ViewTable",
    "VolatileTable",
    "time_or_none",
    "utf8_or_none",
]

#: 9999-12-31T23:59:59.999Z.
_TIME_MS_MAX = 253_402_300_799_999

#: Column name -> its value of a row. A column that is missing here is null in every row.
Columns = Mapping[str, Callable[[Any], Any]]


class PartitionView(NamedTuple):
    """Which state of a partition a query reads."""

    partition_id: int
    applied_lsn: int
    #: The partition's time then.
    time_ms: int


class StoreTable(msgspec.Struct, frozen=True):
    """Rows of the partitions' stores. `row` makes one of a key and a value, or None when there is none to show.

    `row_under`, where there is one, gives the `row` that shows what the catalog says of it as well. `row_of_key`, where
    there is one, makes a row for those columns that the key alone tells (`key_columns`): no value is read for them.
    `peeks`: columns whose value is read off a stored value for less than a row costs. `row_with`, where there is one,
    makes rows for these columns in a partition with large values, which it takes out of the store besides.
    """

    ranges: Callable[[Constraints], list[KeyRange]]
    row: Callable[[bytes, bytes], Any]
    columns: Columns
    row_of_key: Callable[[bytes], Any] | None = None
    key_columns: frozenset[str] = frozenset()
    row_under: Callable[[Catalog], Callable[[bytes, bytes], Any]] | None = None
    peeks: Mapping[str, Callable[[bytes], Any]] = {}
    row_with: Callable[[Get, AbstractSet[str]], Callable[[bytes, bytes], Any]] | None = None


class JoinedTable(msgspec.Struct, frozen=True):
    """Rows of the partitions' stores, each with what a partition worker tells of the same invocation.

    `joined` makes a row of one of the store's and the worker's, None where no worker has it. `may_run` says of a row
    of the store that some worker may have it: while none of those that were read may, no worker is asked.
    `row_of_key`, `key_columns` and `peeks` as of `StoreTable`; what they give is not joined.
    """

    ranges: Callable[[Constraints], list[KeyRange]]
    row: Callable[[bytes, bytes], Any]
    may_run: Callable[[Any], bool]
    id_of: Callable[[Any], bytes]
    joined: Callable[[Any, InvocationState | None], Any]
    columns: Columns
    row_of_key: Callable[[bytes], Any] | None = None
    key_columns: frozenset[str] = frozenset()
    peeks: Mapping[str, Callable[[bytes], Any]] = {}


class CatalogTable(msgspec.Struct, frozen=True):
    """Rows of the catalog."""

    rows: Callable[[Catalog], Iterable[Any]]
    columns: Columns


class VolatileTable(msgspec.Struct, frozen=True):
    """Rows that the partition workers tell."""

    rows: Callable[[list[InvocationState]], Iterable[Any]]
    columns: Columns


class ViewTable(msgspec.Struct, frozen=True):
    """Rows about the query's own view of the partitions."""

    rows: Callable[[list[PartitionView]], Iterable[Any]]
    columns: Columns


class NodeTable(msgspec.Struct, frozen=True):
    """Rows that the programs of the node tell of themselves, asked for when a query needs them."""

    rows: Callable[[NodeFacts, Constraints], Iterable[Any]]
    columns: Columns


Source = StoreTable | JoinedTable | CatalogTable | VolatileTable | ViewTable | NodeTable


def time_or_none(at_ms: int) -> int | None:
    """0: there is none. Later ones than Arrow and psql know stand as the last one that they do: a service or a client
    may ask for any time of 64 bits."""
    return min(at_ms, _TIME_MS_MAX) or None


def utf8_or_none(value: bytes) -> str | None:
    """The text, when the bytes are UTF-8."""
    try:
        return value.decode()
    except UnicodeDecodeError:
        return None
