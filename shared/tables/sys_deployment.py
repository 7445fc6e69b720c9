"""`sys_deployment`: registered deployments. Pure: no I/O."""

from __future__ import annotations

from shared.tables.columns import Column, ColumnType, Table

__all__ = ["TABLE"]

TABLE = Table(
    name="sys_deployment",
    doc="One row a deployment.",
    columns=(
        Column("id", ColumnType.TEXT, "`dp_1…`"),
        Column("ty", ColumnType.TEXT, "http"),
        Column("endpoint", ColumnType.TEXT, "its URL"),
        Column("created_at", ColumnType.TIMESTAMP, "registration"),
        Column("min_service_protocol_version", ColumnType.U32, "oldest protocol version it speaks"),
        Column("max_service_protocol_version", ColumnType.U32, "newest protocol version it speaks"),
        Column("services", ColumnType.TEXT_LIST, "names of the services discovered from it"),
    ),
)
