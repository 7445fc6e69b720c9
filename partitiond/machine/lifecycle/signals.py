"""Signals, awakeables and the cancel signal. Pure: no I/O."""

from __future__ import annotations

from partitiond.machine.chains import resume
from partitiond.machine.context import Context
from partitiond.machine.journal import signal
from partitiond.machine.lifecycle.complete import end
from partitiond.machine.messages import CANCELED
from shared.ids import CANCEL_SIGNAL
from shared.storage.values import Status
from shared.wal.commands import CompleteAwakeable, Result

__all__ = ["on_complete_awakeable", "on_signal"]


def on_complete_awakeable(ctx: Context, command: CompleteAwakeable) -> None:
    """An outside caller resolves or rejects."""
    on_signal(ctx, command.invocation_id, command.signal, command.result)


def on_signal(ctx: Context, invocation_id: bytes, which: int | str, result: Result | None) -> None:
    """Store the signal. One for an unknown or ended invocation has nobody to hear it.

    Cancel (signal 1) ends at once what has not begun, and wakes what is paused.
    """
    row = ctx.txn.invocation(invocation_id)
    if row is None or row.status is Status.COMPLETED:
        return
    if which == CANCEL_SIGNAL and row.status in (Status.SCHEDULED, Status.INBOXED):
        end(ctx, invocation_id, row, CANCELED)
        return
    signal(ctx, invocation_id, row, which, result)
    if which == CANCEL_SIGNAL and row.status is Status.PAUSED:
        resume(ctx, invocation_id, row)
