"""The end: result, callers, lock. Pure: no I/O."""

from __future__ import annotations

from partitiond.machine.actions import InvocationEnded
from partitiond.machine.chains import release
from partitiond.machine.context import Context
from partitiond.machine.entries.call import tell_ids
from partitiond.machine.journal import drop_journal
from partitiond.machine.large_values import delete_state
from partitiond.machine.lifecycle.dropped import remember_dropped
from partitiond.machine.lifecycle.inbox import leave_inbox, release_lock
from partitiond.machine.messages import failure_from_pb
from partitiond.machine.status import move
from shared.ids import partition_key_of
from shared.protocol import service_pb2 as pb
from shared.storage import keys
from shared.storage.values import InvocationRow, Sink, Status, decode_journal, decode_promise
from shared.wal.commands import CompletionMessage, HandlerKind, Result

__all__ = ["answer", "end", "forget", "output_of"]


def answer(ctx: Context, sink: Sink, result: Result | None) -> None:
    """Bring a result to the invocation that waits for it."""
    message = CompletionMessage(sink.invocation_id, sink.completion_id, sink.notification_type, result, sink.born_lsn)
    ctx.send(message, sink.invocation_id)


def output_of(ctx: Context, invocation_id: bytes, row: InvocationRow) -> Result:
    """What the last Output command says; no Output at all is an empty success."""
    if row.output_index < 0:
        return b""
    stored = ctx.txn.get(keys.journal_key(invocation_id, row.output_index))
    assert stored is not None
    output = pb.OutputCommand.FromString(decode_journal(stored).raw)
    if output.WhichOneof("result") == "failure":
        return failure_from_pb(output.failure)
    return output.value.content


def end(ctx: Context, invocation_id: bytes, row: InvocationRow, result: Result) -> None:
    """The invocation is over: tell whoever waits, give the lock on, keep what is to be kept.

    One that never began is forgotten: its key or idempotency key is free for the next.
    """
    before = row.status
    never_began = before in (Status.INBOXED, Status.SCHEDULED)
    waits_for_lock = before is Status.INBOXED and not row.queue_seq
    if waits_for_lock:
        leave_inbox(ctx, invocation_id, row)
    elif before is Status.SCHEDULED:
        ctx.txn.delete(keys.timer_key(row.start_at_ms, invocation_id, 0))
    ctx.act(InvocationEnded(invocation_id, row.target, result, 0))
    for sink in row.sinks:
        answer(ctx, sink, result)
    row.sinks = []
    if not never_began:
        move(row, Status.COMPLETED, ctx.now_ms)
        row.result = result
        row.completed_at_ms = ctx.now_ms
        ctx.txn.changed(invocation_id)
    if row.target.takes_lock and before is not Status.SCHEDULED and not waits_for_lock:
        release_lock(ctx, invocation_id, row)
    # Behind the lock: the object's next one is to wait for the permit when it is given on, or it would miss its turn.
    release(ctx, invocation_id, row)
    if never_began:
        _remove(ctx, invocation_id, row)
        remember_dropped(ctx, invocation_id, row, result)
    elif row.completion_retention_ms == 0:
        forget(ctx, invocation_id, row)
    elif row.journal_retention_ms == 0:
        drop_journal(ctx, invocation_id, row)
    else:
        # Whoever looks at what it did sees whom it called.
        tell_ids(ctx, invocation_id, row)


def forget(ctx: Context, invocation_id: bytes, row: InvocationRow) -> None:
    """Remove a completed invocation and, with a workflow's run, its state and promises.

    But for a promise that a handler still waits for: without it nobody could wake that one any more.
    """
    assert row.status is Status.COMPLETED
    _remove(ctx, invocation_id, row)
    if row.target.kind == HandlerKind.WORKFLOW_RUN:
        target = row.target
        assert target.key is not None
        place = partition_key_of(invocation_id), target.service, target.key, target.scope
        for key in ctx.txn.scan_keys(keys.object_prefix(keys.STATE, *place)):
            delete_state(ctx.txn, key)
        for key, value in ctx.txn.scan_prefix(keys.object_prefix(keys.PROMISE, *place)):
            if not _is_awaited(ctx, value):
                ctx.txn.delete(key)


def _is_awaited(ctx: Context, stored: bytes) -> bool:
    """Somebody who has not ended waits for this promise."""
    waiting = (ctx.txn.invocation(waiting_id) for waiting_id, _ in decode_promise(stored).waiting)
    return any(row is not None and row.status is not Status.COMPLETED for row in waiting)


def _remove(ctx: Context, invocation_id: bytes, row: InvocationRow) -> None:
    drop_journal(ctx, invocation_id, row)
    ctx.txn.delete_invocation(invocation_id)
