"""A client's parameters as DataFusion takes them. Runs in the query worker."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from typing import Any

import pyarrow as pa

from sqld.engine.failures import QueryFailure
from sqld.pgwire.encode import TEXT
from sqld.pgwire.parameters import decode_parameter
from sqld.pgwire.types import ARRAYS, Oid

__all__ = ["scalars"]

_ARROW = {
    Oid.BOOL: pa.bool_(),
    Oid.BYTEA: pa.binary(),
    Oid.INT2: pa.int64(),
    Oid.INT4: pa.int64(),
    Oid.INT8: pa.int64(),
    Oid.OID: pa.int64(),
    Oid.REGCLASS: pa.int64(),
    Oid.REGTYPE: pa.int64(),
    Oid.FLOAT4: pa.float64(),
    Oid.FLOAT8: pa.float64(),
    Oid.TIMESTAMP: pa.timestamp("us"),
    Oid.TIMESTAMPTZ: pa.timestamp("us", "+00:00"),
    Oid.DATE: pa.date32(),
}
_MONTHS = pa.month_day_nano_interval()
_U64 = 1 << 64


def scalars(parameters: list[bytes | None], formats: list[int], types: list[int]) -> list[pa.Scalar]:
    """One scalar a parameter. `formats` as in Bind: none, one for all, or one each. Raises QueryFailure."""
    codes = formats or [TEXT]
    if len(codes) == 1:
        codes = codes * len(parameters)
    return [
        _in_range(None if raw is None else decode_parameter(raw, code, oid), oid)
        for raw, code, oid in zip(parameters, codes, types, strict=True)
    ]


def _in_range(value: Any, oid: int) -> pa.Scalar:
    try:
        return _scalar(value, oid)
    except (OverflowError, ValueError, TypeError, pa.ArrowException) as error:
        raise QueryFailure(f"a parameter is out of range: {error}", sqlstate="22003", status=400) from error


def _scalar(value: Any, oid: int) -> pa.Scalar:
    if oid in ARRAYS:
        return _array(value, ARRAYS[Oid(oid)])
    if oid == Oid.NUMERIC:
        return _numeric(value)
    if oid == Oid.INTERVAL:
        return _interval(value)
    if isinstance(value, str):
        # Also times given as text: DataFusion reads them.
        return pa.scalar(value, pa.string())
    known = _ARROW.get(Oid(oid)) if oid in set(Oid) else None
    return pa.scalar(value, known or pa.string())


def _array(values: list[Any] | None, element: Oid) -> pa.Scalar:
    kind = _ARROW.get(element, pa.string())
    if element == Oid.NUMERIC and values:
        values = [None if value is None else _numeric(value).as_py() for value in values]
        numbers = [value for value in values if value is not None]
        if all(isinstance(number, int) for number in numbers):
            kind = pa.uint64()
        else:
            # A width that fits them all is found by Arrow.
            return pa.scalar([None if value is None else Decimal(value) for value in values])
    elif element == Oid.INTERVAL:
        kind = pa.duration("us")
        values = None if values is None else [None if value is None else _interval(value).as_py() for value in values]
    elif values and any(isinstance(value, str) for value in values):
        kind = pa.string()
    return pa.scalar(values, pa.list_(kind))


def _interval(value: tuple[int, int, int] | None) -> pa.Scalar:
    """Columns hold durations; only months are no duration."""
    if value is None:
        return pa.scalar(None, pa.duration("us"))
    months, days, micros = value
    if months:
        return pa.scalar(pa.MonthDayNano([months, days, micros * 1000]), _MONTHS)
    return pa.scalar(days * 86_400_000_000 + micros, pa.duration("us"))


def _numeric(text: str | None) -> pa.Scalar:
    if text is None:
        return pa.scalar(None, pa.int64())
    try:
        number = Decimal(text)
    except InvalidOperation:
        return pa.scalar(text, pa.string())
    if number == number.to_integral_value() and 0 <= number < _U64:
        # A partition key does not fit a signed number.
        return pa.scalar(int(number), pa.uint64())
    return pa.scalar(number)
