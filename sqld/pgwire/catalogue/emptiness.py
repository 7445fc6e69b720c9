"""Catalogue queries over tables that are always empty. Pure: no I/O.

psql asks about policies, triggers, publications and the like in SQL that DataFusion cannot plan. Where such a query
inner-joins a table that never has a row, its answer is known: no rows, under the right column names.
"""

from __future__ import annotations

from typing import Any

from sqlglot import exp

from sqld.pgwire.catalogue.relations import EMPTY
from sqld.pgwire.types import NAME_SUFFIX

__all__ = ["empty_answer"]


def empty_answer(tree: Any) -> str | None:
    """A query with the same column names and no rows; None when the tree may have rows."""
    if not _is_empty(tree, frozenset()):
        return None
    query = tree
    while isinstance(query, exp.SetOperation):
        query = query.left
    columns: list[str] = []
    for projection in query.selects:
        name = _folded(projection) or "?column?"
        # DataFusion refuses a name that comes twice.
        if name in columns:
            name += f"{NAME_SUFFIX}{len(columns)}"
        columns.append(name)
    fields = ", ".join(f'CAST(NULL AS TEXT) AS "{name}"' for name in columns)
    return f"SELECT {fields} WHERE false"


def _folded(projection: Any) -> str:
    """The name that PostgreSQL would give it: in small letters unless it is quoted."""
    named = projection.args.get("alias") if isinstance(projection, exp.Alias) else projection.this
    quoted = isinstance(named, exp.Identifier) and named.quoted
    name: str = projection.alias_or_name
    return name if quoted else name.lower()


def _is_empty(node: Any, empty_ctes: frozenset[str]) -> bool:
    if isinstance(node, exp.Subquery):
        return _is_empty(node.this, empty_ctes)
    if isinstance(node, exp.SetOperation):
        return _is_empty(node.left, empty_ctes) and _is_empty(node.right, empty_ctes)
    if isinstance(node, exp.Table):
        return node.name.lower() in EMPTY or node.name in empty_ctes
    if not isinstance(node, exp.Select):
        return False
    for cte in node.ctes:
        if _is_empty(cte.this, empty_ctes):
            empty_ctes |= {cte.alias}
    source = node.args.get("from_") or node.args.get("from")
    if source is None:
        return False
    joined = [join.this for join in node.args.get("joins") or [] if not join.side]
    if not any(_is_empty(table, empty_ctes) for table in [source.this, *joined]):
        return False
    # An aggregate without groups gives one row of no rows.
    return bool(node.args.get("group")) or not any(item.find(exp.AggFunc) for item in node.expressions)
