"""`log_groups`: the Raft logs that the node has a member of. Everlog's own. Pure: no I/O."""

from __future__ import annotations

from shared.tables.columns import Column, ColumnType, Table

__all__ = ["TABLE"]

TABLE = Table(
    name="log_groups",
    doc="One row a Raft log, as logd tells at this moment. Everlog's own.",
    columns=(
        Column("name", ColumnType.TEXT, "`meta`, or `p-<partition>`"),
        Column("partition", ColumnType.U32, "the partition whose log it is; null for `meta`"),
        Column("leader", ColumnType.TEXT, "node that leads it; null while none does"),
        Column("leads", ColumnType.BOOL, "that is the node that answers"),
        Column("term", ColumnType.U64, "Raft's term"),
        Column("first_lsn", ColumnType.U64, "oldest record that is kept; null: there is none"),
        Column("committed_lsn", ColumnType.U64, "newest record that is on disk on a quorum"),
        Column("stored_bytes", ColumnType.U64, "size of the records that are kept"),
    ),
)
