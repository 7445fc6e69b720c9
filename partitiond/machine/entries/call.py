"""Call and one-way call. Pure: no I/O."""

from __future__ import annotations

from msgspec.structs import replace

from partitiond.machine.context import Context
from partitiond.machine.journal import append_command, append_notification
from partitiond.machine.messages import invocation_id_raw
from shared.ids import encode_invocation_id
from shared.protocol import service_pb2 as pb
from shared.protocol.input import encode_input
from shared.protocol.message_types import MessageType
from shared.storage.values import InvocationRow
from shared.wal.commands import CallEntry, InvokeMessage

__all__ = ["on_call"]


def on_call(ctx: Context, invocation_id: bytes, row: InvocationRow, effect: CallEntry) -> int:
    """Tell the caller the callee's id at once, and send the invocation on its way."""
    callee = effect.callee
    command: pb.CallCommand | pb.OneWayCallCommand
    if effect.entry_type == MessageType.CALL:
        command = pb.CallCommand.FromString(effect.raw)
    else:
        command = pb.OneWayCallCommand.FromString(effect.raw)
    callee.input = encode_input(((header.key, header.value) for header in command.headers), command.parameter)
    assert callee.caller is not None
    callee.caller = replace(callee.caller, born_lsn=row.born_lsn)
    index = append_command(
        ctx, invocation_id, row, effect.entry_type, effect.raw, callee_id=callee.id, callee_target=callee.target
    )
    append_notification(
        ctx,
        invocation_id,
        row,
        MessageType.CALL_INVOCATION_ID_COMPLETION,
        invocation_id_raw(effect.id_completion_id, encode_invocation_id(callee.id)),
        effect.id_completion_id,
    )
    ctx.send(InvokeMessage(callee), callee.id)
    return index
