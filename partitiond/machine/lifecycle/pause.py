"""Everything is kept, and nothing runs until an operator says so. Pure: no I/O."""

from __future__ import annotations

from partitiond.machine.actions import AbortAttempt, TerminateOutcome
from partitiond.machine.context import Context
from partitiond.machine.events import add_event
from partitiond.machine.journal import resume
from partitiond.machine.status import move
from shared.ids import CANCEL_SIGNAL
from shared.storage import keys
from shared.storage.values import EventKind, InvocationRow, Status
from shared.wal.commands import Failed, FailureDetail, Pause, PauseInvocation

__all__ = ["on_failed", "on_pause", "on_pause_invocation"]


def on_failed(ctx: Context, invocation_id: bytes, row: InvocationRow, effect: Failed) -> None:
    """An attempt failed, and the invoker will try again."""
    add_event(ctx, invocation_id, row, EventKind.TRANSIENT_ERROR, effect.detail)


def on_pause(ctx: Context, invocation_id: bytes, row: InvocationRow, effect: Pause) -> None:
    """Retries are exhausted. Keep everything, the lock too; a cancel signal or an operator resumes it.

    A cancel signal that came while the last attempt failed has not been tried yet: it resumes at once, as it would
    have done a moment later.
    """
    if effect.known_entries is not None and _is_cancelled_since(ctx, invocation_id, effect.known_entries):
        resume(ctx, invocation_id, row)
        return
    _pause(ctx, invocation_id, row, effect.detail)
    row.paused_for = f"[{effect.failure.code}] {effect.failure.message}"


def _is_cancelled_since(ctx: Context, invocation_id: bytes, known_entries: int) -> bool:
    place = ctx.txn.get(keys.notification_key(invocation_id, CANCEL_SIGNAL, signal=True))
    return place is not None and int.from_bytes(place[:4], "big") >= known_entries


def on_pause_invocation(ctx: Context, command: PauseInvocation) -> None:
    """An operator asks for it."""
    row = ctx.txn.invocation(command.invocation_id)
    ctx.act(TerminateOutcome(command.request, _pause_from_outside(ctx, command, row)))


def _pause_from_outside(ctx: Context, command: PauseInvocation, row: InvocationRow | None) -> str:
    if row is None:
        return "not_found"
    if row.status is Status.PAUSED:
        return "paused"
    if row.status is Status.INVOKED:
        ctx.act(AbortAttempt(command.invocation_id, row.generation))
        _pause(ctx, command.invocation_id, row, command.last_failure)
        return "pausing"
    if row.status is Status.SUSPENDED:
        # Nothing runs that would have to stop first: what it waits for is stored when it comes, and wakes nobody.
        _pause(ctx, command.invocation_id, row, None)
        return "paused"
    return "not_running"


def _pause(ctx: Context, invocation_id: bytes, row: InvocationRow, failure: FailureDetail | None) -> None:
    move(row, Status.PAUSED, ctx.now_ms)
    add_event(ctx, invocation_id, row, EventKind.PAUSED, failure)
    ctx.txn.changed(invocation_id)
