"""PostgreSQL's catalogue queries -> what DataFusion can run. Pure: no I/O.

DataFusion refuses two columns of one name in an answer, PostgreSQL does not: the second gets a suffix that
`plain_name` takes away again.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import sqlglot
from sqlglot import exp

from sqld.pgwire.catalogue.emptiness import empty_answer
from sqld.pgwire.catalogue.information_schema import INFORMATION_SCHEMA
from sqld.pgwire.catalogue.relations import DATABASE, RELATIONS, ROLE
from sqld.pgwire.settings import DEFAULTS
from sqld.pgwire.types import NAME_SUFFIX

__all__ = ["is_catalogue_query", "rewrite"]

_MENTIONS = re.compile(
    r"\bpg_\w+|\bcurrent_(?:schemas?|database|catalog|setting|user)\b|\bsession_user\b|::\s*(?:regclass|regtype|oid)\b"
    r"|\b(?:obj|col|shobj)_description\b|\bformat_type\b|\bset_config\b|\bhas_\w+_privilege\b|\bquote_ident\b|\bparse_ident\b"
    r"|\bversion\s*\(\s*\)|\bto_reg\w+\(|\binformation_schema\s*\.",
    re.I,
)

# What sqlglot does not read.
_BEFORE = (
    (re.compile(r"OPERATOR\s*\(\s*pg_catalog\.([^)\s]+)\s*\)", re.I), r"\1"),
    (re.compile(r"\bCOLLATE\s+(?:pg_catalog\.)?\"?default\"?", re.I), ""),
    (re.compile(r"\bpg_catalog\.(\w+)\s*\("), r"\1("),
    (re.compile(r"::\s*pg_catalog\."), "::"),
    (re.compile(r"\bpg_catalog\.\"char\"", re.I), "text"),
    (re.compile(r"::\s*(?:reg\w+|oid)\s*\[\s*\]", re.I), "::text[]"),
    (re.compile(r"\bAS\s+pg_catalog\.(\w+)\s*\)", re.I), r"AS \1)"),
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
    "has_any_column_privilege": 2,
    "has_schema_privilege": 2,
    "has_table_privilege": 2,
    "current_setting": 1,
    "pg_relation_size": 1,
    "pg_has_role": 2,
    "pg_get_ruledef": 1,
}
VERSION = "PostgreSQL 15.0 (Everlog)"
_INTEGERS = ("oid", "xid", "cid", "int2vector")
_TEXTS = ("regtype", "regproc", "regprocedure", "name", '"char"', "char", "regnamespace", "regrole")


def is_catalogue_query(sql: str) -> bool:
    """It asks about the server rather than about what the server knows."""
    return _MENTIONS.search(sql) is not None


def rewrite(sql: str, session: Mapping[str, str]) -> str:
    """A catalogue query in DataFusion's SQL. What sqlglot cannot read stays as it is: DataFusion says why not.

    `session`: the settings of who asks that are not as by default, and its `pid`.
    """
    for pattern, replacement in _BEFORE:
        sql = pattern.sub(replacement, sql)
    try:
        tree = sqlglot.parse_one(sql, read="postgres")
    except sqlglot.errors.SqlglotError:
        return sql
    for select in list(tree.find_all(exp.Select)):
        _spell_out_stars(select)
    tree = tree.transform(lambda node: _of_session(node, session))
    tree = _unique_names(tree.transform(_node))
    text: str = empty_answer(tree) or tree.sql("postgres", normalize_functions="lower")
    return text


def _spell_out_stars(select: exp.Select) -> None:
    """`t.*` of a catalogue table -> its columns: with one of them beside it, a name would come twice."""
    source = select.args.get("from_") or select.args.get("from")
    tables = [] if source is None else [source.this, *(join.this for join in select.args.get("joins") or [])]
    columns = {table.alias_or_name: _columns_of(table) for table in tables if isinstance(table, exp.Table)}
    items: list[Any] = []
    for item in select.expressions:
        if isinstance(item, exp.Star) and columns and None not in columns.values() and len(columns) == len(tables):
            # Names of tables that are the same are a fault that DataFusion tells.
            items += [exp.column(name, table=table) for table, names in columns.items() for name in names or ()]
            continue
        known = columns.get(item.table) if isinstance(item, exp.Column) and isinstance(item.this, exp.Star) else None
        if known is None:
            items.append(item)
        else:
            items += [exp.column(name, table=item.table) for name in known]
    if len(items) != len(select.expressions):
        select.set("expressions", items)


def _columns_of(table: exp.Table) -> list[str] | None:
    relation = _relations(table.db).get(table.name.lower())
    return None if relation is None else [name for name, _ in relation.pairs]


def _relations(schema: str) -> Mapping[str, Any]:
    if schema.lower() == "information_schema":
        return INFORMATION_SCHEMA
    return RELATIONS if schema.lower() in ("", "pg_catalog") else {}


def _unique_names(tree: Any) -> Any:
    if not isinstance(tree, exp.Select):
        return tree
    seen: set[str] = set()
    for item in list(tree.expressions):
        name = item.alias_or_name
        if name and name != "*" and name in seen:
            unique = f"{name}{NAME_SUFFIX}{len(seen)}"
            item.replace(exp.alias_(item.unalias().copy(), unique, quoted=True))
            name = unique
        seen.add(name)
    return tree


def _of_session(node: Any, session: Mapping[str, str]) -> Any:
    """What is another answer for each session."""
    if isinstance(node, exp.Placeholder | exp.Parameter | exp.Literal):
        return node
    if isinstance(node, exp.In) and _asks_search_path(node.args.get("query")):
        # Grafana takes it apart in SQL that DataFusion cannot plan.
        names = (session.get("session_authorization") or ROLE, "public")
        return exp.In(this=node.this.copy(), expressions=[exp.Literal.string(name) for name in names])
    literal = _session_value(node, session)
    if literal is None:
        return node
    named = isinstance(node.parent, exp.Select) and node.arg_key == "expressions"
    return exp.alias_(literal, _called(node)) if named else literal


def _called(node: Any) -> str:
    name: str = node.name.lower()
    return {"CurrentUser": "current_user", "SessionUser": "session_user"}.get(type(node).__name__, name)


def _session_value(node: Any, session: Mapping[str, str]) -> Any:
    user = session.get("session_authorization") or ROLE
    if isinstance(node, exp.CurrentUser | exp.SessionUser):
        return exp.Literal.string(user)
    if isinstance(node, exp.Column) and not node.table and not node.this.quoted:
        return exp.Literal.string(user) if node.name.lower() in ("current_user", "session_user", "user") else None
    if not isinstance(node, exp.Anonymous):
        return None
    called = node.name.lower()
    if called == "pg_backend_pid":
        return exp.Literal.number(int(session.get("pid", "0")))
    if called.startswith("current_setting") and node.expressions and isinstance(node.expressions[0], exp.Literal):
        name = node.expressions[0].name.lower()
        value = session.get(name, DEFAULTS.get(name))
        return exp.Null() if value is None else exp.Literal.string(value)
    return None


def _node(node: Any) -> Any:
    if isinstance(node, exp.Table):
        return _table(node)
    if isinstance(node, exp.EQ) and isinstance(node.this, exp.Tuple) and isinstance(node.expression, exp.Tuple):
        pairs = zip(node.this.expressions, node.expression.expressions, strict=False)
        return exp.and_(*(exp.EQ(this=_inner(left), expression=_inner(right)) for left, right in pairs))
    special = _bound_of_schemas(node) or _none_of(node)
    if special is not None:
        return special
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
    if isinstance(node, exp.Column) and node.name.lower() in ("tableoid", "xmin", "xmax", "ctid"):
        return exp.Literal.number(0)
    if isinstance(node, exp.Format):
        arguments = [_inner(argument) for argument in (node.this, *node.expressions)]
        return exp.Anonymous(this=f"format_{len(arguments)}", expressions=arguments)
    return _function(node)


def _inner(node: Any) -> Any:
    # `transform` does not go into what replaced a node.
    return node.transform(_node)


def _is_array_query(node: Any) -> bool:
    """`ARRAY(SELECT …)`."""
    items: list[Any] = node.expressions if isinstance(node, exp.Array | exp.List) else []
    return any(isinstance(item, exp.Query) for item in items)


def _bound_of_schemas(node: Any) -> Any:
    """`array_upper(current_schemas(…), 1)`: how far a series goes must be known when it is planned."""
    if not isinstance(node, exp.Anonymous) or node.name.lower() not in ("array_upper", "array_lower"):
        return None
    asked = node.find(exp.CurrentSchemas)
    if asked is None:
        return None
    implicit = any(x.this for x in asked.find_all(exp.Boolean))
    return exp.Literal.number(1 if node.name.lower() == "array_lower" or not implicit else 2)


def _none_of(node: Any) -> Any:
    """`kind = ANY ('{a,b}')`, and `word <> ALL ('{a,b}')`: sqlglot takes ALL for a function."""
    if isinstance(node, exp.EQ) and isinstance(node.expression, exp.Any):
        listed = node.expression.this.unnest()
        listed = listed.this if isinstance(listed, exp.Cast) else listed
        if isinstance(listed, exp.Literal) and listed.name.startswith("{"):
            return exp.In(this=_inner(node.this), expressions=_words(listed.name))
    if not (isinstance(node, exp.NEQ) and isinstance(node.expression, exp.Anonymous)):
        return None
    text = node.expression.find(exp.Literal)
    if node.expression.name.lower() != "all" or text is None:
        return None
    return exp.Not(this=exp.In(this=_inner(node.this), expressions=_words(text.name)))


def _words(array: str) -> list[Any]:
    return [exp.Literal.string(word.strip('"')) for word in array.strip("{}").split(",")]


def _asks_search_path(query: Any) -> bool:
    return query is not None and any(literal.name == "search_path" for literal in query.find_all(exp.Literal))


def _table(node: exp.Table) -> Any:
    if node.db.lower() == "information_schema" and node.name.lower() in INFORMATION_SCHEMA:
        alias = node.alias or node.name
        node.set("this", exp.to_identifier(f"information_schema_{node.name.lower()}"))
        node.set("db", exp.to_identifier("pg_catalog"))
        node.set("catalog", None)
        if not node.alias:
            node.set("alias", exp.TableAlias(this=exp.to_identifier(alias)))
        return node
    if isinstance(node.this, exp.Anonymous) and node.this.name.lower() == "pg_get_keywords":
        node.set("this", exp.to_identifier("pg_get_keywords"))
        node.set("db", exp.to_identifier("pg_catalog"))
        return node
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
        inner = node.this.unnest()
        if isinstance(inner, exp.Literal | exp.Placeholder | exp.Parameter | exp.Cast | exp.Format | exp.DPipe):
            return exp.func("text_regclass", exp.cast(_inner(node.this), "text"))
        return exp.func("regclass_text", _inner(node.this))
    if kind in _INTEGERS:
        return exp.cast(_inner(node.this), "bigint")
    if kind in ("regproc", "regprocedure") and isinstance(node.this, exp.Literal):
        return exp.Literal.string(node.this.name.removeprefix("pg_catalog."))
    if kind in _TEXTS:
        return exp.cast(_inner(node.this), "text")
    return node


#: Functions that are constants here, by sqlglot's class or by name -> (name in PostgreSQL, value).
_CONSTANTS = {
    "CurrentSchema": ("current_schema", "public"),
    "CurrentCatalog": ("current_catalog", DATABASE),
    "CurrentDatabase": ("current_database", DATABASE),
    "Version": ("version", VERSION),
    "CurrentVersion": ("version", VERSION),
    "current_database": ("current_database", DATABASE),
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
