"""`nodes`: the node that answers. Everlog's own. Pure: no I/O."""

from __future__ import annotations

from shared.tables.columns import Column, ColumnType, Table

__all__ = ["TABLE"]

TABLE = Table(
    name="nodes",
    doc="One row: the node that answers the query. Everlog's own.",
    columns=(
        Column("name", ColumnType.TEXT, "its name in the cluster"),
        Column("cluster", ColumnType.TEXT, "name of the cluster"),
        Column("ingress", ColumnType.TEXT, "URL of its ingress"),
        Column("admin", ColumnType.TEXT, "URL of its admin API"),
        Column("sql", ColumnType.TEXT, "URL for PostgreSQL clients"),
        Column("workers", ColumnType.U32, "its worker processes"),
        Column("partitions", ColumnType.U32, "partitions that its workers have open"),
        Column("leads", ColumnType.U32, "partitions that it leads"),
        Column("store_bytes", ColumnType.U64, "size of its stores on the disk"),
        Column("log_bytes", ColumnType.U64, "size of its logs on the disk"),
        Column("disk_bytes", ColumnType.U64, "size of the file system that holds its data"),
        Column("disk_free_bytes", ColumnType.U64, "bytes free on it"),
    ),
)
