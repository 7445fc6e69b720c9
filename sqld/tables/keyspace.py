"""What a query says about keys, as ranges of a partition's store. Pure: no I/O.

A range may hold rows that the query does not want (the filter is applied to each row afterwards), but it never
leaves out one that it does.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

from shared.ids import decode_invocation_id, key_partition_key, partition_key_of, scope_partition_key
from shared.limits import check_scope
from shared.storage.keys import SCOPED, object_prefix, scope_prefix

__all__ = ["Bounds", "Constraints", "KeyRange", "after_prefix", "clip", "ranges_by_id", "ranges_by_object"]

_KEY_SPACE_END = (1 << 64) - 1


class Bounds(msgspec.Struct, frozen=True):
    """What is known of one column. `values`: it equals one of these, where None is null; None: no such list. Ends
    are included."""

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


def ranges_by_id(kind: bytes, constraints: Constraints, *, id_column: str, key_column: str = "") -> list[KeyRange]:
    """Ranges of a table whose keys go on with the invocation id. A scope, where the table has one, is its place;
    without a scope, the key of the object is (`key_column`)."""
    ids = constraints.get(id_column, Bounds()).values
    if ids is not None:
        return _ranges(kind + raw for text in ids if (raw := _decode_id(text)) is not None)
    scopes = constraints.get("scope", Bounds()).values
    if scopes is None:
        return ranges_by_partition_key(kind, constraints)
    keys = constraints.get(key_column, Bounds()).values
    if None in scopes:
        if scopes != {None} or keys is None or None in keys:
            return ranges_by_partition_key(kind, constraints)
        return _ranges(kind + key_partition_key(key).to_bytes(8, "big") for key in keys if isinstance(key, str))
    return _ranges(kind + scope_partition_key(scope).to_bytes(8, "big") for scope in _scopes(scopes))


def _decode_id(text: object) -> bytes | None:
    # A text that is no id equals no row's id: it asks for nothing rather than failing.
    try:
        return decode_invocation_id(text) if isinstance(text, str) else None
    except ValueError:
        return None


def ranges_by_object(
    kind: bytes, constraints: Constraints, *, id_column: str | None = None, name_column: str | None = None
) -> list[KeyRange]:
    """Ranges of a table whose keys go on with partition key, service and the user's key; and of its rows within
    scopes, whose place the user's key does not tell.

    `id_column`: an invocation of the same object, whose id tells the place of both. `name_column`: the rest of the key.
    """
    if id_column is not None:
        constraints = _with_places(constraints, id_column)
    scopes = constraints.get("scope", Bounds()).values
    if scopes is None:
        ranges = [*_unscoped(kind, constraints), *ranges_by_partition_key(SCOPED[kind], constraints)]
    else:
        unscoped = _unscoped(kind, constraints) if None in scopes else []
        ranges = [*unscoped, *_scoped(kind, _scopes(scopes), constraints)]
    if name_column is None:
        return ranges
    return _with_names(ranges, constraints, name_column)


def _with_places(constraints: Constraints, id_column: str) -> Constraints:
    """The same, with the partition keys that ids tell, where nothing else tells them."""
    ids = constraints.get(id_column, Bounds()).values
    if ids is None or "partition_key" in constraints:
        return constraints
    raws = [raw for text in ids if (raw := _decode_id(text)) is not None]
    return {**constraints, "partition_key": Bounds(frozenset(partition_key_of(raw) for raw in raws))}


def _with_names(ranges: list[KeyRange], constraints: Constraints, name_column: str) -> list[KeyRange]:
    """Of ranges that are all rows of one object, the named ones."""
    names = _texts(constraints, name_column)
    whole_objects = all(_texts(constraints, column) is not None for column in ("service_key", "service_name"))
    # A name that is no UTF-8 is shown with replacement characters.
    if names is None or not whole_objects or any("\ufffd" in name for name in names):
        return ranges
    found = []
    for each in ranges:
        if each.start[:1] in SCOPED.values() and constraints.get("scope", Bounds()).values is None:
            # Not one object's: all rows of a place within any scope.
            found.append(each)
        else:
            keys = [each.start + name.encode() for name in sorted(set(names))]
            found += [KeyRange(key, key + b"\0") for key in keys]
    return found


def _unscoped(kind: bytes, constraints: Constraints) -> list[KeyRange]:
    keys, services = _texts(constraints, "service_key"), _texts(constraints, "service_name")
    if keys is None:
        return ranges_by_partition_key(kind, constraints)
    places = [(key_partition_key(key), key) for key in keys]
    if services is None:
        return _ranges(kind + place.to_bytes(8, "big") for place, _ in places)
    return _ranges(object_prefix(kind, place, service, key) for place, key in places for service in services)


def _scoped(kind: bytes, scopes: list[str], constraints: Constraints) -> list[KeyRange]:
    keys, services = _texts(constraints, "service_key"), _texts(constraints, "service_name")
    places = [(scope_partition_key(scope), scope) for scope in scopes]
    if keys is None or services is None:
        return _ranges(scope_prefix(kind, place, scope) for place, scope in places)
    return _ranges(
        object_prefix(kind, place, service, key, scope)
        for place, scope in places
        for service in services
        for key in keys
    )


def _texts(constraints: Constraints, column: str) -> list[str] | None:
    values = constraints.get(column, Bounds()).values
    return None if values is None else [value for value in values if isinstance(value, str)]


def _scopes(values: frozenset[object]) -> list[str]:
    """Those that a row may have."""
    return [value for value in values if isinstance(value, str) and _is_scope(value)]


def _is_scope(text: str) -> bool:
    try:
        check_scope(text)
    except ValueError:
        return False
    return True


def _ranges(prefixes: Iterable[bytes]) -> list[KeyRange]:
    """One range a prefix, none twice: a row in two ranges would be shown twice."""
    return [KeyRange(prefix, after_prefix(prefix)) for prefix in sorted(set(prefixes))]


def ranges_by_partition_key(kind: bytes, constraints: Constraints) -> list[KeyRange]:
    """Ranges by the column `partition_key` alone."""
    bounds = constraints.get("partition_key", Bounds())
    if bounds.values is not None:
        partition_keys = [v for v in bounds.values if isinstance(v, int) and 0 <= v <= _KEY_SPACE_END]
        return _ranges(kind + partition_key.to_bytes(8, "big") for partition_key in partition_keys)
    low = max(0, bounds.low) if isinstance(bounds.low, int) else 0
    high = min(_KEY_SPACE_END, bounds.high) if isinstance(bounds.high, int) else _KEY_SPACE_END
    if low > high:
        return []
    return [KeyRange(kind + low.to_bytes(8, "big"), after_prefix(kind + high.to_bytes(8, "big")))]
