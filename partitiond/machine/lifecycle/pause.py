"""Retries are exhausted; an operator decides. Pure: no I/O."""

from __future__ import annotations

from partitiond.machine.context import Context
from partitiond.machine.status import move
from shared.storage.values import InvocationRow, Status
from shared.wal.commands import Pause

__all__ = ["on_pause"]


def on_pause(ctx: Context, invocation_id: bytes, row: InvocationRow, effect: Pause) -> None:
    """Keep everything, the lock too; a cancel signal or an operator resumes it."""
    move(row, Status.PAUSED, ctx.now_ms)
    row.paused_for = f"[{effect.failure.code}] {effect.failure.message}"
    ctx.txn.changed(invocation_id)
