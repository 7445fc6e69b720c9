"""Value structs of a partition's store. Pure: no I/O.

Rows are positional msgpack: fields are only ever added, at the end, with a default. The format of the whole
store is `PartitionMeta.format`; a newer one is refused. Values of STATE and LARGE rows are the user's bytes as they
are.
Times are milliseconds since the epoch, 0 for never.
"""

from __future__ import annotations

from enum import IntEnum

import msgspec

from shared.wal.commands import Caller, FailureDetail, OutboxMessage, Result, Target
from shared.wal.futures import Future, Leaf, signal_leaf

__all__ = [
    "STORE_FORMAT",
    "CounterRow",
    "DroppedRow",
    "EventKind",
    "EventRow",
    "InvocationRow",
    "JournalRow",
    "LargePart",
    "LargeStateRow",
    "LockRow",
    "MutationRow",
    "OutboxRow",
    "PartitionMeta",
    "PromiseRow",
    "QueueRow",
    "Sink",
    "Status",
    "Waiting",
    "decode_counter",
    "decode_dropped",
    "decode_event",
    "decode_inbox",
    "decode_invocation",
    "decode_invocation_head",
    "decode_journal",
    "decode_large_state",
    "decode_lock",
    "decode_meta",
    "decode_mutation",
    "decode_outbox_row",
    "decode_promise",
    "decode_queue",
    "decode_rules",
    "encode",
    "is_invoked",
    "may_run",
]

#: A store is given the newest one as soon as it is opened to be written to. 1: up to 0.3.
STORE_FORMAT = 2


class Status(IntEnum):
    """Where an invocation stands; stored, so numbers are for ever."""

    SCHEDULED = 1
    INBOXED = 2
    INVOKED = 3
    SUSPENDED = 4
    PAUSED = 5
    COMPLETED = 6


class Waiting(msgspec.Struct, array_like=True, gc=False):
    """What a suspended invocation waits for: any one wakes it. With a `future`, the lists are empty and that
    tree decides."""

    completions: list[int]
    signals: list[int]
    names: list[str]
    #: Since v7. What is settled is cut off. Invariant: none of its completions is in the journal.
    future: Future | None = None
    #: Entries of the journal that the attempt began with. Since 0.3. Invariant: no awaited signal is in the journal
    #: behind them.
    known_entries: int = 0

    def leaves(self) -> list[Leaf]:
        """Every notification that may wake it, or is needed to."""
        if self.future is not None:
            return self.future.leaves()
        return [*self.completions, *map(signal_leaf, self.signals), *self.names]


class Sink(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """An invocation that waits for this one's result, by which completion and notification type."""

    invocation_id: bytes
    completion_id: int
    notification_type: int
    born_lsn: int = 0


class InvocationRow(msgspec.Struct, array_like=True):
    """All that is known of an invocation beside its journal."""

    status: Status
    target: Target
    #: Grows with each start of an attempt chain, from `born_lsn` on; effects of an older one are ignored.
    generation: int
    #: Entries stored: commands and notifications. Invariant: journal rows are 0 … journal_length - 1.
    journal_length: int
    command_count: int
    created_at_ms: int
    modified_at_ms: int
    completion_retention_ms: int
    journal_retention_ms: int
    idempotency_key: str | None = None
    caller: Caller | None = None
    sinks: list[Sink] = []
    traceparent: str | None = None
    request_uid: bytes = b""
    deployment_id: str | None = None
    protocol_version: int = 0
    scheduled_at_ms: int = 0
    start_at_ms: int = 0
    inboxed_at_ms: int = 0
    #: Place in the object's inbox. Invariant: meaningful only while INBOXED.
    inbox_seq: int = 0
    running_at_ms: int = 0
    completed_at_ms: int = 0
    #: Invariant: not None iff SUSPENDED.
    waiting: Waiting | None = None
    #: Journal index of the last Output, -1 for none.
    output_index: int = -1
    #: Invariant: not None iff COMPLETED.
    result: Result | None = None
    #: Why it is PAUSED, "[code] message"; None: an operator asked for it.
    paused_for: str | None = None
    #: LSN of the record that made it. An idempotent call or a workflow's run has its id again once it is forgotten:
    #: what an earlier one of the same id left behind (timers, callees, an attempt) does not concern this one.
    born_lsn: int = 0
    #: Completion ids of its `run` commands that have no result yet: only a running attempt can bring one. Since 0.2.
    open_runs: list[int] = []
    #: Journal events so far; the newest ones are kept. Since 0.2.
    event_count: int = 0
    #: The invocation that this one is a restart of. Since 0.2.
    restarted_from: bytes | None = None
    #: Whose random seed it has, when it has a part of another's journal. Since 0.2.
    seed_id: bytes | None = None
    #: Levels below `target.scope`, `a` or `a/b`, that are counted too. Since 0.3.
    limit_key: str | None = None
    #: It counts as running at its counters. Invariant: only while INVOKED, and only with a scope. Since 0.3.
    has_permit: bool = False
    #: Place in the queue for a permit (twice its position, and 1 if it ran before), 0: in none.
    #: Invariant: only while INBOXED (it never ran) or INVOKED. Since 0.3.
    queue_seq: int = 0
    #: It gave its permit back until this time, when its next attempt is due; 0: it does not wait so. Since 0.3.
    retry_at_ms: int = 0
    #: Beside a `traceparent` (shared.transport.trace). Since 0.3.
    tracestate: str | None = None
    #: Numbers of the large values that its journal has, each once: it is one use of each. Since 0.4.
    large_values: list[int] = []
    #: The highest completion id that has a result: those above it need not be looked for. -1: none has, or, where there
    #: are notifications, it is not known. Since 0.4.
    newest_completion: int = -1
    #: Journal index of the first Call whose callee's id the handler was not told, 0 for none. Invariant: it was told
    #: that of no Call from there on. Since 0.4.
    first_untold: int = 0

    @property
    def may_run(self) -> bool:
        """It has an attempt, or is to get one. Invariant: with a scope, an INVOKED one has a permit, waits for one, or
        waits for its next attempt."""
        return self.status is Status.INVOKED and (self.has_permit or self.target.scope is None)

    @property
    def expires_at_ms(self) -> int:
        """When a completed invocation is forgotten."""
        return self.completed_at_ms + self.completion_retention_ms


class InvocationHead(msgspec.Struct, array_like=True, gc=False):
    """The first fields of an `InvocationRow`, for who reads no others: to decode them takes a quarter of the time."""

    status: int
    target: msgspec.Raw
    generation: int
    journal_length: int
    command_count: int
    created_at_ms: int
    modified_at_ms: int


class LargePart(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """A part of a message that is a large value: `size` bytes that belong at `offset`. Since 0.4."""

    number: int
    offset: int
    size: int
    #: See `shared.storage.packing`.
    packing: int = 0


class LargeStateRow(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """A value of state that is a large value. Invariant: the STATE row of the same key is empty. Since 0.4."""

    number: int
    size: int
    #: See `shared.storage.packing`.
    packing: int = 0


class JournalRow(msgspec.Struct, array_like=True, gc=False):
    """One entry: its message type and bytes as on the wire. `callee_id`: for Call and OneWayCall."""

    entry_type: int
    raw: bytes
    at_ms: int
    callee_id: bytes | None = None
    callee_target: Target | None = None
    #: What `raw` is without, see `shared.storage.large`. Since 0.4.
    large: LargePart | None = None


class EventKind(IntEnum):
    """What happened beside the journal; stored, so numbers are for ever."""

    TRANSIENT_ERROR = 1
    PAUSED = 2


class EventRow(msgspec.Struct, array_like=True, gc=False):
    """One event of an invocation's life, after the journal entry `after_index`. Since 0.2.

    Invariant: `failure` is not None for TRANSIENT_ERROR; with PAUSED it is the last failure, if there was one.
    """

    kind: EventKind
    after_index: int
    at_ms: int
    failure: FailureDetail | None = None


class LockRow(msgspec.Struct, array_like=True, gc=False):
    """The lock of an object and its inbox: sequences `head` (oldest) up to and without `tail`, with gaps."""

    holder: bytes | None
    head: int
    tail: int


class MutationRow(msgspec.Struct, array_like=True, gc=False):
    """A change of state that waits for its object, see `wal.commands.PatchState`. Since 0.4.

    Invariant: the INBOX row of the same place is empty.
    """

    version: str | None
    state: list[tuple[bytes, bytes]]


class CounterRow(msgspec.Struct, array_like=True, gc=False):
    """A scope or a level of limit keys below it. Invariant: there is a row only while `usage` or `waiting` is not 0.

    Since 0.3.
    """

    #: Permits given out, to be held to the limit.
    usage: int
    #: Invocations that wait for a permit, here and at all levels below.
    waiting: int
    #: RING rows: queues that are not empty, and levels below with such a queue and room. Positions `head` up to and
    #: without `tail`, with gaps.
    members: int = 0
    head: int = 1
    tail: int = 1
    #: Its position in the ring of the level above, 0: it is not there.
    listed_at: int = 0


class QueueRow(msgspec.Struct, array_like=True, gc=False):
    """Invocations that wait for permits of the same counters, `waiting` of them: two lines, of those that ran before
    and of those that did not, each in order, with positions as in `LockRow`.

    Invariants: `waiting` > 0; `listed_at` is its position in the counter's ring. Since 0.3.
    """

    waiting: int
    head: int = 1
    tail: int = 1
    listed_at: int = 0
    begun_head: int = 1
    begun_tail: int = 1
    #: How many of those that ran before were served in a row.
    begun_in_a_row: int = 0


class PromiseRow(msgspec.Struct, array_like=True):
    """A durable promise. Invariant: `waiting` is empty once `completed`."""

    completed: bool
    result: Result | None
    #: (invocation id, completion id)
    waiting: list[tuple[bytes, int]]


class OutboxRow(msgspec.Struct, array_like=True):
    """A message that its receiver has not stored yet, and the key that decides who that is."""

    partition_key: int
    message: OutboxMessage


class DroppedRow(msgspec.Struct, array_like=True, gc=False):
    """What is kept of an invocation that ended before it began. Since 0.3."""

    request_uid: bytes
    result: Result
    until_ms: int


class PartitionMeta(msgspec.Struct, array_like=True):
    """What the partition knows of itself; written with every applied batch.

    Invariants: `applied_lsn` and `time_ms` never shrink; `seq` counts batches of the leader of `epoch`.
    """

    format: int
    partition_id: int
    start_key: int
    end_key: int
    applied_lsn: int
    time_ms: int
    #: LSN of the newest leader announcement, and who made it.
    epoch: int
    leader_uid: bytes
    seq: int
    #: Sequence of the newest outbox message.
    outbox_seq: int
    #: Which version of the rule book the RULES row is of, and a digest of that row. Since 0.3.
    rules_version: int = 0
    rules_digest: bytes = b""
    #: Until when the last DROPPED row is kept. Since 0.3.
    dropped_until_ms: int = 0
    #: The newest invocations that may run; those before them have RUNNING rows. None: written by a build that did not
    #: keep them. Since 0.4.
    fresh: list[bytes] | None = None
    #: Number of the newest large value. Since 0.4.
    large_number: int = 0
    #: How many values of state are large. Since 0.4.
    large_states: int = 0


#: An InvocationRow has 16 fields or more, so its msgpack begins with this and a count of 2 bytes; then the status.
_ARRAY = 0xDC
_STATUS_AT = 3
_INVOKED = int(Status.INVOKED)

encode = msgspec.msgpack.Encoder().encode
decode_invocation = msgspec.msgpack.Decoder(InvocationRow).decode
decode_invocation_head = msgspec.msgpack.Decoder(InvocationHead).decode
decode_journal = msgspec.msgpack.Decoder(JournalRow).decode
decode_large_state = msgspec.msgpack.Decoder(LargeStateRow).decode
decode_dropped = msgspec.msgpack.Decoder(DroppedRow).decode
decode_event = msgspec.msgpack.Decoder(EventRow).decode
decode_lock = msgspec.msgpack.Decoder(LockRow).decode
decode_mutation = msgspec.msgpack.Decoder(MutationRow).decode
decode_counter = msgspec.msgpack.Decoder(CounterRow).decode
decode_queue = msgspec.msgpack.Decoder(QueueRow).decode
#: The RULES row: (pattern, how many run at once or None for no limit) of the rules that are not disabled.
decode_rules = msgspec.msgpack.Decoder(list[tuple[str, int | None]]).decode
decode_promise = msgspec.msgpack.Decoder(PromiseRow).decode
decode_outbox_row = msgspec.msgpack.Decoder(OutboxRow).decode
decode_meta = msgspec.msgpack.Decoder(PartitionMeta).decode


def may_run(value: bytes) -> bool:
    """Of a stored InvocationRow, see there. Others than those INVOKED are not decoded."""
    assert value[0] == _ARRAY
    return is_invoked(value) and decode_invocation(value).may_run


def is_invoked(value: bytes) -> bool:
    """Of a stored InvocationRow, read off its bytes."""
    return len(value) > _STATUS_AT and value[0] == _ARRAY and value[_STATUS_AT] == _INVOKED


def decode_inbox(value: bytes) -> bytes | None:
    """An INBOX row holds just the invocation's id; None: a change of state waits here, its MUTATION row has it."""
    return value or None
