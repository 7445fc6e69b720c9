"""Values -> text and binary of the wire. Pure: no I/O.

Values are plain: times are microseconds since 1970-01-01 (dates: days), an interval is (months, days, microseconds),
a number that fits no machine type is its decimal text or an int, an array is a list.
Source: PostgreSQL 17, the types' `_out` and `_send` functions.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any

from sqld.engine.text_formats import date_text, pg_interval, pg_timestamp, time_text
from sqld.pgwire.types import ARRAYS, Oid

__all__ = ["BINARY", "TEXT", "encoder"]

TEXT, BINARY = 0, 1

_NULL = struct.pack(">i", -1)
#: PostgreSQL counts from 2000-01-01.
_EPOCH_DAYS = 10_957
_EPOCH_MICROS = _EPOCH_DAYS * 86_400_000_000

Encoder = Callable[[Any], bytes]


def encoder(oid: Oid, format_code: int) -> Encoder:
    """How values of a type are written in a format."""
    if oid in ARRAYS:
        return _array_encoder(oid, format_code)
    table = _BINARY if format_code == BINARY else _TEXT
    return table.get(oid, _utf8)


def _utf8(value: Any) -> bytes:
    return str(value).encode()


def _float_text(value: float) -> bytes:
    if value != value:
        return b"NaN"
    if value in (float("inf"), float("-inf")):
        return b"Infinity" if value > 0 else b"-Infinity"
    return repr(value).removesuffix(".0").encode()


def _numeric_binary(value: Any) -> bytes:
    """Digits in base 10000 with the weight of the first, a sign, and how many decimals are shown."""
    text = str(value)
    negative = text.startswith("-")
    whole, _, decimals = text.lstrip("-").partition(".")
    scale = len(decimals)
    whole = whole.lstrip("0")
    whole = whole.zfill(-(-len(whole) // 4) * 4)
    decimals = decimals.ljust(-(-scale // 4) * 4, "0")
    digits = [int((whole + decimals)[at : at + 4]) for at in range(0, len(whole) + len(decimals), 4)]
    weight = len(whole) // 4 - 1
    while digits and digits[0] == 0:
        digits.pop(0)
        weight -= 1
    while digits and digits[-1] == 0:
        digits.pop()
    header = struct.pack(">hhHh", len(digits), weight if digits else 0, 0x4000 if negative else 0, scale)
    return header + struct.pack(f">{len(digits)}h", *digits)


_TEXT: dict[Oid, Encoder] = {
    Oid.BOOL: lambda value: b"t" if value else b"f",
    Oid.BYTEA: lambda value: b"\\x" + value.hex().encode(),
    Oid.FLOAT4: _float_text,
    Oid.FLOAT8: _float_text,
    Oid.DATE: lambda value: date_text(value).encode(),
    Oid.TIME: lambda value: time_text(value, 1_000_000).encode(),
    Oid.TIMESTAMP: lambda value: pg_timestamp(value, 1_000_000, zoned=False).encode(),
    Oid.TIMESTAMPTZ: lambda value: pg_timestamp(value, 1_000_000, zoned=True).encode(),
    Oid.INTERVAL: lambda value: pg_interval(*value).encode(),
}

_BINARY: dict[Oid, Encoder] = {
    Oid.BOOL: lambda value: b"\x01" if value else b"\x00",
    Oid.BYTEA: bytes,
    Oid.INT2: struct.Struct(">h").pack,
    Oid.INT4: struct.Struct(">i").pack,
    Oid.INT8: struct.Struct(">q").pack,
    Oid.OID: struct.Struct(">I").pack,
    Oid.FLOAT4: struct.Struct(">f").pack,
    Oid.FLOAT8: struct.Struct(">d").pack,
    Oid.NUMERIC: _numeric_binary,
    Oid.DATE: lambda value: struct.pack(">i", value - _EPOCH_DAYS),
    Oid.TIME: struct.Struct(">q").pack,
    Oid.TIMESTAMP: lambda value: struct.pack(">q", value - _EPOCH_MICROS),
    Oid.TIMESTAMPTZ: lambda value: struct.pack(">q", value - _EPOCH_MICROS),
    # Microseconds first: the order of `interval_send`.
    Oid.INTERVAL: lambda value: struct.pack(">qii", value[2], value[1], value[0]),
}


def _array_encoder(oid: Oid, format_code: int) -> Encoder:
    element = encoder(ARRAYS[oid], format_code)
    if format_code == BINARY:
        return lambda values: _array_binary(values, element, ARRAYS[oid])
    return lambda values: b"{" + b",".join(_array_item(value, element) for value in values) + b"}"


def _array_binary(values: list[Any], element: Encoder, oid: Oid) -> bytes:
    if not values:
        return struct.pack(">iii", 0, 0, oid)
    parts = [struct.pack(">iiiii", 1, any(value is None for value in values), oid, len(values), 1)]
    for value in values:
        encoded = None if value is None else element(value)
        parts.append(_NULL if encoded is None else struct.pack(">i", len(encoded)) + encoded)
    return b"".join(parts)


_QUOTED = frozenset(b'{},"\\ \t\n\r\v\f')


def _array_item(value: Any, element: Encoder) -> bytes:
    if value is None:
        return b"NULL"
    text = element(value)
    if text and text.upper() != b"NULL" and not _QUOTED.intersection(text):
        return text
    return b'"' + text.replace(b"\\", b"\\\\").replace(b'"', b'\\"') + b'"'
