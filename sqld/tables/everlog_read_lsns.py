"""`everlog_read_lsns()`: which state of each partition the query reads that calls it. Pure: no I/O."""

from __future__ import annotations

from shared.tables.columns import Column, ColumnType
from sqld.tables.source import ViewTable

__all__ = ["COLUMNS", "SOURCE"]

COLUMNS = (
    Column("partition_id", ColumnType.U32, "the partition"),
    Column("applied_lsn", ColumnType.U64, "the query sees what records up to this one did, and nothing of later ones"),
    Column("applied_at", ColumnType.TIMESTAMP, "the partition's time at that record"),
)

SOURCE = ViewTable(
    rows=lambda views: views,
    columns={
        "partition_id": lambda view: view.partition_id,
        "applied_lsn": lambda view: view.applied_lsn,
        "applied_at": lambda view: view.time_ms or None,
    },
)
