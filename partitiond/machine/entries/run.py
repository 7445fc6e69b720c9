"""Run: a side effect whose result the SDK proposes. Pure: no I/O."""

from __future__ import annotations

from partitiond.machine.context import Context
from partitiond.machine.entries.call import tell_ids
from partitiond.machine.journal import append_command, may_have_result
from shared.protocol import service_pb2 as pb
from shared.protocol.message_types import MessageType
from shared.storage import keys
from shared.storage.values import InvocationRow

__all__ = ["on_run"]


def on_run(ctx: Context, invocation_id: bytes, row: InvocationRow, raw: bytes) -> int:
    """The entry, and a note that its result, which arrives as a `RunCompletion` effect, is still to come."""
    tell_ids(ctx, invocation_id, row)
    completion_id = pb.RunCommand.FromString(raw).result_completion_id
    key = keys.notification_key(invocation_id, completion_id, signal=False)
    known = may_have_result(row, completion_id) and ctx.txn.get(key) is not None
    if not known and completion_id not in row.open_runs:
        row.open_runs.append(completion_id)
    return append_command(ctx, invocation_id, row, MessageType.RUN, raw)
