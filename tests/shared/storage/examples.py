"""One row of each kind, with every field set: key and value."""

from __future__ import annotations

import msgspec

from shared.protocol.message_types import MessageType
from shared.storage import keys
from shared.storage.packing import Packing
from shared.storage.values import (
    STORE_FORMAT,
    CounterRow,
    DroppedRow,
    EventKind,
    EventRow,
    InvocationRow,
    JournalRow,
    LargePart,
    LargeStateRow,
    LockRow,
    MutationRow,
    OutboxRow,
    PartitionMeta,
    PromiseRow,
    QueueRow,
    Sink,
    Status,
    Waiting,
    encode,
)
from shared.wal.commands import Caller, CompletionMessage, KillMessage
from tests.shared.wal.examples import CALLER_ID, COUNTER, DETAIL, FAILURE, FUTURE, GREETER, ID, SCOPED, T0, UID

__all__ = ["KEYS", "VALUES"]

PLACE = 0x0102030405060708

KEYS: dict[str, bytes] = {
    "invocation": keys.invocation_key(ID),
    "journal": keys.journal_key(ID, 258),
    "notification-completion": keys.notification_key(ID, 258, signal=False),
    "notification-signal": keys.notification_key(ID, 258, signal=True),
    "notification-named": keys.notification_key(ID, "näme", signal=True),
    "state": keys.state_key(PLACE, "Counter", "c1", b"n"),
    "lock": keys.lock_key(PLACE, "Counter", "c1"),
    "inbox": keys.inbox_key(PLACE, "Counter", "c1", 258),
    "promise": keys.promise_key(PLACE, "SignUp", "w1", "clicked"),
    "timer": keys.timer_key(T0, ID, 258),
    "outbox": keys.outbox_key(258),
    "dedup": keys.dedup_key(258),
    "meta": keys.META_KEY,
    # Since 0.2.
    "event": keys.event_key(ID, 258),
    # Since 0.3.
    "retry-timer": keys.retry_timer_key(T0, ID),
    "dropped": keys.dropped_key(ID),
    "counter": keys.counter_key(PLACE, "tenant-1/gold/eu"),
    "ring": keys.ring_key(PLACE, "tenant-1/gold/eu", 258),
    "queue": keys.queue_key(PLACE, "tenant-1/gold/eu", b"sGreeter"),
    "waiter": keys.waiter_key(PLACE, "tenant-1/gold/eu", b"sGreeter", 258),
    "rules": keys.RULES,
    "scoped-state": keys.state_key(PLACE, "Counter", "c1", b"n", scope="tenant-1"),
    "scoped-lock": keys.lock_key(PLACE, "Counter", "c1", scope="tenant-1"),
    "scoped-inbox": keys.inbox_key(PLACE, "Counter", "c1", 258, scope="tenant-1"),
    "scoped-promise": keys.promise_key(PLACE, "SignUp", "w1", "clicked", scope="tenant-1"),
    # Since 0.4.
    "running": keys.running_key(ID),
    "mutation": keys.mutation_key(PLACE, "Counter", "c1", 258),
    "scoped-mutation": keys.mutation_key(PLACE, "Counter", "c1", 258, scope="tenant-1"),
    "patched": keys.patched_key(UID),
    "large": keys.large_key(PLACE, 258),
    "large-uses": keys.large_uses_key(PLACE, 258),
    "large-state": keys.large_state_key(keys.state_key(PLACE, "Counter", "c1", b"n")),
    "scoped-large-state": keys.large_state_key(keys.state_key(PLACE, "Counter", "c1", b"n", scope="tenant-1")),
}

_INVOCATION = InvocationRow(
    Status.SUSPENDED,
    COUNTER,
    78,
    5,
    3,
    T0,
    T0 + 1,
    86_400_000,
    3_600_000,
    idempotency_key="key",
    caller=Caller(CALLER_ID, 2, GREETER, 70),
    sinks=[Sink(CALLER_ID, 2, MessageType.CALL_COMPLETION, 70)],
    traceparent="00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    request_uid=b"u" * 16,
    deployment_id="dp_1one",
    protocol_version=6,
    scheduled_at_ms=T0,
    start_at_ms=T0 + 1,
    inboxed_at_ms=T0 + 2,
    inbox_seq=3,
    running_at_ms=T0 + 3,
    completed_at_ms=T0 + 4,
    waiting=Waiting([1, 2], [1, 17], ["named"]),
    output_index=4,
    result=FAILURE,
    paused_for="[500] broken",
    born_lsn=77,
)

_ROWS: dict[str, msgspec.Struct] = {
    "invocation": _INVOCATION,
    "invocation-defaults": InvocationRow(Status.INVOKED, GREETER, 1, 1, 1, T0, T0, 0, 0),
    "journal": JournalRow(MessageType.CALL, b"raw", T0, ID, COUNTER),
    "journal-defaults": JournalRow(MessageType.RUN, b"raw", T0),
    "lock": LockRow(ID, 3, 5),
    "promise-open": PromiseRow(False, None, [(ID, 1)]),
    "promise-kept": PromiseRow(True, b"yes", []),
    "promise-broken": PromiseRow(True, FAILURE, []),
    "outbox": OutboxRow(PLACE, CompletionMessage(ID, 2, MessageType.CALL_COMPLETION, b"v", 77)),
    "outbox-kill": OutboxRow((1 << 64) - 1, KillMessage(ID)),
    # Since 0.2.
    "invocation-0.2": msgspec.structs.replace(
        _INVOCATION,
        waiting=Waiting([], [], [], FUTURE),
        open_runs=[3, 4],
        event_count=2,
        restarted_from=CALLER_ID,
        seed_id=CALLER_ID,
    ),
    "event": EventRow(EventKind.TRANSIENT_ERROR, 4, T0, DETAIL),
    "event-defaults": EventRow(EventKind.PAUSED, 4, T0),
    # Since 0.3.
    "invocation-traced": msgspec.structs.replace(_INVOCATION, tracestate="a=1,b=2"),
    "invocation-heard": msgspec.structs.replace(_INVOCATION, waiting=Waiting([1, 2], [1, 17], ["named"], None, 5)),
    "meta": PartitionMeta(1, 2, 0, (1 << 64) - 1, 17, T0, 12, b"uid-of-16-bytes.", 34, 9),
    # Since 0.3.
    "invocation-0.3": msgspec.structs.replace(
        _INVOCATION,
        status=Status.INVOKED,
        target=SCOPED,
        waiting=None,
        limit_key="gold/eu",
        has_permit=True,
        queue_seq=258,
        retry_at_ms=T0 + 5,
    ),
    "dropped": DroppedRow(b"u" * 16, FAILURE, T0),
    "counter": CounterRow(3, 9, 2, 4, 7, 5),
    "queue": QueueRow(2, 3, 6, 5, 7, 9, 8),
    "meta-0.3": PartitionMeta(1, 2, 0, (1 << 64) - 1, 17, T0, 12, b"uid-of-16-bytes.", 34, 9, 7, b"digest-of-16-byt"),
    # Since 0.4.
    "meta-0.4": PartitionMeta(
        STORE_FORMAT, 2, 0, (1 << 64) - 1, 17, T0, 12, b"uid-of-16-bytes.", 34, 9, fresh=[ID, CALLER_ID]
    ),
    "mutation": MutationRow("47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU", [(b"a", b"1"), (b"b", b"")]),
    "mutation-any": MutationRow(None, []),
    "invocation-large": msgspec.structs.replace(_INVOCATION, large_values=[258, 7]),
    "journal-large": JournalRow(MessageType.SET_STATE, b"raw", T0, large=LargePart(258, 2, 70_000)),
    "journal-packed": JournalRow(MessageType.SET_STATE, b"raw", T0, large=LargePart(258, 2, 70_000, Packing.ZSTD)),
    "large_state": LargeStateRow(258, 70_000),
    "large_state-packed": LargeStateRow(258, 70_000, Packing.ZSTD),
    "meta-large": PartitionMeta(
        STORE_FORMAT,
        2,
        0,
        (1 << 64) - 1,
        17,
        T0,
        12,
        b"uid-of-16-bytes.",
        34,
        9,
        fresh=[],
        large_number=258,
        large_states=3,
    ),
}

VALUES: dict[str, tuple[msgspec.Struct, bytes]] = {name: (row, encode(row)) for name, row in _ROWS.items()}
