"""Events of an invocation's life beside its journal: failures of attempts, pauses. Pure: no I/O.

Rules that always hold:
- at most `EVENTS_MAX` are kept of an invocation, the newest ones;
- equal failures in a row are one event;
- they go when the journal goes. An invocation without events costs no read and no write.
"""

from __future__ import annotations

from partitiond.machine.context import Context
from shared.storage import keys, values
from shared.storage.values import EventKind, EventRow, InvocationRow
from shared.wal.commands import FailureDetail

__all__ = ["EVENTS_MAX", "add_event", "drop_events"]

EVENTS_MAX = 20


def add_event(
    ctx: Context, invocation_id: bytes, row: InvocationRow, kind: EventKind, failure: FailureDetail | None
) -> None:
    """Keep it, unless it repeats the last one; the oldest gives way."""
    number = row.event_count
    if kind is EventKind.TRANSIENT_ERROR and number > 0:
        stored = ctx.txn.get(keys.event_key(invocation_id, number - 1))
        assert stored is not None, f"event {number - 1} of {row.target} is missing"
        last = values.decode_event(stored)
        if last.kind is kind and last.failure == failure:
            return
    event = EventRow(kind, max(0, row.journal_length - 1), ctx.now_ms, failure)
    ctx.txn.put(keys.event_key(invocation_id, number), values.encode(event))
    if number >= EVENTS_MAX:
        ctx.txn.delete(keys.event_key(invocation_id, number - EVENTS_MAX))
    row.event_count = number + 1
    ctx.txn.changed(invocation_id)


def drop_events(ctx: Context, invocation_id: bytes, row: InvocationRow) -> None:
    """Forget all events."""
    for number in range(max(0, row.event_count - EVENTS_MAX), row.event_count):
        ctx.txn.delete(keys.event_key(invocation_id, number))
    row.event_count = 0
