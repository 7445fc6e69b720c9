"""Cancel, kill, purge and purge-journal from outside. Pure: no I/O."""

from __future__ import annotations

from partitiond.machine.actions import AbortAttempt, TerminateOutcome
from partitiond.machine.context import Context
from partitiond.machine.journal import drop_journal
from partitiond.machine.lifecycle.complete import end, forget
from partitiond.machine.lifecycle.signals import on_signal
from partitiond.machine.messages import KILLED
from shared.ids import CANCEL_SIGNAL
from shared.storage import keys
from shared.storage.values import InvocationRow, Status, decode_journal
from shared.wal.commands import KillMessage, Terminate, TerminateMode

__all__ = ["kill", "on_terminate"]

#: A JournalRow of all its fields ends with its callee's id and target and a large value, nils in msgpack where there is
#: none (an id never comes without its target, whose last two fields are not both nil). A long journal is not decoded
#: for nothing.
_SIX_FIELDS = b"\x96"
_NO_CALLEE = b"\xc0\xc0\xc0"


def on_terminate(ctx: Context, command: Terminate) -> None:
    """Carry it out and tell how it went."""
    row = ctx.txn.invocation(command.invocation_id)
    ctx.act(TerminateOutcome(command.request, _terminate(ctx, command, row)))


def _terminate(ctx: Context, command: Terminate, row: InvocationRow | None) -> str:
    if row is None:
        return "not_found"
    if command.mode in (TerminateMode.PURGE, TerminateMode.PURGE_JOURNAL):
        if row.status is not Status.COMPLETED:
            return "not_completed"
        drop = forget if command.mode == TerminateMode.PURGE else drop_journal
        drop(ctx, command.invocation_id, row)
        return "done"
    if row.status is Status.COMPLETED:
        return "completed"
    if command.mode == TerminateMode.KILL:
        kill(ctx, command.invocation_id)
        return "done"
    not_begun = row.status in (Status.SCHEDULED, Status.INBOXED)
    on_signal(ctx, command.invocation_id, CANCEL_SIGNAL, None)
    return "done" if not_begun else "appended"


def kill(ctx: Context, invocation_id: bytes) -> None:
    """End it at once, and everything that it called or sent. State stays as it was applied."""
    row = ctx.txn.invocation(invocation_id)
    if row is None or row.status is Status.COMPLETED:
        return
    for index in range(row.journal_length):
        stored = ctx.txn.get(keys.journal_key(invocation_id, index))
        assert stored is not None
        if stored.startswith(_SIX_FIELDS) and stored.endswith(_NO_CALLEE):
            continue
        callee_id = decode_journal(stored).callee_id
        if callee_id is not None:
            ctx.send(KillMessage(callee_id), callee_id)
    ctx.act(AbortAttempt(invocation_id, row.generation))
    end(ctx, invocation_id, row, KILLED)
