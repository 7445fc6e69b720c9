"""Arrow values as text for CSV and tables, and as JSON. Owns: nothing.

Times are RFC 3339 in UTC, durations ISO 8601, bytes hexadecimal: as the node writes them in JSON.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as kinds

__all__ = ["is_number", "json_column", "text_column"]

_PER_SECOND = {"s": 1, "ms": 1_000, "us": 1_000_000, "ns": 1_000_000_000}


def is_number(kind: pa.DataType) -> bool:
    """Right-aligned in a table."""
    return bool(kinds.is_integer(kind) or kinds.is_floating(kind) or kinds.is_decimal(kind))


def json_column(column: pa.Array) -> list[Any]:
    """One value a row, for orjson; None for null."""
    kind = column.type
    if kinds.is_dictionary(kind):
        return json_column(column.dictionary_decode())
    if kinds.is_timestamp(kind):
        return _times(column)
    if kinds.is_duration(kind):
        per_second = _PER_SECOND[kind.unit]
        return [None if each is None else _iso(each, per_second) for each in column.cast(pa.int64()).to_pylist()]
    if kinds.is_binary(kind) or kinds.is_large_binary(kind) or kinds.is_fixed_size_binary(kind):
        return [None if each is None else each.hex() for each in column.to_pylist()]
    if kinds.is_list(kind) or kinds.is_large_list(kind):
        return [json_column(scalar.values) if scalar.is_valid else None for scalar in column]
    if kinds.is_nested(kind) or kinds.is_decimal(kind) or kinds.is_temporal(kind):
        # Nothing that our tables have; what a query makes of them is shown as Arrow shows it.
        return [None if each is None else _plain(each) for each in column.to_pylist()]
    values: list[Any] = column.to_pylist()
    return values


def _times(column: pa.Array) -> list[str | None]:
    # Not to_pylist(): a datetime each is ten times slower, and holds no nanoseconds.
    naive = column.cast(pa.timestamp(column.type.unit))
    texts: list[str | None] = pc.strftime(naive, format="%Y-%m-%dT%H:%M:%S").to_pylist()
    zone = "" if column.type.tz is None else "Z"
    return [None if text is None else text + zone for text in texts]


def _iso(value: int, per_second: int) -> str:
    seconds, part = divmod(abs(value), per_second)
    digits = len(str(per_second)) - 1
    fraction = f".{part:0{digits}}".rstrip("0") if part else ""
    return f"{'-' if value < 0 else ''}PT{seconds}{fraction}S"


def _plain(value: Any) -> Any:
    """JSON out of what Python has for it."""
    if isinstance(value, dict):
        return {str(name): _plain(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    if isinstance(value, bytes):
        return value.hex()
    return value if isinstance(value, str | int | float | bool | None) else str(value)


def text_column(column: pa.Array) -> list[str | None]:
    """One text a row; None for null."""
    kind = column.type
    if kinds.is_string(kind) or kinds.is_large_string(kind):
        texts: list[str | None] = column.to_pylist()
        return texts
    shown = _text_of(kind)
    return [None if each is None else shown(each) for each in json_column(column)]


def _text_of(kind: pa.DataType) -> Callable[[Any], str]:
    if kinds.is_boolean(kind):
        return lambda value: "true" if value else "false"
    return lambda value: orjson.dumps(value).decode() if isinstance(value, list | dict) else str(value)
