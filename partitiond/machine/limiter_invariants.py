"""What must be true of permits, counters and queues after every apply. Pure: no I/O.

That no counter is above its limit is not among it: a limit that was lowered takes no permit back.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from partitiond.machine.chains import queue_of
from partitiond.machine.rules import book_of
from partitiond.machine.tables import Tables
from partitiond.machine.txn import Txn
from shared.ids import partition_key_of
from shared.limits import RuleBook, counters_of
from shared.storage import keys, values
from shared.storage.values import CounterRow, InvocationRow, Status

__all__ = ["check_limits"]


def check_limits(tables: Tables) -> Iterator[str]:
    """Every broken rule, as a sentence."""
    stored = tables.get(keys.META_KEY)
    if stored is None:
        return
    book = book_of(Txn(tables, values.decode_meta(stored)))
    used: Counter[bytes] = Counter()
    waiting: Counter[bytes] = Counter()
    queues: Counter[bytes] = Counter()
    for key, value in tables.scan(keys.INVOCATION, keys.JOURNAL):
        row = values.decode_invocation(value)
        if row.target.scope is None:
            if row.has_permit or row.queue_seq or row.retry_at_ms:
                yield f"{row.target} {key[1:].hex()}: has or wants a permit without a scope"
            continue
        yield from _check_invocation(tables, key[1:], row)
        paths = _paths(key[1:], row)
        if row.has_permit:
            used.update(paths)
        if row.queue_seq:
            waiting.update(paths)
            place, path = keys.decode_counter(paths[-1])
            queues[keys.queue_key(place, path, queue_of(row.target))] += 1
    yield from _check_queues(tables, queues)
    counters = {key: values.decode_counter(value) for key, value in tables.scan(keys.COUNTER, keys.RING)}
    for key in sorted({*used, *waiting, *counters}):
        counter = counters.get(key, CounterRow(0, 0))
        if (counter.usage, counter.waiting) != (used[key], waiting[key]) or not (counter.usage or counter.waiting):
            yield f"counter {key!r}: {counter}, while {used[key]} have permits and {waiting[key]} wait"
    yield from _check_rings(tables, counters, book)


def _paths(invocation_id: bytes, row: InvocationRow) -> list[bytes]:
    assert row.target.scope is not None
    place = partition_key_of(invocation_id)
    return [keys.counter_key(place, "/".join(path)) for path in counters_of(row.target.scope, row.limit_key)]


def _check_invocation(tables: Tables, invocation_id: bytes, row: InvocationRow) -> Iterator[str]:
    name = f"{row.target} {invocation_id.hex()}"
    states = [row.has_permit, row.queue_seq > 0, row.retry_at_ms > 0]
    if row.status is Status.INVOKED and sum(states) != 1:
        yield f"{name}: permit, queue, put off: {states} while INVOKED"
    if row.status is Status.INBOXED and (row.has_permit or row.retry_at_ms):
        yield f"{name}: permit, queue, put off: {states} while INBOXED"
    if row.status not in (Status.INVOKED, Status.INBOXED) and any(states):
        yield f"{name}: permit, queue, put off: {states} while {row.status.name}"
    if row.queue_seq:
        path = _paths(invocation_id, row)[-1]
        place, text = keys.decode_counter(path)
        if tables.get(keys.waiter_key(place, text, queue_of(row.target), row.queue_seq)) != invocation_id:
            yield f"{name}: is not at place {row.queue_seq} of its queue"
    if row.retry_at_ms and tables.get(keys.retry_timer_key(row.retry_at_ms, invocation_id)) is None:
        yield f"{name}: nothing tells when its next attempt is due"


def _check_queues(tables: Tables, expected: Counter[bytes]) -> Iterator[str]:
    found = {key: values.decode_queue(value).waiting for key, value in tables.scan(keys.QUEUE, keys.WAITER)}
    if found != expected:
        yield f"queues are {found}, while the invocations say {dict(expected)}"
    waiters = sum(1 for _ in tables.scan(keys.WAITER, keys.prefix_end(keys.WAITER)))
    if waiters != expected.total():
        yield f"{waiters} rows of waiting invocations, while {expected.total()} wait"


def _check_rings(tables: Tables, counters: dict[bytes, CounterRow], book: RuleBook) -> Iterator[str]:
    """Rings hold just what can be served; nobody has room all the way and waits."""
    rows = dict(tables.scan(keys.RING, keys.QUEUE))
    expected: dict[bytes, bytes] = {}
    members: Counter[bytes] = Counter()
    for key, value in tables.scan(keys.QUEUE, keys.WAITER):
        place, name = int.from_bytes(key[1:9], "big"), key[9:].partition(b"\x00")
        path = name[0].decode()
        expected[keys.ring_key(place, path, values.decode_queue(value).listed_at)] = b"q" + name[2]
        members[keys.counter_key(place, path)] += 1
    for key, counter in sorted(counters.items(), key=lambda item: item[0].count(b"/"), reverse=True):
        place, path = keys.decode_counter(key)
        rule = book.rule_of(tuple(path.split("/")))
        room = rule is None or rule.concurrency is None or counter.usage < rule.concurrency
        ready = room and counter.members > 0
        above = path.rpartition("/")[0]
        if not above:
            if ready:
                yield f"scope {path} has room, and somebody who waits for it: {counter}"
        elif ready != (counter.listed_at > 0):
            yield f"{path}: {'can' if ready else 'cannot'} be served, and is at {counter.listed_at} of the ring"
        elif ready:
            expected[keys.ring_key(place, above, counter.listed_at)] = b"l" + path.encode()
            members[keys.counter_key(place, above)] += 1
    if rows != expected:
        yield f"rings are {rows}, while the queues and counters say {expected}"
    for key, counter in counters.items():
        if counter.members != members[key]:
            yield f"{key!r}: {counter}, while {members[key]} can be served"
