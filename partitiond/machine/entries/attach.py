"""Attach to, or look at, another invocation's result. Pure: no I/O."""

from __future__ import annotations

from partitiond.machine.context import Context
from partitiond.machine.journal import append_command
from shared.ids import (
    decode_invocation_id,
    idempotent_partition_key,
    idempotent_uuid,
    key_partition_key,
    scope_partition_key,
    target_partition_key,
    workflow_uuid,
)
from shared.protocol import service_pb2 as pb
from shared.protocol.message_types import MessageType
from shared.storage.values import InvocationRow
from shared.wal.commands import AttachMessage

__all__ = ["on_attach_invocation", "on_get_invocation_output", "target_id"]


def target_id(command: pb.AttachInvocationCommand | pb.GetInvocationOutputCommand) -> bytes:
    """The invocation that is meant: by id, by idempotent request, or by workflow. The invoker has checked it."""
    match command.WhichOneof("target"):
        case "workflow_target":
            workflow = command.workflow_target
            scope = workflow.scope or None
            place = target_partition_key(scope, workflow.workflow_key)
            return place.to_bytes(8, "big") + workflow_uuid(workflow.workflow_name, workflow.workflow_key, scope)
        case "idempotent_request_target":
            request = command.idempotent_request_target
            key = request.service_key if request.HasField("service_key") else None
            scope = request.scope or None
            if scope is not None:
                place = scope_partition_key(scope)
            elif key is None:
                place = idempotent_partition_key(request.service_name, request.idempotency_key)
            else:
                place = key_partition_key(key)
            uuid = idempotent_uuid(request.service_name, key, request.handler_name, request.idempotency_key, scope)
            return place.to_bytes(8, "big") + uuid
        case _:
            return decode_invocation_id(command.invocation_id)


def on_attach_invocation(ctx: Context, invocation_id: bytes, row: InvocationRow, raw: bytes) -> int:
    """Wait for the result."""
    command = pb.AttachInvocationCommand.FromString(raw)
    index = append_command(ctx, invocation_id, row, MessageType.ATTACH_INVOCATION, raw)
    target = target_id(command)
    ctx.send(AttachMessage(target, invocation_id, command.result_completion_id, True, row.born_lsn), target)
    return index


def on_get_invocation_output(ctx: Context, invocation_id: bytes, row: InvocationRow, raw: bytes) -> int:
    """The result if it is there, else void."""
    command = pb.GetInvocationOutputCommand.FromString(raw)
    index = append_command(ctx, invocation_id, row, MessageType.GET_INVOCATION_OUTPUT, raw)
    target = target_id(command)
    ctx.send(AttachMessage(target, invocation_id, command.result_completion_id, False, row.born_lsn), target)
    return index
