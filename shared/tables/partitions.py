"""`partitions`: how each partition of the node stands. Everlog's own. Pure: no I/O."""

from __future__ import annotations

from shared.tables.columns import Column, ColumnType, Table

__all__ = ["TABLE"]

TABLE = Table(
    name="partitions",
    doc="One row a partition, as its worker and its log tell at this moment. Everlog's own.",
    columns=(
        Column("partition", ColumnType.U32, "its number"),
        Column("start_key", ColumnType.U64, "first partition key that it holds"),
        Column("end_key", ColumnType.U64, "last partition key that it holds"),
        Column("leader", ColumnType.TEXT, "node that leads it; null while none does"),
        Column("worker", ColumnType.U32, "worker process that has it: `partitiond-<worker>`"),
        Column("state", ColumnType.TEXT, "leads, no leader yet, how far a replay is, damaged and why, or worker away"),
        Column("epoch", ColumnType.U64, "LSN of the leader's announcement"),
        Column("applied_lsn", ColumnType.U64, "records up to here are applied: what queries see"),
        Column("durable_lsn", ColumnType.U64, "records up to here are in a flushed checkpoint"),
        Column("trimmed_lsn", ColumnType.U64, "records up to here are gone from the log"),
        Column("committed_lsn", ColumnType.U64, "newest record that is on disk on a quorum"),
        Column("lag", ColumnType.U64, "committed LSN less applied LSN"),
        Column("waiting", ColumnType.U64, "requests whose answer the leader owes"),
        Column("store_bytes", ColumnType.U64, "size of its store on the disk"),
        Column("log_bytes", ColumnType.U64, "size of its log's records that are kept"),
    ),
)
