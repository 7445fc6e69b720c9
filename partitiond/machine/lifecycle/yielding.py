"""A permit that is given back between two attempts. Pure: no I/O."""

from __future__ import annotations

from partitiond.machine.actions import RegisterTimer
from partitiond.machine.chains import release, resume
from partitiond.machine.context import Context
from shared.storage import keys
from shared.storage.values import InvocationRow
from shared.wal.commands import Yield

__all__ = ["on_retry_timer", "on_yield"]


def on_yield(ctx: Context, invocation_id: bytes, row: InvocationRow, effect: Yield) -> None:
    """An attempt failed, and the next one is a while off: others may run meanwhile. Means nothing without a scope."""
    if not row.has_permit:
        return
    release(ctx, invocation_id, row)
    row.retry_at_ms = effect.retry_at_ms
    ctx.txn.put(keys.retry_timer_key(effect.retry_at_ms, invocation_id), row.born_lsn.to_bytes(8, "big"))
    ctx.act(RegisterTimer(effect.retry_at_ms))
    ctx.txn.changed(invocation_id)


def on_retry_timer(ctx: Context, invocation_id: bytes, row: InvocationRow) -> None:
    """The next attempt is due, as soon as there is room. Its timer row is gone."""
    assert row.retry_at_ms, f"{row.target} has a retry timer and does not wait for it"
    row.retry_at_ms = 0
    resume(ctx, invocation_id, row)
