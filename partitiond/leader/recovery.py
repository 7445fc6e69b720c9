"""What a new leader finds in the store. Reads only."""

from __future__ import annotations

from collections.abc import Iterator

from partitiond.machine.tables import Tables
from shared.storage import keys, values
from shared.storage.values import InvocationRow, OutboxRow, Status

__all__ = ["invoked", "outbox"]

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
