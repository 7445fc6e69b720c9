"""What a filter says about single columns. Pure: no I/O.

A predicate is a nested tuple: `("field", name)`, `("literal", value)` or `(function, argument, …)`; `is_in` has the
list of values as its last item. Whatever is not understood says nothing, so the bounds are never too narrow.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqld.tables.keyspace import Bounds

__all__ = ["Predicate", "bounds_of_columns", "fields_of", "narrowed"]

Predicate = tuple[Any, ...]

_FLIPPED = {"less": "greater", "less_equal": "greater_equal", "greater": "less", "greater_equal": "less_equal"}


def fields_of(predicate: Predicate) -> set[str]:
    """The columns that a predicate reads."""
    if predicate[0] == "field":
        return {predicate[1]}
    return {name for part in predicate[1:] if isinstance(part, tuple) for name in fields_of(part)}


def bounds_of_columns(predicate: Predicate | None) -> dict[str, Bounds]:
    """Bounds that every row which passes the predicate keeps."""
    if predicate is None:
        return {}
    name, *arguments = predicate
    if not arguments:
        return {}
    if name in ("and", "and_kleene"):
        return _all_of(bounds_of_columns(arguments[0]), bounds_of_columns(arguments[1]))
    if name in ("or", "or_kleene"):
        return _any_of(bounds_of_columns(arguments[0]), bounds_of_columns(arguments[1]))
    if name == "is_null" and arguments[0][0] == "field":
        return {arguments[0][1]: Bounds(values=frozenset((None,)))}
    if name == "is_in" and arguments[0][0] == "field" and isinstance(arguments[-1], list):
        return {arguments[0][1]: Bounds(values=frozenset(arguments[-1]))}
    if name == "equal" or name in _FLIPPED:
        return _comparison(name, arguments[0], arguments[1])
    return {}


def _comparison(name: str, left: Predicate, right: Predicate) -> dict[str, Bounds]:
    if left[0] == "literal" and right[0] == "field":
        left, right, name = right, left, _FLIPPED.get(name, name)
    if left[0] != "field" or right[0] != "literal" or right[1] is None:
        return {}
    column, value = left[1], right[1]
    if name == "equal":
        return {column: Bounds(values=frozenset((value,)))}
    # An open end is taken as closed: one value too many is read and filtered out.
    return {column: Bounds(low=value) if name.startswith("greater") else Bounds(high=value)}


def _all_of(first: dict[str, Bounds], second: dict[str, Bounds]) -> dict[str, Bounds]:
    merged = dict(first)
    for column, bounds in second.items():
        merged[column] = _intersection(merged[column], bounds) if column in merged else bounds
    return merged


def _any_of(first: dict[str, Bounds], second: dict[str, Bounds]) -> dict[str, Bounds]:
    # A column that one side leaves free is free.
    return {column: _union(first[column], second[column]) for column in first.keys() & second.keys()}


def narrowed(first: dict[str, Bounds], second: Mapping[str, Bounds]) -> dict[str, Bounds]:
    """Bounds of rows that keep both."""
    return _all_of(first, dict(second))


def _intersection(first: Bounds, second: Bounds) -> Bounds:
    values = first.values
    if values is None:
        values = second.values
    elif second.values is not None:
        values &= second.values
    return Bounds(values, _later(first.low, second.low), _earlier(first.high, second.high))


def _union(first: Bounds, second: Bounds) -> Bounds:
    values = None if first.values is None or second.values is None else first.values | second.values
    low = None if first.low is None or second.low is None else _earlier(first.low, second.low)
    high = None if first.high is None or second.high is None else _later(first.high, second.high)
    return Bounds(values, low, high)


def _later(first: Any, second: Any) -> Any:
    return second if first is None else first if second is None else max(first, second)


def _earlier(first: Any, second: Any) -> Any:
    return second if first is None else first if second is None else min(first, second)
