"""What a new leader finds in the store. Reads only."""

from __future__ import annotations

from collections.abc import Iterator

from partitiond.machine.running import running_ids
from partitiond.machine.tables import Tables
from shared.storage import keys, values
from shared.storage.values import InvocationRow, OutboxRow
from shared.wal.commands import OutboxMessage

__all__ = ["invoked", "outbox", "outbox_message"]


def invoked(tables: Tables) -> Iterator[tuple[bytes, InvocationRow]]:
    """Every invocation that must have an attempt: those INVOKED with all that they need. No others are read."""
    for invocation_id in running_ids(tables):
        stored = tables.get(keys.invocation_key(invocation_id))
        assert stored is not None, f"{invocation_id.hex()} may run and does not exist"
        yield invocation_id, values.decode_invocation(stored)


def outbox(tables: Tables) -> Iterator[tuple[int, OutboxRow]]:
    """Every message that its receiver may not have stored, in order."""
    for key, value in tables.scan(keys.OUTBOX, keys.DEDUP):
        yield keys.decode_outbox(key), values.decode_outbox_row(value)


def outbox_message(tables: Tables, seq: int) -> OutboxMessage:
    """A message that is known to be there."""
    stored = tables.get(keys.outbox_key(seq))
    assert stored is not None, f"outbox message {seq} is missing"
    return values.decode_outbox_row(stored).message
