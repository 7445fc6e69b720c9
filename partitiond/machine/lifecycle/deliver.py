"""Messages from other partitions, and the outbox. Pure: no I/O.

A sender numbers its messages; a receiver keeps the last number of each sender. So a message that is sent again
after a crash is stored once, and in its place.
"""

from __future__ import annotations

from partitiond.machine.context import Context
from partitiond.machine.journal import complete
from partitiond.machine.lifecycle.attach import on_attach
from partitiond.machine.lifecycle.invoke import on_invoke
from partitiond.machine.lifecycle.signals import on_signal
from partitiond.machine.lifecycle.terminate import kill
from shared.protocol.message_types import MessageType
from shared.storage import keys
from shared.storage.values import Status
from shared.wal.commands import (
    AttachMessage,
    CompletionMessage,
    Deliver,
    InvokeMessage,
    KillMessage,
    OutboxMessage,
    SignalMessage,
    TruncateOutbox,
)

__all__ = ["on_deliver", "on_message", "on_truncate_outbox"]


def on_deliver(ctx: Context, command: Deliver) -> None:
    """Take the messages not seen before."""
    key = keys.dedup_key(command.sender)
    stored = ctx.txn.get(key)
    last = 0 if stored is None else int.from_bytes(stored, "big")
    for seq, message in command.messages:
        if seq > last:
            last = seq
            ctx.inbound.append(message)
    ctx.txn.put(key, last.to_bytes(8, "big"))


def on_truncate_outbox(ctx: Context, command: TruncateOutbox) -> None:
    """Their receivers have stored these."""
    for seq in command.seqs:
        ctx.txn.delete(keys.outbox_key(seq))


def on_message(ctx: Context, message: OutboxMessage) -> None:
    """One message, from this partition or another."""
    match message:
        case InvokeMessage():
            on_invoke(ctx, message.invoke)
        case CompletionMessage():
            row = ctx.txn.invocation(message.invocation_id)
            if row is not None and row.status is not Status.COMPLETED and message.born_lsn in (0, row.born_lsn):
                kind = MessageType(message.notification_type)
                complete(ctx, message.invocation_id, row, kind, message.completion_id, message.result)
        case SignalMessage():
            on_signal(ctx, message.invocation_id, message.signal, message.result)
        case AttachMessage():
            on_attach(ctx, message)
        case KillMessage():
            kill(ctx, message.invocation_id)
