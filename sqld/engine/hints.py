"""Lists of values that DataFusion keeps to itself: `id IN (…)` or `= ANY (…)`, over three items of large text.

DataFusion pushes no such list into a scan; it filters afterwards. The list is read out of its plan instead, so that
the scan looks those keys up. A hint only narrows what is read: the filter stays where it is.
"""

from __future__ import annotations

import re
from typing import Any

import pyarrow as pa
from datafusion.expr import BinaryExpr, Column, Filter, InList, SubqueryAlias, TableScan

from sqld.engine.predicates import Predicate, bounds_of_columns
from sqld.tables.keyspace import Constraints

__all__ = ["hints_of", "may_have_list"]

_MAY_HAVE_LIST = re.compile(r"\b(?:in|any)\s*\(", re.I)
_UNKNOWN: Predicate = ("unknown",)


def may_have_list(sql: str) -> bool:
    """Whether `hints_of` is worth its time."""
    return _MAY_HAVE_LIST.search(sql) is not None


def hints_of(optimized: Any) -> dict[str, Constraints]:
    """What holds for every scan of a table of an optimized plan, by table name."""
    found: dict[str, list[Predicate]] = {}
    _collect(optimized, _UNKNOWN, found)
    text = optimized.display_indent()
    hints: dict[str, Constraints] = {}
    for table, predicates in found.items():
        # Scans within a subquery of an expression are not met on the way down, but the text has them.
        if len(re.findall(rf"TableScan: {re.escape(table)}\b", text)) == len(predicates):
            any_of = predicates[0]
            for predicate in predicates[1:]:
                any_of = ("or", any_of, predicate)
            hints[table] = bounds_of_columns(any_of)
    return hints


def _collect(node: Any, above: Predicate, found: dict[str, list[Predicate]]) -> None:
    variant = _variant(node)
    if isinstance(variant, TableScan):
        found.setdefault(variant.table_name(), []).append(above)
    elif isinstance(variant, Filter):
        above = ("and", above, _predicate(variant.predicate()))
    elif not isinstance(variant, SubqueryAlias):
        # Whatever is between changes which rows the filter above it sees.
        above = _UNKNOWN
    for child in node.inputs():
        _collect(child, above, found)


def _predicate(expression: Any) -> Predicate:
    variant = _variant(expression)
    if isinstance(variant, BinaryExpr) and variant.op() == "AND":
        return ("and", _predicate(variant.left()), _predicate(variant.right()))
    if isinstance(variant, InList) and not variant.negated():
        column = _variant(variant.expr())
        values = [_value(item) for item in variant.list()]
        if isinstance(column, Column) and None not in values:
            return ("is_in", ("field", column.name()), values)
    return _UNKNOWN


def _variant(node: Any) -> Any:
    """The node as a class of its own; None for what the binding has no class for."""
    try:
        return node.to_variant()
    except Exception:
        return None


def _value(item: Any) -> Any:
    """The value of a literal; None for anything else."""
    try:
        value = item.python_value()
    except Exception:
        return None
    return value.as_py() if isinstance(value, pa.Scalar) else value
