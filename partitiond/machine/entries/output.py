"""Output: the handler's result, taken when it ends. Pure: no I/O."""

from __future__ import annotations

from partitiond.machine.context import Context
from partitiond.machine.journal import append_command
from shared.protocol.message_types import MessageType
from shared.storage.values import InvocationRow

__all__ = ["on_output"]


def on_output(ctx: Context, invocation_id: bytes, row: InvocationRow, raw: bytes) -> int:
    """The last one counts."""
    row.output_index = row.journal_length
    return append_command(ctx, invocation_id, row, MessageType.OUTPUT, raw)
