"""Large values: a content is stored once, and goes with its last use. Pure: no I/O.

Rules that always hold:
- a content is never changed, and its number never given to another;
- it is used by a value of state, and by each invocation whose journal has it, however often;
- while a partition has no large value of state (`PartitionMeta.large_states`), nobody looks for one.

An object's state and its invocations are of one partition key, so the number tells which value it is.
"""

from __future__ import annotations

from collections.abc import Iterator

from partitiond.machine.txn import Txn
from shared.ids import partition_key_of
from shared.storage import keys, values
from shared.storage.large import LARGE_VALUE_BYTES, large_state_of, state_value
from shared.storage.packing import Packing
from shared.storage.values import InvocationRow, LargeStateRow

__all__ = [
    "delete_state",
    "large_state",
    "put_packed_state",
    "put_state",
    "release_all",
    "state_values",
    "use_in_journal",
]


def put_state(txn: Txn, key: bytes, value: bytes) -> int | None:
    """Store a value of state under its STATE key. Its number, if it is a large one."""
    _let_go(txn, key)
    if len(value) <= LARGE_VALUE_BYTES:
        txn.put(key, value)
        return None
    return _put_large(txn, key, value, len(value), Packing.PLAIN)


def put_packed_state(txn: Txn, key: bytes, content: bytes, size: int, packing: int) -> int:
    """Store a large value of state of `size` bytes, packed to `content`. Its number."""
    _let_go(txn, key)
    return _put_large(txn, key, content, size, packing)


def _put_large(txn: Txn, key: bytes, content: bytes, size: int, packing: int) -> int:
    meta = txn.meta
    meta.large_number += 1
    meta.large_states += 1
    number, place = meta.large_number, _place(key)
    txn.put(keys.large_key(place, number), content)
    _count(txn, place, number, 1)
    txn.put(key, b"")
    txn.put(keys.large_state_key(key), values.encode(LargeStateRow(number, size, packing)))
    return number


def delete_state(txn: Txn, key: bytes) -> None:
    """A value of state that may be there."""
    _let_go(txn, key)
    txn.delete(key)


def large_state(txn: Txn, key: bytes, value: bytes) -> LargeStateRow | None:
    """Which large value a STATE row of this key and value is."""
    return large_state_of(txn.get, key, value) if txn.meta.large_states else None


def state_values(txn: Txn, prefix: bytes) -> Iterator[tuple[bytes, bytes]]:
    """(STATE key, user's bytes) of the values whose key begins with `prefix`."""
    stored = txn.scan_prefix(prefix)
    if not txn.meta.large_states:
        return stored
    return ((key, state_value(txn.get, key, value)) for key, value in stored)


def use_in_journal(txn: Txn, invocation_id: bytes, row: InvocationRow, number: int) -> None:
    """An entry of the invocation has it. Whoever calls this stores the row."""
    if number not in row.large_values:
        row.large_values.append(number)
        _count(txn, partition_key_of(invocation_id), number, 1)


def release_all(txn: Txn, invocation_id: bytes, row: InvocationRow) -> None:
    """The journal is dropped. Whoever calls this stores the row."""
    place = partition_key_of(invocation_id)
    for number in row.large_values:
        _count(txn, place, number, -1)
    row.large_values = []


def _let_go(txn: Txn, key: bytes) -> None:
    """What the STATE row of this key is now is to be no more."""
    if not txn.meta.large_states:
        return
    large_key = keys.large_state_key(key)
    stored = txn.get(large_key)
    if stored is not None:
        txn.delete(large_key)
        txn.meta.large_states -= 1
        _count(txn, _place(key), values.decode_large_state(stored).number, -1)


def _count(txn: Txn, place: int, number: int, change: int) -> None:
    key = keys.large_uses_key(place, number)
    stored = txn.get(key)
    uses = change if stored is None else int.from_bytes(stored, "big") + change
    assert uses >= 0, f"large value {number} at {place:#x} is let go once too often"
    if uses:
        txn.put(key, uses.to_bytes(4, "big"))
    else:
        txn.delete(key)
        txn.delete(keys.large_key(place, number))


def _place(key: bytes) -> int:
    """The partition key in a STATE key."""
    return int.from_bytes(key[1:9], "big")
