"""Key kinds and key codec of a partition's store. Pure: no I/O.

Rules that always hold:
- a key begins with one kind byte, never reused; retired kinds stay listed;
- rows that belong to a user's key continue with the 8-byte big-endian partition key, so that a range of
  partition keys is a range of each kind and can be split off;
- rows that belong to the partition itself (timers, outbox, dedup, meta) continue with what orders them.
  Timers are led by their time, so that the due ones are read without holding the others in memory; each
  names its invocation, so a split can still tell to which side it goes;
- strings within a key are length-prefixed, so that no name is a prefix of another.
"""

from __future__ import annotations

from shared.wal.futures import Leaf

__all__ = [
    "COUNTER",
    "DEDUP",
    "DROPPED",
    "EVENT",
    "INBOX",
    "INVOCATION",
    "JOURNAL",
    "LARGE",
    "LARGE_STATE",
    "LARGE_USES",
    "LOCK",
    "META",
    "META_KEY",
    "MUTATION",
    "NOTIFICATION",
    "OUTBOX",
    "PATCHED",
    "PROMISE",
    "QUEUE",
    "RING",
    "RULES",
    "RUNNING",
    "SCOPED",
    "SCOPED_INBOX",
    "SCOPED_LARGE_STATE",
    "SCOPED_LOCK",
    "SCOPED_MUTATION",
    "SCOPED_PROMISE",
    "SCOPED_STATE",
    "STATE",
    "TIMER",
    "WAITER",
    "counter_key",
    "decode_counter",
    "decode_object",
    "decode_outbox",
    "decode_timer",
    "dedup_key",
    "dropped_key",
    "event_key",
    "inbox_key",
    "invocation_key",
    "is_retry_timer",
    "journal_key",
    "journal_prefix",
    "large_key",
    "large_state_key",
    "large_uses_key",
    "leaf_key",
    "lock_key",
    "mutation_key",
    "notification_key",
    "object_prefix",
    "outbox_key",
    "patched_key",
    "prefix_end",
    "promise_key",
    "queue_key",
    "retry_timer_key",
    "ring_key",
    "running_key",
    "scope_prefix",
    "state_key",
    "timer_key",
    "waiter_key",
]

INVOCATION = b"\x01"
JOURNAL = b"\x02"
NOTIFICATION = b"\x03"
STATE = b"\x04"
LOCK = b"\x05"
INBOX = b"\x06"
PROMISE = b"\x07"
#: Since 0.2.
EVENT = b"\x08"
#: Since 0.4.
MUTATION = b"\x09"
#: Large values, see `shared.storage.large`. Since 0.4.
LARGE = b"\x0a"
LARGE_USES = b"\x0b"
LARGE_STATE = b"\x0c"
#: Rows of objects and workflows of a scope: kinds of their own, so that who looks for a key without a scope finds it
#: by its place alone. Since 0.3.
SCOPED_STATE = b"\x14"
SCOPED_LOCK = b"\x15"
SCOPED_INBOX = b"\x16"
SCOPED_PROMISE = b"\x17"
#: What limits how many invocations of a scope run at once, see `partitiond.machine.limiter`. Since 0.3.
COUNTER = b"\x18"
RING = b"\x19"
QUEUE = b"\x1a"
WAITER = b"\x1b"
#: Since 0.3.
DROPPED = b"\x1c"
#: Since 0.4.
RUNNING = b"\x1d"
SCOPED_MUTATION = b"\x1e"
SCOPED_LARGE_STATE = b"\x1f"
TIMER = b"\x20"
OUTBOX = b"\x21"
DEDUP = b"\x22"
#: Since 0.4.
PATCHED = b"\x23"
META = b"\x30"
#: The one row with the limits that the partition applies. Since 0.3.
RULES = b"\x31"

#: The one row that every batch of writes carries: `PartitionMeta`.
META_KEY = META

#: The kind of the same rows within a scope.
SCOPED = {
    STATE: SCOPED_STATE,
    LOCK: SCOPED_LOCK,
    INBOX: SCOPED_INBOX,
    PROMISE: SCOPED_PROMISE,
    MUTATION: SCOPED_MUTATION,
    LARGE_STATE: SCOPED_LARGE_STATE,
}
_RETRY_TIMER_BYTES = 38
_SCOPED_KINDS = frozenset(kind[0] for kind in SCOPED.values())


def invocation_key(invocation_id: bytes) -> bytes:
    """kind, id (its first 8 bytes are the partition key)."""
    return INVOCATION + invocation_id


def journal_prefix(invocation_id: bytes) -> bytes:
    """All journal rows of an invocation begin so."""
    return JOURNAL + invocation_id


def journal_key(invocation_id: bytes, index: int) -> bytes:
    """kind, id, entry index (4 bytes): the journal in order."""
    return JOURNAL + invocation_id + index.to_bytes(4, "big")


def notification_key(invocation_id: bytes, notification: int | str, *, signal: bool) -> bytes:
    """kind, id, `c` completion id | `s` signal index | `n` signal name: which entry holds a notification.

    The value is the entry's index (4 bytes), and behind it `f` if the notification is a failure. Of a signal that
    came more than once it is the last entry's, with an `r` (since 0.3).
    """
    if isinstance(notification, str):
        return NOTIFICATION + invocation_id + b"n" + notification.encode()
    return NOTIFICATION + invocation_id + (b"s" if signal else b"c") + notification.to_bytes(4, "big")


def leaf_key(invocation_id: bytes, leaf: Leaf) -> bytes:
    """The notification's key, for a leaf of a future."""
    if isinstance(leaf, int) and leaf < 0:
        return notification_key(invocation_id, -1 - leaf, signal=True)
    return notification_key(invocation_id, leaf, signal=False)


def event_key(invocation_id: bytes, number: int) -> bytes:
    """kind, id, number (4 bytes): an invocation's events in order."""
    return EVENT + invocation_id + number.to_bytes(4, "big")


def object_prefix(kind: bytes, partition_key: int, service: str, key: str, scope: str | None = None) -> bytes:
    """Rows of one object or workflow: kind, partition key, service, key. With a scope: its kind, partition key, scope
    (after one byte of length), service, key."""
    service_bytes, key_bytes = service.encode(), key.encode()
    if scope is not None:
        kind = SCOPED[kind]
    return b"".join(
        (
            kind,
            partition_key.to_bytes(8, "big"),
            b"" if scope is None else len(scope).to_bytes(1, "big") + scope.encode("ascii"),
            len(service_bytes).to_bytes(2, "big"),
            service_bytes,
            len(key_bytes).to_bytes(4, "big"),
            key_bytes,
        )
    )


def scope_prefix(kind: bytes, partition_key: int, scope: str) -> bytes:
    """Rows of all objects or workflows of one scope. `kind` is that without a scope."""
    return SCOPED[kind] + partition_key.to_bytes(8, "big") + len(scope).to_bytes(1, "big") + scope.encode("ascii")


def decode_object(key: bytes) -> tuple[int, str | None, str, str, bytes]:
    """A key made of `object_prefix` and a rest -> partition key, scope, service, key, rest."""
    at, scope = 9, None
    if key[0] in _SCOPED_KINDS:
        length = key[at]
        at += 1
        scope = key[at : at + length].decode("ascii")
        at += length
    length = int.from_bytes(key[at : at + 2], "big")
    at += 2
    service = key[at : at + length].decode()
    at += length
    length = int.from_bytes(key[at : at + 4], "big")
    at += 4
    return int.from_bytes(key[1:9], "big"), scope, service, key[at : at + length].decode(), key[at + length :]


def state_key(partition_key: int, service: str, key: str, name: bytes, scope: str | None = None) -> bytes:
    """One value of an object's state."""
    return object_prefix(STATE, partition_key, service, key, scope) + name


def large_state_key(state_key: bytes) -> bytes:
    """Beside the empty row of a value of state that is large: which one it is."""
    kind = SCOPED_LARGE_STATE if state_key.startswith(SCOPED_STATE) else LARGE_STATE
    return kind + state_key[1:]


def large_key(partition_key: int, number: int) -> bytes:
    """kind, partition key, number (8 bytes): the content of a large value, as it is."""
    return LARGE + partition_key.to_bytes(8, "big") + number.to_bytes(8, "big")


def large_uses_key(partition_key: int, number: int) -> bytes:
    """The same with another kind: how many use it (4 bytes), so that to count does not write the content again."""
    return LARGE_USES + partition_key.to_bytes(8, "big") + number.to_bytes(8, "big")


def lock_key(partition_key: int, service: str, key: str, scope: str | None = None) -> bytes:
    """The lock of an object and the bounds of its inbox."""
    return object_prefix(LOCK, partition_key, service, key, scope)


def inbox_key(partition_key: int, service: str, key: str, seq: int, scope: str | None = None) -> bytes:
    """Who waits for an object, by arrival."""
    return object_prefix(INBOX, partition_key, service, key, scope) + seq.to_bytes(8, "big")


def mutation_key(partition_key: int, service: str, key: str, seq: int, scope: str | None = None) -> bytes:
    """What a place in the inbox brings that is no invocation's: a change of state."""
    return object_prefix(MUTATION, partition_key, service, key, scope) + seq.to_bytes(8, "big")


def promise_key(partition_key: int, service: str, key: str, name: str, scope: str | None = None) -> bytes:
    """A durable promise of a workflow."""
    return object_prefix(PROMISE, partition_key, service, key, scope) + name.encode()


def timer_key(fire_at_ms: int, invocation_id: bytes, completion_id: int) -> bytes:
    """kind, time, id, completion id. The value is the `born_lsn` (8 bytes) of the invocation that sleeps, empty for
    the start of a scheduled one: its completion id is 0, which a service may give to a Sleep as well."""
    return TIMER + fire_at_ms.to_bytes(8, "big") + invocation_id + completion_id.to_bytes(4, "big")


def decode_timer(key: bytes) -> tuple[int, bytes, int]:
    """-> (time in ms, invocation id, completion id)."""
    return int.from_bytes(key[1:9], "big"), key[9:33], int.from_bytes(key[33:37], "big")


def retry_timer_key(fire_at_ms: int, invocation_id: bytes) -> bytes:
    """The next attempt of an invocation that gave its permit back meanwhile. Longer than any other timer's key, so
    that no sleep has it. The value is the `born_lsn` (8 bytes)."""
    return timer_key(fire_at_ms, invocation_id, 0) + b"r"


def is_retry_timer(key: bytes) -> bool:
    """Of the keys of timers."""
    return len(key) == _RETRY_TIMER_BYTES


def counter_key(partition_key: int, path: str) -> bytes:
    """kind, partition key, path: `scope`, `scope/l1` or `scope/l1/l2`."""
    return COUNTER + partition_key.to_bytes(8, "big") + path.encode("ascii")


def decode_counter(key: bytes) -> tuple[int, str]:
    """-> partition key, path."""
    return int.from_bytes(key[1:9], "big"), key[9:].decode("ascii")


def ring_key(partition_key: int, path: str, position: int) -> bytes:
    """Who is to be served below a counter, in turn: kind, partition key, path, NUL, position (8 bytes)."""
    return b"".join(
        (RING, partition_key.to_bytes(8, "big"), path.encode("ascii"), b"\x00", position.to_bytes(8, "big"))
    )


def queue_key(partition_key: int, path: str, queue: bytes) -> bytes:
    """A queue at a counter: kind, partition key, path, NUL, name of the queue."""
    return b"".join((QUEUE, partition_key.to_bytes(8, "big"), path.encode("ascii"), b"\x00", queue))


def waiter_key(partition_key: int, path: str, queue: bytes, seq: int) -> bytes:
    """An invocation in a queue, by arrival: kind, partition key, path, NUL, name of the queue, sequence (8 bytes)."""
    return b"".join(
        (WAITER, partition_key.to_bytes(8, "big"), path.encode("ascii"), b"\x00", queue, seq.to_bytes(8, "big"))
    )


def outbox_key(seq: int) -> bytes:
    """kind, sequence: messages in the order in which they were made."""
    return OUTBOX + seq.to_bytes(8, "big")


def decode_outbox(key: bytes) -> int:
    """-> sequence."""
    return int.from_bytes(key[1:9], "big")


def dedup_key(sender: int) -> bytes:
    """The last sequence taken from a sending partition."""
    return DEDUP + sender.to_bytes(4, "big")


def patched_key(uid: bytes) -> bytes:
    """A change of state that arrived: kind, uid, which begins with its time. The value is empty."""
    return PATCHED + uid


def dropped_key(invocation_id: bytes) -> bytes:
    """How an invocation ended that never began, for the request that made it: kind, id."""
    return DROPPED + invocation_id


def running_key(invocation_id: bytes) -> bytes:
    """An invocation that may run, see `partitiond.machine.running`: kind, id. The value is empty."""
    return RUNNING + invocation_id


def prefix_end(prefix: bytes) -> bytes:
    """The smallest key after all keys that begin with `prefix`."""
    trimmed = prefix.rstrip(b"\xff")
    assert trimmed, "a prefix of only 0xff has no end"
    return trimmed[:-1] + bytes([trimmed[-1] + 1])
