"""An invocation arrives: new, found again, or refused. Pure: no I/O."""

from __future__ import annotations

from partitiond.machine.actions import InvocationEnded, InvocationStored, RegisterTimer, RunRefused
from partitiond.machine.chains import resume
from partitiond.machine.context import Context
from partitiond.machine.journal import append_command
from partitiond.machine.lifecycle.complete import answer
from partitiond.machine.lifecycle.dropped import answer_dropped
from partitiond.machine.lifecycle.inbox import enqueue, take_lock
from partitiond.machine.messages import WORKFLOW_INVOKED
from shared.protocol.message_types import MessageType
from shared.storage import keys
from shared.storage.values import InvocationRow, Sink, Status
from shared.wal.commands import HandlerKind, Invoke

__all__ = ["begin", "on_invoke", "sink_of"]


def sink_of(command: Invoke) -> Sink | None:
    """The caller's completion that takes the result, if it wants one."""
    caller = command.caller
    if caller is None or caller.completion_id is None:
        return None
    return Sink(caller.invocation_id, caller.completion_id, MessageType.CALL_COMPLETION, caller.born_lsn)


def on_invoke(ctx: Context, command: Invoke) -> None:
    """Make the invocation, or attach the caller to the one of this id."""
    existing = ctx.txn.invocation(command.id)
    if existing is not None:
        _attach(ctx, command, existing)
        return
    if answer_dropped(ctx, command):
        return
    sink = sink_of(command)
    row = InvocationRow(
        status=Status.INVOKED,
        target=command.target,
        # Not from 0: each LSN brings at most one start, so no earlier invocation of this id had a generation above it.
        generation=ctx.lsn,
        journal_length=0,
        command_count=0,
        created_at_ms=ctx.now_ms,
        modified_at_ms=ctx.now_ms,
        completion_retention_ms=command.completion_retention_ms,
        journal_retention_ms=command.journal_retention_ms,
        idempotency_key=command.idempotency_key,
        caller=command.caller,
        sinks=[] if sink is None else [sink],
        traceparent=command.traceparent,
        tracestate=command.tracestate,
        request_uid=command.request_uid,
        born_lsn=ctx.lsn,
        limit_key=command.limit_key,
    )
    ctx.txn.put_invocation(command.id, row)
    append_command(ctx, command.id, row, MessageType.INPUT, command.input)
    if command.start_at_ms > ctx.clock_ms:
        row.status = Status.SCHEDULED
        row.scheduled_at_ms = ctx.now_ms
        row.start_at_ms = command.start_at_ms
        ctx.txn.put(keys.timer_key(command.start_at_ms, command.id, 0), b"")
        ctx.act(RegisterTimer(command.start_at_ms))
    else:
        begin(ctx, command.id, row, command.input)
    ctx.act(InvocationStored(command.id, command.request_uid, True, row.start_at_ms))


def begin(ctx: Context, invocation_id: bytes, row: InvocationRow, input: bytes | None = None) -> None:
    """Start a new or scheduled invocation, or let it wait: for its object's lock, then for room in its scope."""
    if row.target.takes_lock and not take_lock(ctx, invocation_id, row):
        enqueue(ctx, invocation_id, row)
    else:
        resume(ctx, invocation_id, row, input)


def _attach(ctx: Context, command: Invoke, row: InvocationRow) -> None:
    """A repeated request finds its invocation; a workflow's run is refused to everybody else."""
    sink = sink_of(command)
    same_request = command.request_uid != b"" and command.request_uid == row.request_uid
    ctx.act(InvocationStored(command.id, command.request_uid, same_request, row.start_at_ms))
    if row.target.kind is HandlerKind.WORKFLOW_RUN and not same_request:
        ctx.act(RunRefused(command.id, command.request_uid))
        if sink is not None:
            answer(ctx, sink, WORKFLOW_INVOKED)
        return
    if row.status is Status.COMPLETED:
        assert row.result is not None
        ctx.act(InvocationEnded(command.id, row.target, row.result, row.expires_at_ms))
        if sink is not None:
            answer(ctx, sink, row.result)
    elif sink is not None and sink not in row.sinks:
        row.sinks = [*row.sinks, sink]
        ctx.txn.changed(command.id)
