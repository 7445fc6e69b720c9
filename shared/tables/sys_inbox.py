"""`sys_inbox`: invocations that wait for their object. Pure: no I/O."""

from __future__ import annotations

from shared.tables.columns import Column, ColumnType, Table

__all__ = ["TABLE"]

TABLE = Table(
    name="sys_inbox",
    doc="One row a waiting invocation.",
    columns=(
        Column("partition_key", ColumnType.U64, "place of the object's key in the key space"),
        Column("service_name", ColumnType.TEXT, "object"),
        Column("service_key", ColumnType.TEXT, "its key"),
        Column("id", ColumnType.TEXT, "the waiting invocation"),
        Column("sequence_number", ColumnType.U64, "order of arrival; smaller runs first"),
        Column("created_at", ColumnType.TIMESTAMP, "always null, as with Restate"),
    ),
)
