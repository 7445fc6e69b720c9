"""`sys_vqueue_meta`: all that is known of each queue, counted over its invocations. Pure: no I/O."""

from __future__ import annotations

from shared.tables.columns import Column, ColumnType, View

__all__ = ["VIEW"]

_AVERAGES = {
    "avg_queue_duration": "waited for their first attempt",
    "avg_inbox_duration": "waited in the inbox",
    "avg_run_duration": "ran",
    "avg_suspension_duration": "were suspended",
    "avg_end_to_end_duration": "lived",
    "avg_blocked_on_concurrency_rules": "waited for concurrency rules",
    "avg_blocked_on_invoker_concurrency": "waited for a place of the node",
    "avg_blocked_on_invoker_throttling": "waited for throttling",
    "avg_blocked_on_lock": "waited for their object's lock",
}
_STAGES = {
    "num_inbox": ("status IN ('inboxed', 'scheduled')", "wait for their turn"),
    "num_running": ("status = 'invoked'", "run, or are between two attempts"),
    "num_suspended": ("status = 'suspended'", "are suspended"),
    "num_paused": ("status = 'paused'", "are paused"),
    "num_finished": ("status = 'completed'", "have ended and are still known"),
}
_GROUP = "partition_key, vqueue_id, target_service_name, target_service_ty, target_service_key, scope, limit_key"
# A CASE without ELSE may be null, as every column of a table may be.
_SQL = f"""SELECT partition_key, vqueue_id AS id,
    CASE WHEN true THEN count(*) FILTER (WHERE status <> 'completed') > 0 END AS is_active,
    CASE WHEN true THEN false END AS queue_is_paused,
    target_service_name AS service_name, scope, limit_key,
    arrow_cast(CASE WHEN target_service_ty = 'virtual_object'
        THEN concat(target_service_name, '/', target_service_key) END, 'LargeUtf8') AS lock_name,
    min(created_at) AS created_at, max(created_at) AS last_enqueued_at, max(running_at) AS last_start_at,
    arrow_cast(NULL, 'Timestamp(Millisecond, Some("+00:00"))') AS last_attempt_at,
    max(completed_at) AS last_finish_at,
    {", ".join(f"arrow_cast(NULL, 'Duration(Millisecond)') AS {name}" for name in _AVERAGES)},
    {
    ", ".join(
        f"arrow_cast(CASE WHEN true THEN count(*) FILTER (WHERE {where}) END, 'UInt64') AS {name}"
        for name, (where, _) in _STAGES.items()
    )
}
FROM sys_invocation_status GROUP BY {_GROUP}"""

VIEW = View(
    name="sys_vqueue_meta",
    doc="One row a queue that a known invocation is of, in the words of Restate's virtual queues.",
    columns=(
        Column("partition_key", ColumnType.U64, "place of its invocations in the key space"),
        Column("id", ColumnType.TEXT, "`vq_1…`"),
        Column("is_active", ColumnType.BOOL, "some of them have not ended"),
        Column("queue_is_paused", ColumnType.BOOL, "always false: queues as such cannot be paused"),
        Column("service_name", ColumnType.TEXT, "their service"),
        Column("scope", ColumnType.TEXT, "their flow-control scope"),
        Column("limit_key", ColumnType.TEXT, "their flow-control limit key"),
        Column("lock_name", ColumnType.TEXT, "`service/key`; objects only"),
        Column("created_at", ColumnType.TIMESTAMP, "arrival of the oldest that is known"),
        Column("last_enqueued_at", ColumnType.TIMESTAMP, "arrival of the newest"),
        Column("last_start_at", ColumnType.TIMESTAMP, "when one of them last started for the first time"),
        Column("last_attempt_at", ColumnType.TIMESTAMP, "always null: see sys_invocation_state"),
        Column("last_finish_at", ColumnType.TIMESTAMP, "when one of them last ended"),
        *(
            Column(name, ColumnType.DURATION, f"always null: how long they {words}")
            for name, words in _AVERAGES.items()
        ),
        *(Column(name, ColumnType.U64, f"how many {words}") for name, (_, words) in _STAGES.items()),
    ),
    sql=_SQL,
)
