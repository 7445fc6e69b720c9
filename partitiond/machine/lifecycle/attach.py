"""Others ask for a result. Pure: no I/O."""

from __future__ import annotations

from partitiond.machine.context import Context
from partitiond.machine.lifecycle.complete import answer
from partitiond.machine.messages import NOT_FOUND
from shared.protocol.message_types import MessageType
from shared.storage.values import Sink, Status
from shared.wal.commands import AttachMessage

__all__ = ["on_attach"]


def on_attach(ctx: Context, message: AttachMessage) -> None:
    """Answer now what has ended; let the caller wait for what has not, if it wants to."""
    kind = MessageType.ATTACH_INVOCATION_COMPLETION if message.wait else MessageType.GET_INVOCATION_OUTPUT_COMPLETION
    sink = Sink(message.caller_id, message.completion_id, kind, message.caller_born_lsn)
    row = ctx.txn.invocation(message.invocation_id)
    if row is None:
        answer(ctx, sink, NOT_FOUND)
    elif row.status is Status.COMPLETED:
        answer(ctx, sink, row.result)
    elif not message.wait:
        answer(ctx, sink, None)
    elif sink not in row.sinks:
        row.sinks = [*row.sinks, sink]
        ctx.txn.changed(message.invocation_id)
