"""Arrow values as they stand in JSON, type by type as the oracle writes them."""

from __future__ import annotations

from typing import Any

import orjson
import pyarrow as pa
import pyarrow.types as kinds

from sqld.engine.text_formats import date_text, iso_duration, json_interval, rfc3339, time_text

__all__ = ["json_values"]

#: What our own tables have most of, and what stands in JSON as it is.
_PLAIN = frozenset((pa.large_string(), pa.string(), pa.uint64(), pa.uint32(), pa.int64(), pa.bool_()))
_PER_SECOND = {"s": 1, "ms": 1_000, "us": 1_000_000, "ns": 1_000_000_000}


def json_values(array: pa.Array) -> list[Any]:
    """One value a row for orjson; None for null."""
    if array.null_count == len(array):
        return [None] * len(array)
    kind = array.type
    if kind in _PLAIN:
        return array.to_pylist()  # type: ignore[no-any-return]
    if kinds.is_dictionary(kind):
        return json_values(array.dictionary_decode())
    if kinds.is_binary(kind) or kinds.is_large_binary(kind) or kinds.is_fixed_size_binary(kind):
        return [None if value is None else value.hex() for value in array.to_pylist()]
    if kinds.is_timestamp(kind):
        offset = "" if kind.tz is None else "Z" if kind.tz in ("+00:00", "UTC", "Z") else kind.tz
        unit = _PER_SECOND[kind.unit]
        return [None if value is None else rfc3339(value, unit, offset=offset) for value in _numbers(array)]
    if kinds.is_duration(kind):
        unit = _PER_SECOND[kind.unit]
        return [None if value is None else iso_duration(value, unit) for value in _numbers(array)]
    if kinds.is_date(kind):
        days = array.cast(pa.date32())
        return [None if value is None else date_text(value) for value in _numbers(days, pa.int32())]
    if kinds.is_time(kind):
        unit = _PER_SECOND[kind.unit]
        width = pa.int32() if kinds.is_time32(kind) else pa.int64()
        return [None if value is None else time_text(value, unit) for value in _numbers(array, width)]
    if kinds.is_decimal(kind):
        return [None if value is None else orjson.Fragment(str(value)) for value in array.to_pylist()]
    if kinds.is_interval(kind):
        return [None if v is None else json_interval(v.months, v.days, v.nanoseconds) for v in array.to_pylist()]
    if kinds.is_nested(kind):
        return _nested(array)
    # Numbers, booleans, text and the null type; orjson writes a float that is no number as null, as the oracle does.
    return array.to_pylist()  # type: ignore[no-any-return]


def _numbers(array: pa.Array, width: pa.DataType | None = None) -> list[int | None]:
    # Not to_pylist(): datetime and timedelta cannot hold nanoseconds, and are slow. Not cast(): 30 us a column.
    return array.view(width or pa.int64()).to_pylist()  # type: ignore[no-any-return]


def _nested(array: pa.Array) -> list[Any]:
    kind = array.type
    if kinds.is_struct(kind):
        names = [field.name for field in kind]
        columns = [json_values(column) for column in array.flatten()]
        valid = array.is_valid().to_pylist()
        return [
            {name: value for name, value in zip(names, row, strict=True) if value is not None} if present else None
            for row, present in zip(zip(*columns, strict=True), valid, strict=True)
        ]
    if kinds.is_map(kind):
        return [
            None
            if not scalar.is_valid
            else dict(
                zip(
                    map(str, scalar.values.field(0).to_pylist()),
                    json_values(scalar.values.field(1)),
                    strict=True,
                )
            )
            for scalar in array
        ]
    return [json_values(scalar.values) if scalar.is_valid else None for scalar in array]
