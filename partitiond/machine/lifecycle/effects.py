"""What an attempt reports. Pure: no I/O."""

from __future__ import annotations

from partitiond.machine.actions import AckCommand
from partitiond.machine.context import Context
from partitiond.machine.entries.call import on_call, tell_ids
from partitiond.machine.entries.state import on_set_packed_state
from partitiond.machine.entries.table import ENTRY_HANDLERS
from partitiond.machine.journal import complete
from partitiond.machine.lifecycle.complete import end, output_of
from partitiond.machine.lifecycle.pause import on_failed, on_pause
from partitiond.machine.lifecycle.suspend import on_suspend, on_suspend_on
from partitiond.machine.lifecycle.yielding import on_yield
from shared.protocol.message_types import MessageType
from shared.storage.values import InvocationRow, Status
from shared.wal.commands import (
    AskIds,
    CallEntry,
    Effect,
    End,
    Entry,
    Failed,
    GiveUp,
    InvokerEffects,
    Pause,
    Pin,
    RunCompletion,
    SetPackedState,
    Suspend,
    SuspendOn,
    Yield,
)

__all__ = ["on_invoker_effects"]


def on_invoker_effects(ctx: Context, command: InvokerEffects) -> None:
    """Apply each effect in order, as long as the attempt that reports them is the one that counts."""
    for effect in command.effects:
        row = ctx.txn.invocation(command.id)
        if row is None or row.status is not Status.INVOKED or row.generation != command.generation:
            return
        _apply(ctx, command.id, row, effect)


def _store(ctx: Context, invocation_id: bytes, row: InvocationRow, effect: Entry | CallEntry | SetPackedState) -> int:
    """A command: its index among them."""
    match effect:
        case Entry():
            handler = ENTRY_HANDLERS.get(effect.entry_type)
            assert handler is not None, f"entry of unknown type {effect.entry_type:#06x}: the invoker lets none through"
            return handler(ctx, invocation_id, row, effect.raw)
        case CallEntry():
            return on_call(ctx, invocation_id, row, effect)
        case SetPackedState():
            return on_set_packed_state(ctx, invocation_id, row, effect)


def _apply(ctx: Context, invocation_id: bytes, row: InvocationRow, effect: Effect) -> None:
    match effect:
        case Entry() | CallEntry() | SetPackedState():
            index = _store(ctx, invocation_id, row, effect)
            if effect.ack:
                ctx.act(AckCommand(invocation_id, row.generation, index))
        case RunCompletion():
            kind = MessageType.RUN_COMPLETION
            complete(ctx, invocation_id, row, kind, effect.completion_id, effect.result, ack=effect.ack)
        case Pin():
            row.deployment_id = effect.deployment_id
            row.protocol_version = effect.protocol_version
            ctx.txn.changed(invocation_id)
        case Suspend():
            on_suspend(ctx, invocation_id, row, effect)
        case SuspendOn():
            on_suspend_on(ctx, invocation_id, row, effect)
        case End():
            end(ctx, invocation_id, row, output_of(ctx, invocation_id, row))
        case GiveUp():
            end(ctx, invocation_id, row, effect.failure)
        case Pause():
            on_pause(ctx, invocation_id, row, effect)
        case Failed():
            on_failed(ctx, invocation_id, row, effect)
        case Yield():
            on_yield(ctx, invocation_id, row, effect)
        case AskIds():
            tell_ids(ctx, invocation_id, row)
