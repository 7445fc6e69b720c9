"""`sys_invocation_status`: what is stored of each invocation. Pure: no I/O."""

from __future__ import annotations

from shared.tables.columns import Column, ColumnType, Table

__all__ = ["TABLE"]

TABLE = Table(
    name="sys_invocation_status",
    doc="One row an invocation that is known: from its arrival to the end of its retention.",
    columns=(
        Column("partition_key", ColumnType.U64, "place of the invocation in the key space"),
        Column("id", ColumnType.TEXT, "`inv_1…`"),
        Column("vqueue_id", ColumnType.TEXT, "`vq_1…`: that of all with one service, object, scope and limit key"),
        Column("status", ColumnType.TEXT, "inboxed, scheduled, invoked, suspended, paused or completed"),
        Column("completion_result", ColumnType.TEXT, "success or failure, once completed"),
        Column("completion_failure", ColumnType.TEXT, '"[code] message", once it failed'),
        Column("target", ColumnType.TEXT, "Svc/handler or Obj/key/handler"),
        Column("target_service_name", ColumnType.TEXT, "service"),
        Column("target_service_key", ColumnType.TEXT, "key of the object or workflow; null for plain services"),
        Column("target_handler_name", ColumnType.TEXT, "handler"),
        Column("target_service_ty", ColumnType.TEXT, "service, virtual_object or workflow"),
        Column("scope", ColumnType.TEXT, "flow-control scope"),
        Column("limit_key", ColumnType.TEXT, "flow-control limit key, `a` or `a/b`"),
        Column("idempotency_key", ColumnType.TEXT, "the caller's key, or the one that the ingress made"),
        Column("invoked_by", ColumnType.TEXT, "ingress, service or restart_as_new"),
        Column("invoked_by_id", ColumnType.TEXT, "the calling invocation"),
        Column("invoked_by_subscription_id", ColumnType.TEXT, "always null: no subscriptions yet"),
        Column("invoked_by_service_name", ColumnType.TEXT, "service of the caller"),
        Column("invoked_by_target", ColumnType.TEXT, "target of the caller"),
        Column("restarted_from", ColumnType.TEXT, "the invocation that this one is a restart of"),
        Column("pinned_deployment_id", ColumnType.TEXT, "deployment fixed at the first stored entry"),
        Column("pinned_service_protocol_version", ColumnType.U32, "protocol version negotiated with it"),
        Column("trace_id", ColumnType.TEXT, "W3C trace id, when the call carried one"),
        Column("journal_size", ColumnType.U32, "entries stored, commands and notifications; null before it runs"),
        Column("journal_commands_size", ColumnType.U32, "commands stored; null before it runs"),
        Column("created_at", ColumnType.TIMESTAMP, "arrival"),
        Column("created_using_restate_version", ColumnType.TEXT, "version of the server that took it"),
        Column("modified_at", ColumnType.TIMESTAMP, "last change of the stored record"),
        Column("inboxed_at", ColumnType.TIMESTAMP, "when it began to wait for its object"),
        Column("scheduled_at", ColumnType.TIMESTAMP, "when it was scheduled for later"),
        Column("scheduled_start_at", ColumnType.TIMESTAMP, "the time it was scheduled for"),
        Column("running_at", ColumnType.TIMESTAMP, "first start"),
        Column("completed_at", ColumnType.TIMESTAMP, "end"),
        Column("completion_retention", ColumnType.DURATION, "how long the result is kept"),
        Column("journal_retention", ColumnType.DURATION, "how long the journal is kept"),
        Column(
            "suspended_waiting_for_completions", ColumnType.U32_LIST, "completion ids that wake it, while suspended"
        ),
        Column("suspended_waiting_for_signals", ColumnType.U32_LIST, "signal indexes that wake it, while suspended"),
        Column("suspended_waiting_future_json", ColumnType.TEXT, "what wakes it, as JSON, while suspended"),
    ),
)
