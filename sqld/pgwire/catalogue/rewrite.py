"""PostgreSQL's catalogue queries -> what DataFusion can run. Pure: no I/O."""

from __future__ import annotations

import re
from typing import Any

import sqlglot
from sqlglot import exp

from sqld.pgwire.catalogue.emptiness import empty_answer
from sqld.pgwire.catalogue.relations import DATABASE, RELATIONS, ROLE

__all__ = ["is_catalogue_query", "rewrite"]

_MENTIONS = re.compile(
    r"\bpg_\w+|\bcurrent_(?:schemas?|database|catalog|setting|user)\b|\bsession_user\b|::\s*(?:regclass|regtype|oid)\b"
    r"|\b(?:obj|col|shobj)_description\b|\bformat_type\b|\bset_config\b|\bhas_\w+_privilege\b|\bquote_ident\b"
    r"|\bversion\s*\(\s*\)|\bto_reg\w+\(",
    re.I,
)

# What sqlglot does not read.
_BEFORE = (
    (re.compile(r"OPERATOR\s*\(\s*pg_catalog\.([^)\s]+)\s*\)", re.I), r"\1"),
    (re.compile(r"\bCOLLATE\s+(?:pg_catalog\.)?\"?default\"?", re.I), ""),
    (re.compile(r"\bpg_catalog\.(\w+)\s*\("), r"\1("),
    (re.compile(r"::\s*pg_catalog\."), "::"),
    (re.compile(r"\bpg_catalog\.\"char\"", re.I), "text"),
)
#: The same name with another number of arguments is another function to DataFusion.
_BY_ARGUMENTS = {
    "pg_get_expr": 2,
    "pg_get_viewdef": 1,
    "pg_get_constraintdef": 1,
    "pg_get_indexdef": 1,
    "pg_get_triggerdef": 1,
    "pg_get_function_identity_arguments": 1,
    "obj_description": 2,
    "has_schema_privilege": 2,
    "has_table_privilege": 2,
    "current_setting": 1,
    "pg_relation_size": 1,
    "quote_ident": 1,
}
VERSION = "PostgreSQL 15.0 (Everlog)"
_INTEGERS = ("oid", "xid", "cid", "regproc", "regprocedure", "int2vector")
_TEXTS = ("regtype", "name", '"char"', "char", "regnamespace", "regrole")


def is_catalogue_query(sql: str) -> bool:
    """It asks about the server rather than about what the server knows."""
    return _MENTIONS.search(sql) is not None


def rewrite(sql: str) -> str:
    """A catalogue query in DataFusion's SQL. What sqlglot cannot read stays as it is: DataFusion says why not."""
    for pattern, replacement in _BEFORE:
        sql = pattern.sub(replacement, sql)
    try:
        tree = sqlglot.parse_one(sql, read="postgres")
    except sqlglot.errors.SqlglotError:
        return sql
    tree = _unique_names(tree.transform(_node))
    return empty_answer(tree) or tree.sql("postgres")


def _unique_names(tree: Any) -> Any:
    """DataFusion refuses two columns of one name in an answer, PostgreSQL does not."""
    if not isinstance(tree, exp.Select):
        return tree
    seen: set[str] = set()
    for item in tree.expressions:
        name = item.alias_or_name
        if name and name != "*" and name in seen:
            unique = f"{name}_{len(seen)}"
            item.replace(exp.alias_(item.unalias().copy(), unique, quoted=True))
        seen.add(name)
    return tree


def _node(node: Any) -> Any:
    if isinstance(node, exp.Table):
        return _table(node)
    if isinstance(node, exp.Collate):
        return _inner(node.this)
    if isinstance(node, exp.Escape):
        # LIKE … ESCAPE: catalogue names hold no wildcard that would need it.
        return _inner(node.this)
    if isinstance(node, exp.Dot) and isinstance(node.expression, exp.Func):
        return _inner(node.expression)
    if isinstance(node, exp.Subquery) and _in_projection(node):
        # Comments, defaults and collations: DataFusion has no correlated subquery without an aggregate.
        return exp.Null()
    if isinstance(node, exp.Exists) and _in_projection(node):
        return exp.false()
    if isinstance(node, exp.Subquery) and isinstance(node.parent, exp.Connector | exp.Not | exp.Where):
        # A condition that is a query of its own, always about something that we have none of.
        return exp.Null()
    if isinstance(node, exp.Func) and any(_is_array_query(x) for x in node.iter_expressions()):
        return exp.Null()
    if _is_array_query(node):
        return exp.Null()
    if isinstance(node, exp.Cast):
        return _cast(node)
    return _function(node)


def _inner(node: Any) -> Any:
    # `transform` does not go into what replaced a node.
    return node.transform(_node)


def _is_array_query(node: Any) -> bool:
    """`ARRAY(SELECT …)`."""
    items: list[Any] = node.expressions if isinstance(node, exp.Array | exp.List) else []
    return any(isinstance(item, exp.Query) for item in items)


def _table(node: exp.Table) -> Any:
    if not node.db and node.name.lower() in RELATIONS and not isinstance(node.this, exp.Func):
        node.set("db", exp.to_identifier("pg_catalog"))
    return node


def _in_projection(node: Any) -> bool:
    child, parent = node, node.parent
    while parent is not None:
        if isinstance(parent, exp.Select):
            return bool(child.arg_key == "expressions")
        child, parent = parent, parent.parent
    return False


def _cast(node: exp.Cast) -> Any:
    kind = node.to.sql("postgres").lower()
    if kind == "regclass":
        literal = isinstance(node.this, exp.Literal | exp.Placeholder | exp.Parameter | exp.Cast)
        if literal:
            return exp.func("text_regclass", exp.cast(_inner(node.this), "text"))
        return exp.func("regclass_text", _inner(node.this))
    if kind in _INTEGERS:
        return exp.cast(_inner(node.this), "bigint")
    if kind in _TEXTS:
        return exp.cast(_inner(node.this), "text")
    return node


#: Functions that are constants here, by sqlglot's class or by name -> (name in PostgreSQL, value).
_CONSTANTS = {
    "CurrentSchema": ("current_schema", "public"),
    "CurrentCatalog": ("current_catalog", DATABASE),
    "CurrentDatabase": ("current_database", DATABASE),
    "CurrentUser": ("current_user", ROLE),
    "SessionUser": ("session_user", ROLE),
    "Version": ("version", VERSION),
    "CurrentVersion": ("version", VERSION),
    "current_database": ("current_database", DATABASE),
    "current_user": ("current_user", ROLE),
    "session_user": ("session_user", ROLE),
    "version": ("version", VERSION),
}


def _function(node: Any) -> Any:
    bare_name = isinstance(node, exp.Column) and not node.table
    known = isinstance(node, exp.Anonymous) or bare_name
    constant = _CONSTANTS.get(node.name.lower() if known else type(node).__name__)
    if constant is not None:
        literal = exp.Literal.string(constant[1])
        named = isinstance(node.parent, exp.Select) and node.arg_key == "expressions"
        return exp.alias_(literal, constant[0]) if named else literal
    if isinstance(node, exp.Anonymous):
        called = node.name.lower()
        count = _BY_ARGUMENTS.get(called)
        if count is not None and len(node.expressions) != count:
            arguments = [_inner(argument) for argument in node.expressions]
            return exp.Anonymous(this=f"{called}_{len(arguments)}", expressions=arguments)
    return node
