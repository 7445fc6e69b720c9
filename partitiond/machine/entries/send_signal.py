"""Signals and awakeables for other invocations. Pure: no I/O."""

from __future__ import annotations

from partitiond.machine.context import Context
from partitiond.machine.journal import append_command
from partitiond.machine.messages import failure_from_pb
from shared.ids import decode_invocation_id, decode_signal_id, is_old_awakeable_id
from shared.protocol import service_pb2 as pb
from shared.protocol.message_types import MessageType
from shared.storage.values import InvocationRow
from shared.wal.commands import Result, SignalMessage

__all__ = ["on_complete_awakeable_entry", "on_send_signal"]


def on_send_signal(ctx: Context, invocation_id: bytes, row: InvocationRow, raw: bytes) -> int:
    """By index or by name; index 1 is cancel. The invoker has checked the id."""
    command = pb.SendSignalCommand.FromString(raw)
    index = append_command(ctx, invocation_id, row, MessageType.SEND_SIGNAL, raw)
    target = decode_invocation_id(command.target_invocation_id)
    which = command.name if command.WhichOneof("signal_id") == "name" else command.idx
    ctx.send(SignalMessage(target, which, _result(command)), target)
    return index


def on_complete_awakeable_entry(ctx: Context, invocation_id: bytes, row: InvocationRow, raw: bytes) -> int:
    """An awakeable is a signal of the invocation that its id names. The invoker has checked the id.

    An old id names an entry of a journal before service protocol 4: no invocation here has one, so nobody is told.
    """
    command = pb.CompleteAwakeableCommand.FromString(raw)
    index = append_command(ctx, invocation_id, row, MessageType.COMPLETE_AWAKEABLE, raw)
    if is_old_awakeable_id(command.awakeable_id):
        return index
    target, signal = decode_signal_id(command.awakeable_id)
    ctx.send(SignalMessage(target, signal, _result(command)), target)
    return index


def _result(command: pb.SendSignalCommand | pb.CompleteAwakeableCommand) -> Result | None:
    match command.WhichOneof("result"):
        case "failure":
            return failure_from_pb(command.failure)
        case "value":
            return command.value.content
        case _:
            return None
