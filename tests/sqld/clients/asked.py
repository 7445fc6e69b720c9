"""What clients ask the catalogue, told by their own sources (facts: names of tables, columns and functions).

Each is (name, query, parameters, column names or None for whatever, a row that must be among the answer's or None).
Parameters are text, of unknown type, as JDBC and node-postgres send them.

Beside those that this project names, a few of pgcli, Metabase, DataGrip and Npgsql, which ask in ways of their own.

Sources: PostgreSQL's describe.c (by psql itself, in `test_pg_clients.py`); pgjdbc's PgDatabaseMetaData and
TypeInfoCache; DBeaver's PostgreDataSource, PostgreDatabase, PostgreSchema, PostgreDataTypeCache; Grafana's
postgresMetaQuery.ts and macros.go; SQLAlchemy's inspector (run in `test_pg_clients.py`).
"""

from __future__ import annotations

from typing import Any, NamedTuple

__all__ = ["Asked"]


class Asked(NamedTuple):
    name: str
    query: str
    parameters: tuple[str, ...] = ()
    columns: tuple[str, ...] | None = None
    row: tuple[Any, ...] | None = None
