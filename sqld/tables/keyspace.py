"""What a query says about keys, as ranges of a partition's store. Pure: no I/O.

A range may hold rows that the query does not want (the filter is applied to each row afterwards), but it never
leaves out one that it does.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from shared.ids import decode_invocation_id, key_partition_key
from shared.storage.keys import SCOPED, object_prefix

__all__ = ["Bounds", "Constraints", "KeyRange", "after_prefix", "clip", "ranges_by_id", "ranges_by_object"]

_KEY_SPACE_END = (1 << 64) - 1


class Bounds(msgspec.Struct, frozen=True):
    """What is known of one column. `values`: it equals one of these; None: no such list. Ends are included."""

    values: frozenset[object] | None = None
    low: object = None
    high: object = None


#: By column name; a column that is missing is not constrained.
Constraints = Mapping[str, Bounds]


class KeyRange(msgspec.Struct, frozen=True, order=True):
    """Keys from `start` up to and without `end`. Both begin with the same kind byte (`end` may be the next kind)."""

    start: bytes
    end: bytes


def after_prefix(prefix: bytes) -> bytes:
    """The first key behind all that begin with `prefix`."""
    stripped = prefix.rstrip(b"\xff")
    assert stripped, "no kind byte is 0xff"
    return stripped[:-1] + bytes((stripped[-1] + 1,))


def clip(key_range: KeyRange, *, first_key: int, last_key: int) -> KeyRange | None:
    """The part of a range that lies in partition keys `first_key` … `last_key`; None when nothing is left.

    A store may hold rows of a neighbour for a while after a split: they are not this partition's.
    """
    kind = key_range.start[:1]
    start = max(key_range.start, kind + first_key.to_bytes(8, "big"))
    end = min(key_range.end, after_prefix(kind + last_key.to_bytes(8, "big")))
    return KeyRange(start, end) if start < end else None


def ranges_by_id(kind: bytes, constraints: Constraints, *, id_column: str) -> list[KeyRange]:
    """Ranges of a table whose keys go on with the invocation id."""
    ids = constraints.get(id_column, Bounds()).values
    if ids is None:
        return ranges_by_partition_key(kind, constraints)
    prefixes = {kind + raw for text in ids if (raw := _decode_id(text)) is not None}
    return [KeyRange(prefix, after_prefix(prefix)) for prefix in sorted(prefixes)]


def _decode_id(text: object) -> bytes | None:
    # A text that is no id equals no row's id: it asks for nothing rather than failing.
    try:
        return decode_invocation_id(text) if isinstance(text, str) else None
    except ValueError:
        return None


def ranges_by_object(kind: bytes, constraints: Constraints) -> list[KeyRange]:
    """Ranges of a table whose keys go on with partition key, service and the user's key; and of the same with a scope,
    whose place the key does not tell."""
    scoped = ranges_by_partition_key(SCOPED[kind], constraints)
    keys = constraints.get("service_key", Bounds()).values
    if keys is None:
        return [*ranges_by_partition_key(kind, constraints), *scoped]
    services = constraints.get("service_name", Bounds()).values
    prefixes: set[bytes] = set()
    for key in keys:
        if not isinstance(key, str):
            continue
        partition_key = key_partition_key(key)
        if services is None:
            prefixes.add(kind + partition_key.to_bytes(8, "big"))
        else:
            prefixes.update(
                object_prefix(kind, partition_key, service, key) for service in services if isinstance(service, str)
            )
    return [*(KeyRange(prefix, after_prefix(prefix)) for prefix in sorted(prefixes)), *scoped]


def ranges_by_partition_key(kind: bytes, constraints: Constraints) -> list[KeyRange]:
    """Ranges by the column `partition_key` alone."""
    bounds = constraints.get("partition_key", Bounds())
    if bounds.values is not None:
        partition_keys = [v for v in bounds.values if isinstance(v, int) and 0 <= v <= _KEY_SPACE_END]
        prefixes = sorted(kind + partition_key.to_bytes(8, "big") for partition_key in partition_keys)
        return [KeyRange(prefix, after_prefix(prefix)) for prefix in prefixes]
    low = max(0, bounds.low) if isinstance(bounds.low, int) else 0
    high = min(_KEY_SPACE_END, bounds.high) if isinstance(bounds.high, int) else _KEY_SPACE_END
    if low > high:
        return []
    return [KeyRange(kind + low.to_bytes(8, "big"), after_prefix(kind + high.to_bytes(8, "big")))]
