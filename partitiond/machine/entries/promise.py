"""Durable promises of workflows: get (wait), peek, complete. Pure: no I/O."""

from __future__ import annotations

from partitiond.machine.context import Context
from partitiond.machine.journal import append_command, complete
from partitiond.machine.messages import PROMISE_COMPLETED, failure_from_pb
from shared.ids import partition_key_of
from shared.protocol import service_pb2 as pb
from shared.protocol.message_types import MessageType
from shared.storage import keys
from shared.storage.values import InvocationRow, PromiseRow, Status, encode
from shared.wal.commands import Result

__all__ = ["on_complete_promise", "on_get_promise", "on_peek_promise"]


def _promise_key(invocation_id: bytes, row: InvocationRow, name: str) -> bytes:
    target = row.target
    assert target.key is not None, "the invoker refuses promises outside workflows"
    return keys.promise_key(partition_key_of(invocation_id), target.service, target.key, name, target.scope)


def on_get_promise(ctx: Context, invocation_id: bytes, row: InvocationRow, raw: bytes) -> int:
    """The result now, or when it comes."""
    command = pb.GetPromiseCommand.FromString(raw)
    index = append_command(ctx, invocation_id, row, MessageType.GET_PROMISE, raw)
    key = _promise_key(invocation_id, row, command.key)
    promise = ctx.txn.promise(key) or PromiseRow(False, None, [])
    if promise.completed:
        completion_id = command.result_completion_id
        complete(ctx, invocation_id, row, MessageType.GET_PROMISE_COMPLETION, completion_id, promise.result)
    else:
        promise.waiting = [*promise.waiting, (invocation_id, command.result_completion_id)]
        ctx.txn.put(key, encode(promise))
    return index


def on_peek_promise(ctx: Context, invocation_id: bytes, row: InvocationRow, raw: bytes) -> int:
    """The result, or void while there is none."""
    command = pb.PeekPromiseCommand.FromString(raw)
    index = append_command(ctx, invocation_id, row, MessageType.PEEK_PROMISE, raw)
    promise = ctx.txn.promise(_promise_key(invocation_id, row, command.key))
    result = promise.result if promise is not None and promise.completed else None
    complete(ctx, invocation_id, row, MessageType.PEEK_PROMISE_COMPLETION, command.result_completion_id, result)
    return index


def on_complete_promise(ctx: Context, invocation_id: bytes, row: InvocationRow, raw: bytes) -> int:
    """The first completion counts; a second one fails with 409."""
    command = pb.CompletePromiseCommand.FromString(raw)
    index = append_command(ctx, invocation_id, row, MessageType.COMPLETE_PROMISE, raw)
    key = _promise_key(invocation_id, row, command.key)
    promise = ctx.txn.promise(key)
    refused = promise is not None and promise.completed
    complete(
        ctx,
        invocation_id,
        row,
        MessageType.COMPLETE_PROMISE_COMPLETION,
        command.result_completion_id,
        PROMISE_COMPLETED if refused else None,
    )
    if refused:
        return index
    result: Result
    if command.WhichOneof("completion") == "completion_failure":
        result = failure_from_pb(command.completion_failure)
    else:
        result = command.completion_value.content
    ctx.txn.put(key, encode(PromiseRow(True, result, [])))
    for waiting_id, completion_id in promise.waiting if promise is not None else ():
        waiting = ctx.txn.invocation(waiting_id)
        if waiting is not None and waiting.status is not Status.COMPLETED:
            complete(ctx, waiting_id, waiting, MessageType.GET_PROMISE_COMPLETION, completion_id, result)
    return index
