"""`sys_vqueue_entry_status`: every invocation as an entry of its queue, by its id. Pure: no I/O."""

from __future__ import annotations

from shared.tables import sys_vqueues
from shared.tables.columns import Column, ColumnType, Table

__all__ = ["TABLE"]

_RESOURCES = {
    "invoker_concurrency": "places of the node",
    "throttling_rules": "throttling rules",
    "invoker_throttling": "throttling of the node",
    "invoker_memory": "memory of the node",
    "concurrency_rules": "concurrency rules",
    "lock": "its object's lock",
    "deployment_concurrency": "places of its deployment",
}
_OF_ENTRY = {column.name: column for column in sys_vqueues.TABLE.columns}

TABLE = Table(
    name="sys_vqueue_entry_status",
    doc="One row an invocation that is known, in the words of Restate's virtual queues.",
    columns=(
        _OF_ENTRY["partition_key"],
        _OF_ENTRY["entry_id"],
        Column("vqueue_id", ColumnType.TEXT, "its queue, `vq_1…`"),
        *(_OF_ENTRY[name] for name in ("stage", "status", "has_lock")),
        Column("next_at", ColumnType.TIMESTAMP, "when it may run next"),
        *(
            _OF_ENTRY[name]
            for name in (
                *("sequence_number", "entry_kind", "created_at", "transitioned_at", "num_attempts", "num_errors"),
                *("num_pauses", "num_suspensions", "num_yields", "first_attempt_at", "latest_attempt_at"),
                *("first_runnable_at", "deployment"),
            )
        ),
        Column("needed_memory", ColumnType.U64, "always null"),
        Column("retry_attempts", ColumnType.U32, "always null: see sys_invocation_state"),
        Column("retry_count_since_last_stored_command", ColumnType.U32, "always null: see sys_invocation_state"),
        *(
            Column(
                f"{which}_blocked_on_{resource}", ColumnType.DURATION, f"always null: how long it waited for {words}"
            )
            for which in ("latest_attempt", "total")
            for resource, words in _RESOURCES.items()
        ),
    ),
)
