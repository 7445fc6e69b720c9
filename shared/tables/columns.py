"""How a SQL table is described: names, types and meaning of its columns. Pure: no I/O.

Every column may be null, as with Restate: clients were written against that.
"""

from __future__ import annotations

from enum import Enum

import msgspec

__all__ = ["Column", "ColumnType", "Table", "View"]


class ColumnType(Enum):
    """The few types that our tables use. The value is the Arrow type's name, as `information_schema` shows it."""

    U64 = "UInt64"
    U32 = "UInt32"
    BOOL = "Boolean"
    TEXT = "LargeUtf8"
    BYTES = "LargeBinary"
    TIMESTAMP = 'Timestamp(ms, "+00:00")'
    DURATION = "Duration(ms)"
    U32_LIST = "List(UInt32)"
    TEXT_LIST = "List(LargeUtf8)"


class Column(msgspec.Struct, frozen=True):
    """One column and what it means."""

    name: str
    type: ColumnType
    doc: str


class Table(msgspec.Struct, frozen=True):
    """One table. `doc` says what a row is. Invariant: the order of `columns` is the order of `select *`."""

    name: str
    doc: str
    columns: tuple[Column, ...]


class View(msgspec.Struct, frozen=True):
    """A table that is a query over others."""

    name: str
    doc: str
    columns: tuple[Column, ...]
    sql: str
