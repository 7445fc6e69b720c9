"""`sys_locks`: locks of objects, as newer clients ask for them. Pure: no I/O."""

from __future__ import annotations

from shared.tables.columns import Column, ColumnType, Table

__all__ = ["TABLE"]

TABLE = Table(
    name="sys_locks",
    doc="One row an object that is locked.",
    columns=(
        Column("partition_key", ColumnType.U64, "place of the object's key, or scope, in the key space"),
        Column("scope", ColumnType.TEXT, "flow-control scope"),
        Column("lock_name", ColumnType.TEXT, "`service/key`"),
        Column("acquired_at", ColumnType.TIMESTAMP, "always null: a lock does not know since when"),
        Column("acquired_by", ColumnType.TEXT, "the invocation that holds the lock"),
    ),
)
