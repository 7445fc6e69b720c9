"""`sys_promise`: durable promises of workflows. Pure: no I/O."""

from __future__ import annotations

from shared.tables.columns import Column, ColumnType, Table

__all__ = ["TABLE"]

TABLE = Table(
    name="sys_promise",
    doc="One row a promise that somebody waits for or completed.",
    columns=(
        Column("partition_key", ColumnType.U64, "place of the workflow's key in the key space"),
        Column("scope", ColumnType.TEXT, "flow-control scope"),
        Column("service_name", ColumnType.TEXT, "workflow"),
        Column("service_key", ColumnType.TEXT, "its key"),
        Column("key", ColumnType.TEXT, "name of the promise"),
        Column("completed", ColumnType.BOOL, "it has a result"),
        Column("completion_success_value", ColumnType.BYTES, "the value it was resolved with"),
        Column("completion_success_value_utf8", ColumnType.TEXT, "the same, when it is UTF-8"),
        Column("completion_failure", ColumnType.TEXT, '"[code reason] message" it was rejected with'),
    ),
)
