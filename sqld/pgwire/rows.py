"""Arrow batches -> DataRow messages. Runs in the query worker: whole columns at a time, since a row at a time costs
three times as much."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pyarrow.types as kinds

from sqld.pgwire.encode import TEXT, encoder
from sqld.pgwire.types import NAME_SUFFIX, TYPES, Oid, oid_of_arrow
from sqld.workers.protocol import Column

__all__ = ["PgRows", "pg_columns"]

_SLICE_ROWS = 1024
_length = struct.Struct(">i").pack
_NULL = _length(-1)


def pg_columns(schema: pa.Schema) -> list[Column]:
    """The columns as RowDescription has them."""
    columns = []
    for field in schema:
        oid = oid_of_arrow(str(field.type))
        columns.append(Column(field.name.partition(NAME_SUFFIX)[0], oid, TYPES[oid].length))
    return columns


class PgRows:
    """DataRow messages; nothing before and after. `formats` as in Bind: none, one for all, or one a column."""

    def __init__(self, formats: list[int]) -> None:
        self.formats = formats

    def begin(self, schema: pa.Schema) -> bytes:
        return b""

    def batch(self, batch: pa.RecordBatch) -> Iterator[bytes]:
        formats = self.formats or [TEXT]
        formats = formats * batch.num_columns if len(formats) == 1 else formats
        for start in range(0, batch.num_rows, _SLICE_ROWS):
            piece = batch.slice(start, _SLICE_ROWS)
            columns = [_fields(column, code) for column, code in zip(piece.columns, formats, strict=True)]
            count = struct.pack(">h", len(columns))
            messages: list[bytes] = []
            for fields in zip(*columns, strict=True):
                body = b"".join(fields)
                messages += (b"D", _length(len(body) + 6), count, body)
            yield b"".join(messages)

    def end(self) -> bytes:
        return b""


def _fields(column: pa.Array, format_code: int) -> list[bytes]:
    """Each value with its length before it."""
    oid = oid_of_arrow(str(column.type))
    encode = encoder(oid, format_code)
    fields = []
    for value in _values(column, oid):
        if value is None:
            fields.append(_NULL)
        else:
            encoded = encode(value)
            fields.append(_length(len(encoded)) + encoded)
    return fields


def _values(column: pa.Array, oid: Oid) -> list[Any]:
    """Plain values, as `encode` takes them."""
    kind = column.type
    if kinds.is_dictionary(kind):
        return _values(column.dictionary_decode(), oid)
    if kinds.is_timestamp(kind):
        # Nanoseconds are cut off: PostgreSQL has none.
        return _ints(column.cast(pa.timestamp("us", kind.tz), safe=False))
    if kinds.is_time(kind):
        return _ints(column.cast(pa.time64("us"), safe=False))
    if kinds.is_date(kind):
        return column.cast(pa.date32()).cast(pa.int32()).to_pylist()  # type: ignore[no-any-return]
    if kinds.is_duration(kind):
        micros = _ints(column.cast(pa.duration("us"), safe=False))
        return [None if value is None else (0, 0, value) for value in micros]
    if kinds.is_interval(kind):
        return [None if v is None else (v.months, v.days, v.nanoseconds // 1000) for v in column.to_pylist()]
    if kinds.is_list(kind) or kinds.is_large_list(kind) or kinds.is_fixed_size_list(kind):
        element = oid_of_arrow(str(kind.value_type))
        return [_values(scalar.values, element) if scalar.is_valid else None for scalar in column]
    return column.to_pylist()  # type: ignore[no-any-return]


def _ints(column: pa.Array) -> list[int | None]:
    return column.cast(pa.int64()).to_pylist()  # type: ignore[no-any-return]
