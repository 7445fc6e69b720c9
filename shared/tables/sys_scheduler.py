"""`sys_scheduler`: queues in which somebody waits. Pure: no I/O."""

from __future__ import annotations

from shared.tables.columns import Column, ColumnType, View

__all__ = ["VIEW"]

_BLOCKS = {
    "invoker_concurrency": "a place of the node",
    "throttling_rules": "throttling rules",
    "invoker_throttling": "throttling of the node",
    "invoker_memory": "memory of the node",
    "concurrency_rules": "concurrency rules",
    "lock": "its object's lock",
    "deployment_concurrency": "a place of its deployment",
}
# A CASE without ELSE may be null, as every column of a table may be.
_SQL = f"""SELECT partition_key, vqueue_id AS id,
    arrow_cast(CASE WHEN true THEN count(*) END, 'UInt64') AS num_inbox,
    arrow_cast(CASE WHEN count(*) FILTER (WHERE status = 'inboxed') > 0 THEN 'blocked'
        WHEN true THEN 'scheduled' END, 'LargeUtf8') AS status,
    first_value(id ORDER BY status ASC, created_at ASC) AS head_entry_id,
    CASE WHEN count(*) FILTER (WHERE status = 'inboxed') = 0 THEN min(scheduled_start_at) END AS scheduled_at,
    arrow_cast(CASE WHEN count(*) FILTER (WHERE status = 'inboxed') = 0 THEN NULL WHEN scope IS NULL THEN 'lock'
        WHEN target_service_ty = 'service' THEN 'limit-key-concurrency' END, 'LargeUtf8') AS blocked_on,
    arrow_cast(NULL, 'LargeUtf8') AS blocked_on_json,
    {", ".join(f"arrow_cast(NULL, 'Duration(Millisecond)') AS {name}_block_duration" for name in _BLOCKS)}
FROM sys_invocation_status WHERE status IN ('inboxed', 'scheduled')
    GROUP BY partition_key, vqueue_id, scope, target_service_ty"""

VIEW = View(
    name="sys_scheduler",
    doc="One row a queue in which an invocation waits for its turn, in the words of Restate's virtual queues.",
    columns=(
        Column("partition_key", ColumnType.U64, "place of its invocations in the key space"),
        Column("id", ColumnType.TEXT, "`vq_1…`"),
        Column("num_inbox", ColumnType.U64, "how many wait"),
        Column("status", ColumnType.TEXT, "blocked: they wait for a lock or a place; scheduled: for their time"),
        Column("head_entry_id", ColumnType.TEXT, "the one that waits longest"),
        Column("scheduled_at", ColumnType.TIMESTAMP, "time of the first one, when all wait for theirs"),
        Column("blocked_on", ColumnType.TEXT, "lock, or limit-key-concurrency; null where it may be either"),
        Column("blocked_on_json", ColumnType.TEXT, "always null"),
        *(
            Column(f"{name}_block_duration", ColumnType.DURATION, f"always null: how long it waited for {words}")
            for name, words in _BLOCKS.items()
        ),
    ),
    sql=_SQL,
)
