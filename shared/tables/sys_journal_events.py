"""`sys_journal_events`: what happened to invocations beside their journals. Pure: no I/O."""

from __future__ import annotations

from shared.tables.columns import Column, ColumnType, Table

__all__ = ["TABLE"]

TABLE = Table(
    name="sys_journal_events",
    doc="One row an event: a failure of an attempt (equal ones in a row are one), a pause. The newest are kept.",
    columns=(
        Column("partition_key", ColumnType.U64, "place of the invocation in the key space"),
        Column("id", ColumnType.TEXT, "the invocation"),
        Column("after_journal_entry_index", ColumnType.U32, "the last journal entry before it"),
        Column("appended_at", ColumnType.TIMESTAMP, "when it was stored"),
        Column("event_type", ColumnType.TEXT, "TransientError or Paused"),
        Column("event_json", ColumnType.TEXT, "the whole event as JSON"),
    ),
)
