"""`log`: the records of the partitions' logs, decoded. Everlog's own. Pure: no I/O."""

from __future__ import annotations

from shared.tables.columns import Column, ColumnType, Table

__all__ = ["TABLE"]

TABLE = Table(
    name="log",
    doc="One row a command of a partition's log, oldest first, for debugging: name `partition` and a range of `lsn`, "
    "and no more is read. A record has one or more commands. Everlog's own.",
    columns=(
        Column("partition", ColumnType.U32, "the partition"),
        Column("lsn", ColumnType.U64, "the record's place in its log"),
        Column("index", ColumnType.U32, "place of the command in its record, from 0"),
        Column("at", ColumnType.TIMESTAMP, "the leader's clock when it proposed the record"),
        Column("epoch", ColumnType.U64, "LSN of that leader's announcement; 0: this is one"),
        Column("seq", ColumnType.U64, "number of the record in its epoch"),
        Column("command", ColumnType.TEXT, "Invoke, InvokerEffects, FireTimers, …"),
        Column("invocation_id", ColumnType.TEXT, "the invocation that it names, where it names one"),
        Column("words", ColumnType.TEXT, "the command in words, as `everlog log dump` prints it"),
        Column("json", ColumnType.TEXT, "the whole command as JSON"),
        Column("record_bytes", ColumnType.U64, "size of the record"),
        Column("problem", ColumnType.TEXT, "why the record cannot be read; then nothing else of it is known"),
    ),
)
