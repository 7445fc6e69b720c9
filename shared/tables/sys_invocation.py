"""`sys_invocation`: stored record and running attempt of each invocation, joined. Pure: no I/O."""

from __future__ import annotations

from shared.tables import sys_invocation_state, sys_invocation_status
from shared.tables.columns import Column, ColumnType, View

__all__ = ["VIEW"]

_FROM_STATUS = [
    "id",
    "vqueue_id",
    "target",
    "target_service_name",
    "target_service_key",
    "target_handler_name",
    "target_service_ty",
    "scope",
    "limit_key",
    "idempotency_key",
    "invoked_by",
    "invoked_by_service_name",
    "invoked_by_id",
    "invoked_by_subscription_id",
    "invoked_by_target",
    "restarted_from",
    "pinned_deployment_id",
    "pinned_service_protocol_version",
    "trace_id",
    "journal_size",
    "journal_commands_size",
    "created_at",
    "created_using_restate_version",
    "modified_at",
    "inboxed_at",
    "scheduled_at",
    "scheduled_start_at",
    "running_at",
    "completed_at",
    "completion_retention",
    "journal_retention",
    "suspended_waiting_for_completions",
    "suspended_waiting_for_signals",
    "suspended_waiting_future_json",
]
_FROM_STATE = [
    "retry_count",
    "last_start_at",
    "next_retry_at",
    "last_attempt_deployment_id",
    "last_attempt_server",
    "last_failure",
    "last_failure_error_code",
    "last_failure_related_entry_index",
    "last_failure_related_entry_name",
    "last_failure_related_entry_type",
    "last_failure_related_command_index",
    "last_failure_related_command_name",
    "last_failure_related_command_type",
    "last_awaiting_on_future_json",
]
_LAST = ["completion_result", "completion_failure"]

_STATUS = (
    "arrow_cast(CASE "
    "WHEN ss.status = 'inboxed' THEN 'pending' "
    "WHEN ss.status = 'scheduled' THEN 'scheduled' "
    "WHEN ss.status = 'completed' THEN 'completed' "
    "WHEN ss.status = 'suspended' THEN 'suspended' "
    "WHEN ss.status = 'paused' THEN 'paused' "
    "WHEN sis.in_flight THEN 'running' "
    "WHEN ss.status = 'invoked' AND sis.retry_count > 0 THEN 'backing-off' "
    "ELSE 'ready' END, 'LargeUtf8') AS status"
)
_status_columns = {column.name: column for column in sys_invocation_status.TABLE.columns}
_state_columns = {column.name: column for column in sys_invocation_state.TABLE.columns}

VIEW = View(
    name="sys_invocation",
    doc="One row an invocation that is known, with what its leader knows of a running attempt.",
    columns=(
        *(_status_columns[name] for name in _FROM_STATUS),
        *(_state_columns[name] for name in _FROM_STATE),
        Column(
            "status",
            ColumnType.TEXT,
            "pending, scheduled, ready, running, backing-off, suspended, paused or completed",
        ),
        *(_status_columns[name] for name in _LAST),
    ),
    # The state is on the left, since a hash join holds its left side in memory and streams the right one.
    sql="SELECT "
    + ", ".join(
        [f"ss.{name}" for name in _FROM_STATUS]
        + [f"sis.{name}" for name in _FROM_STATE]
        + [_STATUS]
        + [f"ss.{name}" for name in _LAST]
    )
    + " FROM sys_invocation_state sis RIGHT JOIN sys_invocation_status ss ON ss.id = sis.id",
)
