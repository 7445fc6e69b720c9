"""Whether everything that waits has something that can wake it. Pure: no I/O.

Asked in tests after random programs, and by whoever looks after a node. `check(stores)` takes the stores of as many
partitions as there are, all of one moment: what lies in a partition that is not among them is taken for granted.
On a cluster that runs, the stores are of several moments: believe what is said twice.

What is proved, for each invocation that has not ended:
- scheduled: its timer is there;
- inboxed: its place in the queue is there, and somebody who has begun, or waits for its scope, holds the object;
- begun, whether it runs, sleeps or is paused: whatever its commands asked for and have not got is still to come. A
  sleep has its timer; a call or an attach has its name in the other's list of those who wait, or a message on the way;
  a promise that nobody has completed knows of it;
- suspended: each completion that it awaits is asked for by a command, and is not its own unfinished run.
Signals, awakeables and promises come from outside, so that they are always to be had. Two that wait for each other are
not found: both have a waker.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from partitiond.machine.entries.attach import target_id
from partitiond.machine.entries.completions import completion_ids
from partitiond.machine.tables import Tables
from shared.ids import encode_invocation_id, partition_key_of
from shared.protocol import service_pb2 as pb
from shared.protocol.message_types import MessageType, command_name, is_command
from shared.storage import keys, values
from shared.storage.values import InvocationRow, JournalRow, Status
from shared.wal.commands import AttachMessage, CompletionMessage, InvokeMessage, OutboxMessage
from shared.wal.futures import completion_of

__all__ = ["check"]

#: (invocation, completion id)
_Asker = tuple[bytes, int]
_BEGUN = (Status.INVOKED, Status.SUSPENDED, Status.PAUSED)


def check(stores: Iterable[Tables]) -> list[str]:
    """A sentence for each invocation that nothing can wake, naming it and what is missing. Empty: all is well."""
    partitions = _Partitions(stores)
    return [sentence for tables in partitions.stores for sentence in _check_store(partitions, tables)]


class _Partitions:
    """The stores by their key ranges, and what is on its way between them."""

    def __init__(self, stores: Iterable[Tables]) -> None:
        self.stores: list[Tables] = []
        self._ranges: list[tuple[int, int, Tables]] = []
        #: Who is asked for by a message that has not arrived: it will wait there, or be answered.
        self.on_the_way: set[_Asker] = set()
        senders: list[tuple[int, Tables]] = []
        for tables in stores:
            stored = tables.get(keys.META_KEY)
            # A partition before its first record has no row of its own, and no other.
            if stored is not None:
                meta = values.decode_meta(stored)
                self.stores.append(tables)
                self._ranges.append((meta.start_key, meta.end_key, tables))
                senders.append((meta.partition_id, tables))
        for partition_id, tables in senders:
            self.on_the_way.update(filter(None, map(_asker_of, self._undelivered(partition_id, tables))))

    def of(self, invocation_id: bytes) -> Tables | None:
        """The store that has this invocation, if it is among those given."""
        return self._of_key(partition_key_of(invocation_id))

    def row(self, invocation_id: bytes) -> InvocationRow | None:
        tables = self.of(invocation_id)
        stored = None if tables is None else tables.get(keys.invocation_key(invocation_id))
        return None if stored is None else values.decode_invocation(stored)

    def _of_key(self, partition_key: int) -> Tables | None:
        for start, end, tables in self._ranges:
            if start <= partition_key <= end:
                return tables
        return None

    def _undelivered(self, sender: int, tables: Tables) -> Iterator[OutboxMessage]:
        """A message stays in the outbox until its sender has heard that it is stored: the receiver knows better."""
        for key, value in tables.scan(keys.OUTBOX, keys.DEDUP):
            seq = keys.decode_outbox(key)
            row = values.decode_outbox_row(value)
            receiver = self._of_key(row.partition_key)
            seen = None if receiver is None else receiver.get(keys.dedup_key(sender))
            if seen is None or seq > int.from_bytes(seen, "big"):
                yield row.message


def _asker_of(message: OutboxMessage) -> _Asker | None:
    match message:
        case InvokeMessage():
            caller = message.invoke.caller
            if caller is None or caller.completion_id is None:
                return None
            return caller.invocation_id, caller.completion_id
        case AttachMessage():
            return message.caller_id, message.completion_id
        case CompletionMessage():
            return message.invocation_id, message.completion_id
        case _:
            return None


def _check_store(partitions: _Partitions, tables: Tables) -> Iterator[str]:
    for key, value in tables.scan(keys.INVOCATION, keys.JOURNAL):
        invocation_id, row = key[1:], values.decode_invocation(value)
        if row.status is Status.SCHEDULED:
            faults = _check_scheduled(tables, invocation_id, row)
        elif row.status is Status.INBOXED:
            faults = _check_inboxed(tables, invocation_id, row)
        elif row.status in _BEGUN:
            faults = _check_begun(partitions, tables, invocation_id, row)
        else:
            continue
        for fault in faults:
            yield f"{row.target} {encode_invocation_id(invocation_id)} is {row.status.name.lower()}, and {fault}"


def _check_scheduled(tables: Tables, invocation_id: bytes, row: InvocationRow) -> Iterator[str]:
    if tables.get(keys.timer_key(row.start_at_ms, invocation_id, 0)) != b"":
        yield f"has no timer for its start at {row.start_at_ms}"


def _check_inboxed(tables: Tables, invocation_id: bytes, row: InvocationRow) -> Iterator[str]:
    if row.queue_seq:
        return  # It waits for its scope to have room: `limiter_invariants` proves that it will be asked.
    target = row.target
    assert target.key is not None, "only objects have an inbox"
    place = partition_key_of(invocation_id), target.service, target.key
    if tables.get(keys.inbox_key(*place, row.inbox_seq, target.scope)) != invocation_id:
        yield f"has no place in the queue of its object, where it should be number {row.inbox_seq}"
    stored = tables.get(keys.lock_key(*place, target.scope))
    lock = None if stored is None else values.decode_lock(stored)
    if lock is None or lock.holder is None:
        yield "nobody holds its object, whose end would start it"
        return
    if not lock.head <= row.inbox_seq < lock.tail:
        yield f"its place {row.inbox_seq} is outside the queue of its object, {lock.head} to {lock.tail}"
    holder_row = tables.get(keys.invocation_key(lock.holder))
    holder = None if holder_row is None else values.decode_invocation(holder_row)
    if holder is None or (holder.status not in _BEGUN and not holder.queue_seq):
        is_now = "gone" if holder is None else holder.status.name.lower()
        yield f"the holder of its object, {encode_invocation_id(lock.holder)}, is {is_now}"


def _check_begun(partitions: _Partitions, tables: Tables, invocation_id: bytes, row: InvocationRow) -> Iterator[str]:
    awaited: set[int] = set()
    if row.status is Status.SUSPENDED:
        if row.waiting is None or not row.waiting.leaves():
            yield "waits for nothing"
            return
        awaited = {leaf for leaf in map(completion_of, row.waiting.leaves()) if leaf is not None}
    asked: set[int] = set()
    for index in range(row.journal_length):
        stored = tables.get(keys.journal_key(invocation_id, index))
        entry = None if stored is None else values.decode_journal(stored)
        if entry is None or not is_command(entry.entry_type):
            continue
        completions = completion_ids(entry.entry_type, entry.raw)
        asked.update(completions)
        if entry.entry_type == MessageType.CALL and 0 < row.first_untold <= index:
            completions = completions[1:]  # The callee's id it is told when it asks.
        for completion_id in completions:
            if tables.get(keys.notification_key(invocation_id, completion_id, signal=False)) is not None:
                continue
            missing = _missing(partitions, tables, invocation_id, row, entry, completion_id)
            if missing is not None:
                name = command_name(entry.entry_type)
                yield f"its {name} at {index} waits for completion {completion_id}: {missing}"
    for completion_id in sorted(awaited & set(row.open_runs)):
        yield f"it awaits its own unfinished run (completion {completion_id}), which only an attempt can finish"
    for completion_id in sorted(awaited - asked):
        yield f"it awaits completion {completion_id}, which no command of its journal asks for"


def _missing(
    partitions: _Partitions, tables: Tables, invocation_id: bytes, row: InvocationRow, entry: JournalRow, asked: int
) -> str | None:
    """Why this completion can never come; None: it can."""
    match entry.entry_type:
        case MessageType.RUN:
            return None if asked in row.open_runs else "the run is not known to be unfinished"
        case MessageType.SLEEP:
            wake_up_ms = pb.SleepCommand.FromString(entry.raw).wake_up_time
            born = tables.get(keys.timer_key(wake_up_ms, invocation_id, asked))
            # 0: of a store that did not know it yet.
            known = born is not None and int.from_bytes(born, "big") in (0, row.born_lsn)
            return None if known else f"there is no timer at {wake_up_ms}"
        case MessageType.GET_PROMISE:
            return _missing_promise(tables, invocation_id, row, entry, asked)
        case MessageType.CALL:
            assert entry.callee_id is not None
            return _missing_result(partitions, invocation_id, row, entry.callee_id, asked)
        case MessageType.ATTACH_INVOCATION | MessageType.GET_INVOCATION_OUTPUT:
            return _missing_result(partitions, invocation_id, row, _attached(entry), asked)
        case _:
            return "it is given with the command itself, and was not"


def _attached(entry: JournalRow) -> bytes:
    if entry.entry_type == MessageType.ATTACH_INVOCATION:
        return target_id(pb.AttachInvocationCommand.FromString(entry.raw))
    return target_id(pb.GetInvocationOutputCommand.FromString(entry.raw))


def _missing_promise(
    tables: Tables, invocation_id: bytes, row: InvocationRow, entry: JournalRow, asked: int
) -> str | None:
    name = pb.GetPromiseCommand.FromString(entry.raw).key
    target = row.target
    assert target.key is not None, "promises belong to workflows"
    key = keys.promise_key(partition_key_of(invocation_id), target.service, target.key, name, target.scope)
    stored = tables.get(key)
    if stored is None:
        return f"there is no promise {name!r} that knows of it"
    promise = values.decode_promise(stored)
    if promise.completed:
        return f"promise {name!r} was completed, and did not tell it"
    return None if (invocation_id, asked) in promise.waiting else f"promise {name!r} does not know of it"


def _missing_result(
    partitions: _Partitions, invocation_id: bytes, row: InvocationRow, other_id: bytes, asked: int
) -> str | None:
    """The other invocation, or a message to or from it, must know who asks."""
    if (invocation_id, asked) in partitions.on_the_way or partitions.of(other_id) is None:
        return None
    name = encode_invocation_id(other_id)
    other = partitions.row(other_id)
    if other is None:
        return f"{name} does not exist, and no message is on its way"
    if other.status is Status.COMPLETED:
        return f"{name} has ended, and its result is not on its way"
    for sink in other.sinks:
        if (sink.invocation_id, sink.completion_id) == (invocation_id, asked) and sink.born_lsn in (0, row.born_lsn):
            return None
    return f"{name}, {other.status.name.lower()}, does not know that it waits"
