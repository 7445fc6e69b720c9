"""What must be true after every apply. Pure: no I/O.

Run in tests and simulation after each batch, and by `everlog doctor` on a stopped node's store.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain

from partitiond.machine.large_invariants import check_large_values
from partitiond.machine.limiter_invariants import check_limits
from partitiond.machine.running import check_running
from partitiond.machine.tables import Tables
from shared.ids import partition_key_of
from shared.protocol.message_types import MessageType
from shared.storage import keys, values
from shared.storage.values import InvocationRow, Status
from shared.wal.futures import comes_again

__all__ = ["check"]


def check(tables: Tables) -> list[str]:
    """Every broken rule, as a sentence. Empty: all hold."""
    return [
        *_check_invocations(tables),
        *_check_locks(tables),
        *_check_mutations(tables),
        *_check_timers(tables),
        *check_limits(tables),
        *check_running(tables),
        *check_large_values(tables),
    ]


def _check_invocations(tables: Tables) -> Iterator[str]:
    for key, value in tables.scan(keys.INVOCATION, keys.JOURNAL):
        invocation_id, row = key[1:], values.decode_invocation(value)
        name = f"{row.target} {invocation_id.hex()}"
        if (row.waiting is not None) != (row.status is Status.SUSPENDED):
            yield f"{name}: waiting is {row.waiting} while {row.status.name}"
        if (row.result is not None) != (row.status is Status.COMPLETED):
            yield f"{name}: result is {row.result!r} while {row.status.name}"
        if row.status is Status.COMPLETED and row.completion_retention_ms == 0:
            yield f"{name}: is kept though its retention is 0"
        for index in range(row.journal_length):
            if tables.get(keys.journal_key(invocation_id, index)) is None:
                yield f"{name}: journal entry {index} of {row.journal_length} is missing"
        if tables.get(keys.journal_key(invocation_id, row.journal_length)) is not None:
            yield f"{name}: a journal entry beyond {row.journal_length}"
        if row.event_count > 0 and tables.get(keys.event_key(invocation_id, row.event_count - 1)) is None:
            yield f"{name}: the last of {row.event_count} events is missing"
        for completion_id in row.open_runs:
            if tables.get(keys.notification_key(invocation_id, completion_id, signal=False)) is not None:
                yield f"{name}: run {completion_id} counts as unfinished though its result is stored"
        yield from _check_untold(tables, invocation_id, row, name)
        if row.newest_completion >= 0:
            newest = keys.notification_key(invocation_id, row.newest_completion, signal=False)
            last = keys.notification_key(invocation_id, 0xFFFF_FFFF, signal=False)
            for unknown in tables.scan_keys(newest + b"\x00", last + b"\x00"):
                yield f"{name}: has a result {unknown.hex()} above {row.newest_completion}, which it has for the newest"
        if row.status is Status.SUSPENDED:
            yield from _check_waiting(tables, invocation_id, row, name)
        if row.target.takes_lock:
            yield from _check_holder(tables, invocation_id, row, name)


def _check_untold(tables: Tables, invocation_id: bytes, row: InvocationRow, name: str) -> Iterator[str]:
    """It was not told whom it called, from some Call on: not where it could wait for that and not say so."""
    if not row.first_untold:
        return
    if row.status not in (Status.INVOKED, Status.PAUSED) or row.open_runs:
        yield f"{name}: was not told whom it called, while {row.status.name} with open runs {row.open_runs}"
    stored = tables.get(keys.journal_key(invocation_id, row.first_untold))
    if stored is None or values.decode_journal(stored).entry_type != MessageType.CALL:
        yield f"{name}: entry {row.first_untold} is no Call, though its id is the first that was not told"


def _check_waiting(tables: Tables, invocation_id: bytes, row: InvocationRow, name: str) -> Iterator[str]:
    """A suspended invocation waits for something, and none of it is there already, but for signals that come again."""
    assert row.waiting is not None
    awaited = row.waiting.leaves()
    if not awaited:
        yield f"{name}: suspended, and nothing can wake it"
    unfinished = [i for i in row.waiting.completions if i in row.open_runs]
    if unfinished:
        yield f"{name}: suspended on its own runs {unfinished}, which only an attempt can finish"
    for leaf in awaited:
        place = tables.get(keys.leaf_key(invocation_id, leaf))
        # A signal that its last attempt began with is not the one that it waits for.
        known = row.waiting.known_entries if comes_again(leaf) else 0
        if place is not None and int.from_bytes(place[:4], "big") >= known:
            yield f"{name}: suspended though what it waits for is stored"


def _check_holder(tables: Tables, invocation_id: bytes, row: InvocationRow, name: str) -> Iterator[str]:
    """Running, suspended and paused exclusive invocations hold the lock, and those that wait for a permit only."""
    target = row.target
    assert target.key is not None
    stored = tables.get(keys.lock_key(partition_key_of(invocation_id), target.service, target.key, target.scope))
    holds = stored is not None and values.decode_lock(stored).holder == invocation_id
    begun = row.status in (Status.INVOKED, Status.SUSPENDED, Status.PAUSED)
    if holds != (begun or (row.status is Status.INBOXED and row.queue_seq > 0)):
        yield f"{name}: {'holds' if holds else 'lacks'} its lock while {row.status.name}"


def _check_locks(tables: Tables) -> Iterator[str]:
    scoped = tables.scan(keys.SCOPED_LOCK, keys.SCOPED_INBOX)
    for key, value in chain(tables.scan(keys.LOCK, keys.INBOX), scoped):
        partition_key, scope, service, object_key, _ = keys.decode_object(key)
        lock = values.decode_lock(value)
        if lock.holder is None:
            yield f"{service}/{object_key}: a lock row without a holder"
        elif tables.get(keys.invocation_key(lock.holder)) is None:
            yield f"{service}/{object_key}: held by {lock.holder.hex()}, which does not exist"
        prefix = keys.object_prefix(keys.INBOX, partition_key, service, object_key, scope)
        for inbox_key, waiting in tables.scan(prefix, keys.prefix_end(prefix)):
            seq = int.from_bytes(inbox_key[len(prefix) :], "big")
            waiting_id = values.decode_inbox(waiting)
            if waiting_id is None:
                if tables.get(keys.mutation_key(partition_key, service, object_key, seq, scope)) is None:
                    yield f"{service}/{object_key}: inbox place {seq} is of no invocation and no change of state"
            elif not _is_inboxed(tables, waiting_id):
                yield f"{service}/{object_key}: inbox place {seq} is not of an inboxed invocation"
            if not lock.head <= seq < lock.tail:
                yield f"{service}/{object_key}: inbox place {seq} outside {lock.head} to {lock.tail}"


def _is_inboxed(tables: Tables, invocation_id: bytes) -> bool:
    stored = tables.get(keys.invocation_key(invocation_id))
    return stored is not None and values.decode_invocation(stored).status is Status.INBOXED


def _check_mutations(tables: Tables) -> Iterator[str]:
    """A change of state waits in the inbox of an object that somebody holds."""
    for kind in (keys.MUTATION, keys.SCOPED_MUTATION):
        for key, _ in tables.scan(kind, keys.prefix_end(kind)):
            partition_key, scope, service, object_key, rest = keys.decode_object(key)
            seq = int.from_bytes(rest, "big")
            place = partition_key, service, object_key
            if tables.get(keys.inbox_key(*place, seq, scope)) != b"":
                yield f"{service}/{object_key}: a change of state has no place {seq} in the inbox"
            if tables.get(keys.lock_key(*place, scope)) is None:
                yield f"{service}/{object_key}: a change of state waits, and nobody holds its object"


def _check_timers(tables: Tables) -> Iterator[str]:
    for key, value in tables.scan(keys.TIMER, keys.OUTBOX):
        _, invocation_id, _ = keys.decode_timer(key)
        if value:
            continue
        stored = tables.get(keys.invocation_key(invocation_id))
        if stored is None or values.decode_invocation(stored).status is not Status.SCHEDULED:
            yield f"{invocation_id.hex()}: a start timer though it is not scheduled"
