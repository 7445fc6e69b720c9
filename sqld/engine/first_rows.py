"""`ORDER BY column LIMIT n` over one scan: rows that come behind n others are dropped within the scan.

DataFusion keeps only the first n of what a scan gives, but has every column of every row made for that. The scan
knows the values of the column by which the rows are ordered, and so from which on a row cannot be among the first.
What it gives holds at least the first n, with all that equal the last of them; the engine still orders it.
"""

from __future__ import annotations

import bisect
import re
from collections.abc import Callable
from typing import Any, NamedTuple

from datafusion.expr import Alias, Column, Projection, Sort, SubqueryAlias, TableScan

__all__ = ["First", "FirstRows", "first_of", "may_have_first"]

#: More are left to the engine.
_ROWS_MAX = 10_000
_MAY_HAVE_FIRST = re.compile(r"\border\s+by\b.*\blimit\b", re.I | re.S)


class First(NamedTuple):
    """What is wanted of a scan: the first `rows` by one column."""

    column: str
    descending: bool
    nulls_first: bool
    rows: int

    def __str__(self) -> str:
        return f"the first {self.rows} by {self.column}{' desc' if self.descending else ''}"


def may_have_first(sql: str) -> bool:
    """Whether `first_of` is worth its time."""
    return _MAY_HAVE_FIRST.search(sql) is not None


def first_of(optimized: Any) -> dict[str, First]:
    """What is wanted of the scans of an optimized plan, by table."""
    found: dict[str, First] = {}
    _collect(optimized, found)
    text = optimized.display_indent() if found else ""
    # Of several scans of one table nobody could tell which one is asked.
    once = [table for table in found if len(re.findall(rf"TableScan: {re.escape(table)}\b", text)) == 1]
    return {table: found[table] for table in once}


def _collect(node: Any, found: dict[str, First]) -> None:
    variant = _variant(node)
    if isinstance(variant, Sort):
        rows, by = variant.get_fetch_val(), variant.sort_exprs()[0]
        column = _variant(by.expr())
        if rows is not None and 0 < rows <= _ROWS_MAX and isinstance(column, Column):
            scanned = _scanned(node.inputs()[0], column.name())
            if scanned is not None:
                table, name = scanned
                found[table] = First(name, not by.ascending(), by.nulls_first(), rows)
    for child in node.inputs():
        _collect(child, found)


def _scanned(node: Any, column: str) -> tuple[str, str] | None:
    """Table and column, when the node is a scan with its rows one for one, and gives that column as it is."""
    variant = _variant(node)
    if isinstance(variant, TableScan):
        return variant.table_name(), column
    if isinstance(variant, SubqueryAlias):
        return _scanned(node.inputs()[0], column)
    if not isinstance(variant, Projection):
        # A filter that is left above the scan, a join, a limit: other rows than those of the scan are the first.
        return None
    for expression in variant.projections():
        given, of = _variant(expression), _variant(expression)
        if isinstance(given, Alias):
            of = _variant(given.expr())
            name = given.alias()
        else:
            name = given.name() if isinstance(given, Column) else None
        if name == column:
            return _scanned(node.inputs()[0], of.name()) if isinstance(of, Column) else None
    return None


def _variant(node: Any) -> Any:
    """The node as a class of its own; None for what the binding has no class for."""
    try:
        return node.to_variant()
    except Exception:
        return None


class FirstRows:
    """The rows of one scan that may be among the first. `value_of` gives the column of a row."""

    def __init__(self, first: First, value_of: Callable[[Any], Any]) -> None:
        self._first = first
        self._value_of = value_of
        #: Values of the first rows so far, in ascending order, without nulls.
        self._values: list[Any] = []

    def test_of(self, peek: Callable[[bytes], Any]) -> Callable[[bytes], bool]:
        """Of a stored row, whether it may be among the first by what was seen until then. `peek` gives its value."""
        # The list itself, which only ever changes.
        known, limit, nulls, descending = (
            self._values,
            self._first.rows,
            self._first.nulls_first,
            self._first.descending,
        )

        def passes(stored: bytes) -> bool:
            value = peek(stored)
            if len(known) < limit:
                return True
            if value is None:
                return nulls
            return bool(value >= known[0] if descending else value <= known[-1])

        return passes

    def possible(self, rows: list[Any]) -> list[Any]:
        """Without those that come behind what was seen."""
        if len(self._values) < self._first.rows:
            return rows
        value_of, nulls = self._value_of, self._first.nulls_first
        values = [value_of(row) for row in rows]
        if self._first.descending:
            last = self._values[0]
            return [row for row, value in zip(rows, values, strict=True) if (nulls if value is None else value >= last)]
        last = self._values[-1]
        return [row for row, value in zip(rows, values, strict=True) if (nulls if value is None else value <= last)]

    def seen(self, rows: list[Any]) -> list[Any]:
        """Rows that pass the scan's filter: those that may be among the first, also by each other."""
        known, limit = self._values, self._first.rows
        for row in rows:
            value = self._value_of(row)
            if value is None:
                continue
            bisect.insort(known, value)
            if len(known) > limit:
                del known[0 if self._first.descending else -1]
        return self.possible(rows)
