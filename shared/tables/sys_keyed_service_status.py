"""`sys_keyed_service_status`: locks of objects. Pure: no I/O."""

from __future__ import annotations

from shared.tables.columns import Column, ColumnType, Table

__all__ = ["TABLE"]

TABLE = Table(
    name="sys_keyed_service_status",
    doc="One row an object that is locked.",
    columns=(
        Column("partition_key", ColumnType.U64, "place of the object's key in the key space"),
        Column("service_name", ColumnType.TEXT, "object"),
        Column("service_key", ColumnType.TEXT, "its key"),
        Column("invocation_id", ColumnType.TEXT, "the invocation that holds the lock"),
    ),
)
