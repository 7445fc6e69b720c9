"""What a new leader finds in the store. Reads only."""

from __future__ import annotations

from collections.abc import Iterator

from partitiond.machine.tables import Tables
from shared.storage import keys, values
from shared.storage.values import InvocationRow, OutboxRow, Status
from shared.wal.commands import OutboxMessage

__all__ = ["invoked", "outbox", "outbox_message"]

#: An InvocationRow has 16 or more fields, so its msgpack begins with 0xdc and a 2-byte count; then the status.
_STATUS_AT = 3


def invoked(tables: Tables) -> Iterator[tuple[bytes, InvocationRow]]:
    """Every invocation that must have an attempt: those INVOKED with all that they need. Others are not decoded."""
    for key, value in tables.scan(keys.INVOCATION, keys.JOURNAL):
        assert value[0] == 0xDC
        if value[_STATUS_AT] == Status.INVOKED:
            row = values.decode_invocation(value)
            if row.may_run:
                yield key[1:], row


def outbox(tables: Tables) -> Iterator[tuple[int, OutboxRow]]:
    """Every message that its receiver may not have stored, in order."""
    for key, value in tables.scan(keys.OUTBOX, keys.DEDUP):
        yield keys.decode_outbox(key), values.decode_outbox_row(value)


def outbox_message(tables: Tables, seq: int) -> OutboxMessage:
    """A message that is known to be there."""
    stored = tables.get(keys.outbox_key(seq))
    assert stored is not None, f"outbox message {seq} is missing"
    return values.decode_outbox_row(stored).message
