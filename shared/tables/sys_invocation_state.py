"""`sys_invocation_state`: what the invokers know of running attempts. Pure: no I/O."""

from __future__ import annotations

from shared.tables.columns import Column, ColumnType, Table

__all__ = ["TABLE"]

TABLE = Table(
    name="sys_invocation_state",
    doc="One row an invocation that a leader runs or retries right now. Nothing of it is stored.",
    columns=(
        Column("partition_key", ColumnType.U64, "place of the invocation in the key space"),
        Column("id", ColumnType.TEXT, "`inv_1…`"),
        Column("in_flight", ColumnType.BOOL, "an attempt is running now"),
        Column("retry_count", ColumnType.U64, "attempts since the present leader took it, or since it last suspended"),
        Column("last_start_at", ColumnType.TIMESTAMP, "start of the last attempt"),
        Column("last_attempt_deployment_id", ColumnType.TEXT, "deployment that it called"),
        Column("last_attempt_server", ColumnType.TEXT, "SDK name and version, as the deployment told"),
        Column("next_retry_at", ColumnType.TIMESTAMP, "when the next attempt starts"),
        Column("last_failure", ColumnType.TEXT, '"[code] message" of the last failed attempt'),
        Column("last_failure_error_code", ColumnType.TEXT, "code of the documentation, RTxxxx"),
        Column("last_failure_related_command_index", ColumnType.U64, "command that is blamed"),
        Column("last_failure_related_command_name", ColumnType.TEXT, "its name"),
        Column("last_failure_related_command_type", ColumnType.TEXT, "its type"),
        Column("last_failure_related_entry_index", ColumnType.U64, "always null: protocol 3 and older"),
        Column("last_failure_related_entry_name", ColumnType.TEXT, "always null: protocol 3 and older"),
        Column("last_failure_related_entry_type", ColumnType.TEXT, "always null: protocol 3 and older"),
        Column(
            "last_awaiting_on_future_json",
            ColumnType.TEXT,
            "JSON: what the handler waits for (protocol 7)",
        ),
    ),
)
