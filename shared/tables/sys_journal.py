"""`sys_journal`: the journals of all invocations. Pure: no I/O."""

from __future__ import annotations

from shared.tables.columns import Column, ColumnType, Table

__all__ = ["TABLE"]

TABLE = Table(
    name="sys_journal",
    doc="One row an entry of a journal: a command or a notification.",
    columns=(
        Column("partition_key", ColumnType.U64, "place of the invocation in the key space"),
        Column("id", ColumnType.TEXT, "the invocation"),
        Column("index", ColumnType.U32, "place in the journal, from 0"),
        Column("entry_type", ColumnType.TEXT, '"Command: Call", "Notification: Sleep", …'),
        Column("name", ColumnType.TEXT, "the name that the handler gave the command; null for notifications"),
        Column("completed", ColumnType.BOOL, "always null: protocol 3 and older"),
        Column("invoked_id", ColumnType.TEXT, "always null: protocol 3 and older"),
        Column("invoked_target", ColumnType.TEXT, "always null: protocol 3 and older"),
        Column("sleep_wakeup_at", ColumnType.TIMESTAMP, "always null: protocol 3 and older"),
        Column("promise_name", ColumnType.TEXT, "always null: protocol 3 and older"),
        Column("raw", ColumnType.BYTES, "the entry as on the wire (protobuf)"),
        Column("raw_length", ColumnType.U64, "its length in bytes"),
        Column("version", ColumnType.U32, "always 2: journals of protocol 4 and newer"),
        Column("entry_json", ColumnType.TEXT, "the whole entry as JSON"),
        Column("entry_lite_json", ColumnType.TEXT, "the entry without payloads, as JSON"),
        Column("appended_at", ColumnType.TIMESTAMP, "when it was stored"),
    ),
)
