"""The functions that catalogue queries call. Runs in the query worker."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pyarrow as pa
from datafusion import SessionContext, udf

from sqld.pgwire.catalogue.relations import DATABASE, RELATIONS, ROLE, relation_oids, users
from sqld.pgwire.settings import SessionSettings
from sqld.pgwire.types import TYPES, Oid

__all__ = ["register_functions"]

_KINDS = {"i": pa.int64(), "t": pa.string(), "b": pa.bool_(), "T": pa.list_(pa.string())}


def _format_type(oid: int | None, modifier: int | None) -> str | None:
    if oid is None:
        return None
    return TYPES[Oid(oid)].title if oid in set(Oid) else "???"


def _encoding(number: int | None) -> str:
    return "UTF8"


_NAMES = {oid: name for name, oid in relation_oids().items()}
_VIEWS = {user.oid: user.sql for user in users() if user.kind == "v"}
_COMMENTS: dict[tuple[int, int], str] = {(row[0], row[2]): row[3] for row in RELATIONS["pg_description"].rows()}


def _oid_of(text: str | None) -> int | None:
    if text is None:
        return None
    return int(text) if text.isdigit() else relation_oids().get(text.split(".")[-1].strip('"'))


#: By pg_type's names and by SQL's.
_TYPES = {name: int(oid) for oid, kind in TYPES.items() for name in (kind.title, kind.name)}


def _type_of(text: str | None) -> int | None:
    if text is None:
        return None
    name = text.strip().lower().removeprefix("pg_catalog.").strip('"')
    return _TYPES.get(name) or (_TYPES.get(f"_{name[:-2]}") if name.endswith("[]") else None)


def _setting(name: str | None) -> str | None:
    return SessionSettings({}).show(name or "")


_PLAIN = re.compile(r"[a-z_][a-z0-9_]*")
_PART = re.compile(r'\s*(?:"((?:[^"]|"")+)"|([^".\s]+))\s*(?:\.|$)')
#: Those of PostgreSQL's reserved words that somebody may name a column.
_RESERVED = frozenset(
    ("all", "any", "case", "desc", "end", "from", "group", "limit", "order", "select", "table", "user")
)


def _quote_ident(name: str | None) -> str | None:
    if name is None or (_PLAIN.fullmatch(name) and name not in _RESERVED):
        return name
    return '"' + name.replace('"', '""') + '"'


def _format(pattern: str | None, *values: str | None) -> str | None:
    """`format('%I.%s', …)`."""
    if pattern is None:
        return None
    left = iter(values)

    def put(match: re.Match[str]) -> str:
        if match[1] == "%":
            return "%"
        value = next(left, None)
        if match[1] == "I":
            return _quote_ident(value) or ""
        if match[1] == "L":
            return "NULL" if value is None else "'" + value.replace("'", "''") + "'"
        return value or ""

    return re.sub(r"%([sIL%])", put, pattern)


def _parse_ident(text: str | None) -> list[str] | None:
    if text is None:
        return None
    parts, at = [], 0
    while at < len(text):
        match = _PART.match(text, at)
        if match is None:
            return None
        parts.append(match[2].lower() if match[1] is None else match[1].replace('""', '"'))
        at = match.end()
    return parts


def _reads(privilege: str | None) -> bool:
    return privilege is None or "SELECT" in privilege.upper()


def _none(*_: Any) -> None:
    return None


#: (name, types of arguments and result, function). A number at the end of a name is its count of arguments.
_FUNCTIONS: list[tuple[str, str, Callable[..., Any]]] = [
    ("format_type", "ii>t", _format_type),
    ("pg_get_userbyid", "i>t", lambda oid: ROLE),
    ("pg_table_is_visible", "i>b", lambda oid: True),
    ("pg_type_is_visible", "i>b", lambda oid: True),
    ("pg_function_is_visible", "i>b", lambda oid: True),
    ("pg_relation_is_publishable", "i>b", lambda oid: False),
    ("pg_encoding_to_char", "i>t", _encoding),
    ("pg_get_expr", "ti>t", _none),
    ("pg_get_expr_3", "tib>t", _none),
    ("pg_get_viewdef", "i>t", _VIEWS.get),
    ("pg_get_viewdef_2", "ib>t", lambda oid, pretty: _VIEWS.get(oid)),
    ("pg_get_constraintdef", "i>t", _none),
    ("pg_get_constraintdef_2", "ib>t", _none),
    ("pg_get_indexdef", "i>t", _none),
    ("pg_get_indexdef_3", "iib>t", _none),
    ("pg_get_triggerdef", "i>t", _none),
    ("pg_get_triggerdef_2", "ib>t", _none),
    ("pg_get_partkeydef", "i>t", _none),
    ("pg_get_statisticsobjdef_columns", "i>t", _none),
    ("pg_get_function_result", "i>t", _none),
    ("pg_get_function_arguments", "i>t", _none),
    ("pg_get_function_identity_arguments", "i>t", _none),
    ("pg_get_serial_sequence", "tt>t", _none),
    ("obj_description", "it>t", lambda oid, catalog: _COMMENTS.get((oid, 0))),
    ("obj_description_1", "i>t", lambda oid: _COMMENTS.get((oid, 0))),
    ("shobj_description", "it>t", _none),
    ("col_description", "ii>t", lambda oid, number: _COMMENTS.get((oid, number))),
    ("regclass_text", "i>t", lambda oid: _NAMES.get(oid)),
    ("text_regclass", "t>i", _oid_of),
    ("to_regclass", "t>i", _oid_of),
    ("to_regtype", "t>i", _type_of),
    ("has_schema_privilege", "tt>b", lambda schema, privilege: True),
    ("has_schema_privilege_3", "ttt>b", lambda role, schema, privilege: True),
    ("has_table_privilege", "tt>b", lambda table, privilege: _reads(privilege)),
    ("has_table_privilege_3", "ttt>b", lambda role, table, privilege: _reads(privilege)),
    ("has_database_privilege", "tt>b", lambda database, privilege: True),
    ("pg_tablespace_location", "i>t", _none),
    ("pg_table_size", "i>i", lambda oid: 0),
    ("pg_relation_size", "i>i", lambda oid: 0),
    ("pg_total_relation_size", "i>i", lambda oid: 0),
    ("pg_database_size", "t>i", lambda name: 0),
    ("pg_size_pretty", "i>t", lambda size: f"{size} bytes"),
    ("current_setting", "t>t", _setting),
    ("current_setting_2", "tb>t", lambda name, missing_ok: _setting(name)),
    ("set_config", "ttb>t", lambda name, value, local: value),
    ("current_database", ">t", lambda: DATABASE),
    ("pg_backend_pid", ">i", lambda: 0),
    ("pg_is_in_recovery", ">b", lambda: False),
    ("pg_my_temp_schema", ">i", lambda: 0),
    ("pg_is_other_temp_schema", "i>b", lambda oid: False),
    ("quote_ident", "t>t", _quote_ident),
    ("parse_ident", "t>T", _parse_ident),
    ("current_schemas", "b>T", lambda implicit: ["pg_catalog", "public"] if implicit else ["public"]),
    ("pg_advisory_unlock_all", ">t", lambda: ""),
    ("pg_postmaster_start_time", ">t", _none),
    ("pg_conf_load_time", ">t", _none),
    ("pg_is_wal_replay_paused", ">b", lambda: False),
    ("pg_stat_get_numscans", "i>i", lambda oid: 0),
    ("pg_cancel_backend", "i>b", lambda pid: False),
    ("pg_terminate_backend", "i>b", lambda pid: False),
    ("pg_indexes_size", "i>i", lambda oid: 0),
    ("pg_relation_filenode", "i>i", _none),
    ("pg_get_function_arg_default", "ii>t", _none),
    ("pg_get_functiondef", "i>t", _none),
    ("pg_get_ruledef", "i>t", _none),
    ("pg_get_ruledef_2", "ib>t", _none),
    *(
        (f"pg_{kind}_is_visible", "i>b", lambda oid: True)
        for kind in (
            *("collation", "conversion", "operator", "opclass", "opfamily", "statistics_obj", "ts_config"),
            *("ts_dict", "ts_parser", "ts_template"),
        )
    ),
    ("pg_tablespace_size", "i>i", lambda oid: 0),
    ("has_column_privilege", "ttt>b", lambda table, column, privilege: _reads(privilege)),
    ("has_any_column_privilege", "tt>b", lambda table, privilege: _reads(privilege)),
    ("has_any_column_privilege_3", "ttt>b", lambda role, table, privilege: _reads(privilege)),
    *((f"format_{count}", f"{'t' * count}>t", _format) for count in range(1, 6)),
    ("age", "i>i", lambda transaction: 0),
    ("has_function_privilege", "tt>b", lambda function, privilege: True),
    ("has_sequence_privilege", "tt>b", lambda sequence, privilege: False),
    ("has_tablespace_privilege", "tt>b", lambda space, privilege: False),
    ("pg_has_role", "tt>b", lambda role, privilege: True),
    ("pg_has_role_3", "ttt>b", lambda user, role, privilege: True),
    ("inet_server_addr", ">t", _none),
    ("inet_server_port", ">i", _none),
    ("inet_client_addr", ">t", _none),
    ("inet_client_port", ">i", _none),
    ("txid_current", ">i", lambda: 1),
]


def register_functions(context: SessionContext) -> None:
    """Make them known to a session."""
    for name, signature, function in _FUNCTIONS:
        arguments, _, result = signature.partition(">")
        context.register_udf(
            udf(
                _vectorised(function, _KINDS[result]),
                [_KINDS[a] for a in arguments],
                _KINDS[result],
                "stable",
                name=name,
            )
        )


def _vectorised(function: Callable[..., Any], result: pa.DataType) -> Callable[..., pa.Array]:
    def call(*arguments: Any) -> pa.Array:
        # A constant comes as a scalar. Without an argument nobody says how many rows: one is repeated.
        rows = max((len(a) for a in arguments if isinstance(a, pa.Array)), default=1)
        columns = [a.to_pylist() if isinstance(a, pa.Array) else [a.as_py()] * rows for a in arguments]
        values = [function(*row) for row in zip(*columns, strict=True)] if columns else [function()]
        return pa.array(values, result)

    return call
