"""`sys_vqueues`: every invocation as an entry of its queue. Pure: no I/O."""

from __future__ import annotations

from shared.tables.columns import Column, ColumnType, Table

__all__ = ["TABLE"]

TABLE = Table(
    name="sys_vqueues",
    doc="One row an invocation that is known, in the words of Restate's virtual queues.",
    columns=(
        Column("partition_key", ColumnType.U64, "place of the invocation in the key space"),
        Column("id", ColumnType.TEXT, "`vq_1…`: that of all with one service, object, scope and limit key"),
        Column("stage", ColumnType.TEXT, "inbox, running, suspended, paused or finished"),
        Column(
            "status",
            ColumnType.TEXT,
            "new, scheduled, started, backing-off, yielded, succeeded, failed, cancelled or killed",
        ),
        Column("has_lock", ColumnType.BOOL, "it holds its object's lock"),
        Column("run_at", ColumnType.TIMESTAMP, "may run from then on; in stage inbox only"),
        Column("sequence_number", ColumnType.U64, "order in its queue: by arrival"),
        Column("entry_id", ColumnType.TEXT, "the invocation"),
        Column("entry_kind", ColumnType.TEXT, "always invocation"),
        Column("created_at", ColumnType.TIMESTAMP, "arrival"),
        Column("transitioned_at", ColumnType.TIMESTAMP, "last change of the stored record"),
        Column(
            "num_attempts", ColumnType.U32, "at least so many: 1 once it ran, as attempts are not counted in the store"
        ),
        Column("num_errors", ColumnType.U32, "at least so many: 1 while it backs off"),
        Column("num_pauses", ColumnType.U32, "at least so many: 1 while it is paused"),
        Column("num_suspensions", ColumnType.U32, "at least so many: 1 while it is suspended"),
        Column("num_yields", ColumnType.U32, "at least so many: 1 while it waits for room again"),
        Column("first_attempt_at", ColumnType.TIMESTAMP, "first start"),
        Column("latest_attempt_at", ColumnType.TIMESTAMP, "always null: see sys_invocation_state"),
        Column("first_runnable_at", ColumnType.TIMESTAMP, "the time it was scheduled for, else its arrival"),
        Column("deployment", ColumnType.TEXT, "deployment that it is pinned to"),
    ),
)
