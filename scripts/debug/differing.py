"""Where two stores differ. Pure: no I/O."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import msgspec

from scripts.debug.rows import decode_row, table_of
from shared.wal.plain import Json

__all__ = ["DiffCount", "Difference", "FieldChange", "count_row", "differences", "field_changes", "row_changes"]

_Rows = Iterable[tuple[bytes, bytes]]


class Difference(NamedTuple):
    """A key whose value is not the same; None: the row is not there."""

    key: bytes
    a: bytes | None
    b: bytes | None


class DiffCount(msgspec.Struct):
    """Rows of one table."""

    only_a: int = 0
    only_b: int = 0
    different: int = 0


class FieldChange(NamedTuple):
    """`path`: names and places down to what differs, with dots."""

    path: str
    a: Json
    b: Json


def differences(a: _Rows, b: _Rows) -> Iterator[Difference]:
    """Both in key order."""
    left, right = iter(a), iter(b)
    one, other = next(left, None), next(right, None)
    while one is not None or other is not None:
        if other is None or (one is not None and one[0] < other[0]):
            assert one is not None
            yield Difference(one[0], one[1], None)
            one = next(left, None)
        elif one is None or other[0] < one[0]:
            yield Difference(other[0], None, other[1])
            other = next(right, None)
        else:
            if one[1] != other[1]:
                yield Difference(one[0], one[1], other[1])
            one, other = next(left, None), next(right, None)


def count_row(counts: dict[str, DiffCount], difference: Difference) -> None:
    """One more, under its table."""
    count = counts.setdefault(table_of(difference.key), DiffCount())
    if difference.b is None:
        count.only_a += 1
    elif difference.a is None:
        count.only_b += 1
    else:
        count.different += 1


def row_changes(difference: Difference) -> list[FieldChange]:
    """Field by field. Rows that are equal in words though their bytes differ are shown as bytes."""
    if difference.a is None or difference.b is None:
        return []
    a, b = decode_row(difference.key, difference.a), decode_row(difference.key, difference.b)
    changes = list(field_changes(a.value, b.value))
    return changes or [FieldChange("bytes", f"0x{difference.a.hex()}", f"0x{difference.b.hex()}")]


def field_changes(a: Json, b: Json, path: str = "") -> Iterator[FieldChange]:
    """Whatever is not the same in two decoded values."""
    if isinstance(a, dict) and isinstance(b, dict):
        for name in dict.fromkeys([*a, *b]):
            yield from field_changes(a.get(name), b.get(name), f"{path}.{name}" if path else str(name))
    elif isinstance(a, list) and isinstance(b, list):
        for place in range(max(len(a), len(b))):
            one = a[place] if place < len(a) else None
            other = b[place] if place < len(b) else None
            yield from field_changes(one, other, f"{path}.{place}")
    elif a != b or type(a) is not type(b):
        yield FieldChange(path or "value", a, b)
