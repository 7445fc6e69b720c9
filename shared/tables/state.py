"""`state`: key-value state of objects and workflows. Pure: no I/O."""

from __future__ import annotations

from shared.tables.columns import Column, ColumnType, Table

__all__ = ["TABLE"]

TABLE = Table(
    name="state",
    doc="One row a value.",
    columns=(
        Column("partition_key", ColumnType.U64, "place of the object's key in the key space"),
        Column("scope", ColumnType.TEXT, "flow-control scope"),
        Column("service_name", ColumnType.TEXT, "object or workflow"),
        Column("service_key", ColumnType.TEXT, "its key"),
        Column("key", ColumnType.TEXT, "name of the value"),
        Column("key_length", ColumnType.U64, "length of the name in bytes"),
        Column("value_utf8", ColumnType.TEXT, "the value, when it is UTF-8"),
        Column("value", ColumnType.BYTES, "the value"),
        Column("value_length", ColumnType.U64, "its length in bytes"),
    ),
)
