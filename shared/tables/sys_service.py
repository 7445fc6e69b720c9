"""`sys_service`: registered services. Pure: no I/O."""

from __future__ import annotations

from shared.tables.columns import Column, ColumnType, Table

__all__ = ["TABLE"]

TABLE = Table(
    name="sys_service",
    doc="One row a service at its latest revision.",
    columns=(
        Column("name", ColumnType.TEXT, "service"),
        Column("revision", ColumnType.U64, "latest revision"),
        Column("public", ColumnType.BOOL, "may be called through the ingress"),
        Column("ty", ColumnType.TEXT, "service, virtual_object or workflow"),
        Column("deployment_id", ColumnType.TEXT, "deployment that serves new invocations"),
    ),
)
