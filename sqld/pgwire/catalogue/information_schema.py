"""The rows of information_schema's tables, as PostgreSQL 15 has them. Pure: no I/O.

For PostgreSQL clients alone: `POST /query` shows DataFusion's, as Restate does.
"""

from __future__ import annotations

from typing import Any

from sqld.pgwire.catalogue.relations import DATABASE, ROLE, Relation, users
from sqld.pgwire.types import ARRAYS, TYPES, Oid, oid_of_column

__all__ = ["INFORMATION_SCHEMA"]

_SCHEMAS = ("information_schema", "pg_catalog", "public")
#: Bits of the numbers, and the precision of times.
_PRECISION = {Oid.INT2: 16, Oid.INT4: 32, Oid.INT8: 64}
_TIMES = (Oid.TIMESTAMPTZ, Oid.TIMESTAMP, Oid.INTERVAL, Oid.TIME)


def _tables() -> list[tuple[Any, ...]]:
    return [
        (
            *(DATABASE, "public", user.name, "VIEW" if user.kind == "v" else "BASE TABLE"),
            *(None, None, None, None, None, "NO", "NO", None),
        )
        for user in users()
    ]


def _columns() -> list[tuple[Any, ...]]:
    rows: list[tuple[Any, ...]] = []
    for user in users():
        for number, column in enumerate(user.columns, 1):
            oid = oid_of_column(column.type.value)
            bits = _PRECISION.get(oid)
            times = 6 if oid in _TIMES else None
            title = "ARRAY" if oid in ARRAYS else TYPES[oid].title
            rows.append(
                (
                    *(DATABASE, "public", user.name, column.name, number, None, "YES", title, None),
                    *(1073741824 if oid == Oid.TEXT else None, bits, 2 if bits else None, 0 if bits else None, times),
                    *(
                        None,
                        None,
                        DATABASE,
                        "pg_catalog",
                        TYPES[oid].name,
                        None,
                        str(number),
                        "NO",
                        "NO",
                        "NEVER",
                        "NO",
                    ),
                )
            )
    return rows


INFORMATION_SCHEMA: dict[str, Relation] = {
    "schemata": Relation(
        "catalog_name:t schema_name:t schema_owner:t default_character_set_catalog:t default_character_set_schema:t "
        "default_character_set_name:t sql_path:t",
        lambda: [(DATABASE, name, ROLE, None, None, None, None) for name in _SCHEMAS],
    ),
    "tables": Relation(
        "table_catalog:t table_schema:t table_name:t table_type:t self_referencing_column_name:t "
        "reference_generation:t user_defined_type_catalog:t user_defined_type_schema:t user_defined_type_name:t "
        "is_insertable_into:t is_typed:t commit_action:t",
        _tables,
    ),
    "columns": Relation(
        "table_catalog:t table_schema:t table_name:t column_name:t ordinal_position:i column_default:t is_nullable:t "
        "data_type:t character_maximum_length:i character_octet_length:i numeric_precision:i numeric_precision_radix:i "
        "numeric_scale:i datetime_precision:i interval_type:t collation_name:t udt_catalog:t udt_schema:t udt_name:t "
        "domain_name:t dtd_identifier:t is_self_referencing:t is_identity:t is_generated:t is_updatable:t",
        _columns,
    ),
    "views": Relation(
        "table_catalog:t table_schema:t table_name:t view_definition:t check_option:t is_updatable:t "
        "is_insertable_into:t",
        lambda: [(DATABASE, "public", user.name, user.sql, "NONE", "NO", "NO") for user in users() if user.kind == "v"],
    ),
    "information_schema_catalog_name": Relation("catalog_name:t", lambda: [(DATABASE,)]),
    "enabled_roles": Relation("role_name:t", lambda: [(ROLE,)]),
    "applicable_roles": Relation("grantee:t role_name:t is_grantable:t", list),
}

_KEYS = "constraint_catalog:t constraint_schema:t constraint_name:t "
_TABLE = "table_catalog:t table_schema:t table_name:t "
_EMPTY = {
    "table_constraints": _KEYS + _TABLE + "constraint_type:t is_deferrable:t initially_deferred:t enforced:t",
    "key_column_usage": _KEYS + _TABLE + "column_name:t ordinal_position:i position_in_unique_constraint:i",
    "constraint_column_usage": _TABLE + "column_name:t " + _KEYS,
    "referential_constraints": _KEYS + "unique_constraint_catalog:t unique_constraint_schema:t "
    "unique_constraint_name:t match_option:t update_rule:t delete_rule:t",
    "check_constraints": _KEYS + "check_clause:t",
    "routines": "specific_catalog:t specific_schema:t specific_name:t routine_catalog:t routine_schema:t "
    "routine_name:t routine_type:t data_type:t routine_definition:t external_language:t",
    "parameters": "specific_catalog:t specific_schema:t specific_name:t ordinal_position:i parameter_mode:t "
    "parameter_name:t data_type:t udt_name:t",
    "sequences": "sequence_catalog:t sequence_schema:t sequence_name:t data_type:t start_value:t increment:t",
    "triggers": "trigger_catalog:t trigger_schema:t trigger_name:t event_manipulation:t event_object_schema:t "
    "event_object_table:t action_statement:t action_timing:t",
    "domains": "domain_catalog:t domain_schema:t domain_name:t data_type:t",
    "element_types": "object_catalog:t object_schema:t object_name:t object_type:t collection_type_identifier:t "
    "data_type:t",
    "table_privileges": "grantor:t grantee:t " + _TABLE + "privilege_type:t is_grantable:t with_hierarchy:t",
    "column_privileges": "grantor:t grantee:t " + _TABLE + "column_name:t privilege_type:t is_grantable:t",
    "foreign_tables": "foreign_table_catalog:t foreign_table_schema:t foreign_table_name:t",
    "view_table_usage": "view_catalog:t view_schema:t view_name:t " + _TABLE,
}
INFORMATION_SCHEMA |= {name: Relation(columns, list) for name, columns in _EMPTY.items()}
