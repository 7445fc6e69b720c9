"""The catalogue queries of clients that are not at hand: JDBC, DBeaver, Grafana."""

from __future__ import annotations

import psycopg
import pytest

from sqld.pgwire.catalogue.rewrite import rewrite
from tests.sqld.clients.asked import Asked
from tests.sqld.clients.dbeaver import DBEAVER
from tests.sqld.clients.grafana import GRAFANA
from tests.sqld.clients.jdbc import JDBC
from tests.sqld.clients.others import OTHERS
from tests.sqld.node import Node

_ALL = [
    pytest.param(asked, id=f"{client}: {asked.name}")
    for client, queries in (("JDBC", JDBC), ("DBeaver", DBEAVER), ("Grafana", GRAFANA), ("other", OTHERS))
    for asked in queries
]


@pytest.mark.processes
@pytest.mark.parametrize("asked", _ALL)
def test_clients_are_answered(examples: Node, asked: Asked) -> None:
    """By the extended protocol, as JDBC asks: parameters are text without a type."""
    with psycopg.connect(examples.dsn, autocommit=True) as connection:
        values = [value.encode() for value in asked.parameters]
        result = connection.pgconn.exec_params(asked.query.encode(), values)
        assert not result.error_message, result.error_message.decode()
        columns = tuple((result.fname(i) or b"").decode() for i in range(result.nfields))
        rows = [
            tuple(None if (v := result.get_value(row, i)) is None else v.decode() for i in range(result.nfields))
            for row in range(result.ntuples)
        ]
    if asked.columns is not None:
        assert columns == asked.columns
    if asked.row is not None:
        assert asked.row in rows


def test_a_session_s_own_facts_are_in_its_query() -> None:
    sql = rewrite(
        "SELECT current_user, pg_backend_pid(), current_setting('timezone'), current_setting('a.b', true)",
        {"session_authorization": "o'hara", "pid": "7", "a.b": "x"},
    )
    assert sql == (
        "SELECT 'o''hara' AS current_user, 7 AS pg_backend_pid, 'UTC' AS current_setting, "
        "'x' AS \"current_setting\u200b#3\""
    )


def test_a_name_that_comes_twice_is_made_another_one() -> None:
    sql = rewrite("SELECT n.oid, n.*, n.oid FROM pg_namespace n", {})
    assert sql == (
        'SELECT n.oid, n.oid AS "oid\u200b#1", n.nspname, n.nspowner, n.nspacl, n.oid AS "oid\u200b#5" '
        "FROM pg_catalog.pg_namespace AS n"
    )
