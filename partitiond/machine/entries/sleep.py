"""Sleep: a timer that completes. Pure: no I/O."""

from __future__ import annotations

from partitiond.machine.actions import RegisterTimer
from partitiond.machine.context import Context
from partitiond.machine.journal import append_command
from shared.protocol import service_pb2 as pb
from shared.protocol.message_types import MessageType
from shared.storage import keys
from shared.storage.values import InvocationRow

__all__ = ["on_sleep"]


def on_sleep(ctx: Context, invocation_id: bytes, row: InvocationRow, raw: bytes) -> int:
    """Store the timer. One that is due already fires with the leader's next look at the clock."""
    command = pb.SleepCommand.FromString(raw)
    index = append_command(ctx, invocation_id, row, MessageType.SLEEP, raw)
    key = keys.timer_key(command.wake_up_time, invocation_id, command.result_completion_id)
    ctx.txn.put(key, row.born_lsn.to_bytes(8, "big"))
    ctx.act(RegisterTimer(command.wake_up_time))
    return index
