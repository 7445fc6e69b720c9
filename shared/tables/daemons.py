"""`daemons`: the programs of the node. Everlog's own. Pure: no I/O."""

from __future__ import annotations

from shared.tables.columns import Column, ColumnType, Table

__all__ = ["TABLE"]

TABLE = Table(
    name="daemons",
    doc="One row a program of the node that listens, or ought to: what the operating system tells. Everlog's own.",
    columns=(
        Column("name", ColumnType.TEXT, "logd, metad, partitiond-<worker>, sqld or ingress"),
        Column("node", ColumnType.TEXT, "node that it is of"),
        Column("state", ColumnType.TEXT, "up, or away: nobody listens on its socket"),
        Column("pid", ColumnType.U32, "its process"),
        Column("started_at", ColumnType.TIMESTAMP, "when that process began"),
        Column("cpu", ColumnType.DURATION, "CPU time that it has used"),
        Column("rss_bytes", ColumnType.U64, "memory that it has in RAM"),
        Column("threads", ColumnType.U32, "its threads"),
        Column("open_files", ColumnType.U32, "its open files and sockets"),
    ),
)
