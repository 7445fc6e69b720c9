"""Sleeps, scheduled starts, and attempts that were put off. Pure: no I/O."""

from __future__ import annotations

from itertools import islice

from partitiond.machine.context import Context
from partitiond.machine.journal import complete
from partitiond.machine.lifecycle.invoke import begin
from partitiond.machine.lifecycle.yielding import on_retry_timer
from shared.protocol.message_types import MessageType
from shared.storage import keys
from shared.storage.values import Status
from shared.wal.commands import FireTimers

__all__ = ["on_fire_timers"]


def on_fire_timers(ctx: Context, command: FireTimers) -> None:
    """The timers due by then fire, in order of time, as many as the command allows."""
    end = keys.TIMER + (command.until_ms + 1).to_bytes(8, "big")
    due = ctx.txn.scan(keys.TIMER, end)
    for key, value in list(islice(due, command.limit) if command.limit else due):
        ctx.txn.delete(key)
        _, invocation_id, completion_id = keys.decode_timer(key)
        row = ctx.txn.invocation(invocation_id)
        if row is None or row.status is Status.COMPLETED:
            continue
        if keys.is_retry_timer(key):
            on_retry_timer(ctx, invocation_id, row)
        elif row.status is Status.SCHEDULED:
            if not value:
                begin(ctx, invocation_id, row)
        # 0: of a store that did not know it yet.
        elif int.from_bytes(value, "big") in (0, row.born_lsn):
            complete(ctx, invocation_id, row, MessageType.SLEEP_COMPLETION, completion_id, None)
