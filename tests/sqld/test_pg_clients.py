"""The clients that people use: psql, psycopg 3, asyncpg and SQLAlchemy."""

from __future__ import annotations

import datetime
import decimal
import io
import subprocess
import threading
import time
from collections.abc import Iterator

import asyncpg
import psycopg
import pytest
import sqlalchemy
import uvloop

from shared.ids import encode_invocation_id
from tests.conftest import eventually
from tests.fakes.partition_store import COUNTER_KEY, EXAMPLES, T0
from tests.sqld.node import Node
from tests.sqld.test_query_api import LONG, RUNAWAY, cpu_s

pytestmark = pytest.mark.processes

RUNNING = encode_invocation_id(EXAMPLES["running"])
SUSPENDED = encode_invocation_id(EXAMPLES["suspended"])


def _psql(node: Node, *commands: str) -> str:
    arguments = [part for command in commands for part in ("-c", command)]
    done = subprocess.run(
        ["psql", "-X", "-A", "-t", *arguments], env=node.psql_environment(), capture_output=True, text=True, timeout=30
    )
    return done.stdout + done.stderr


def test_psql_selects(examples: Node) -> None:
    out = _psql(
        examples, f"SELECT status, target, created_at, completion_retention FROM sys_invocation WHERE id = '{RUNNING}'"
    )
    assert out == "running|Counter/c1/add|2026-09-21 14:13:20+00|24:00:00\n"


def test_psql_goes_on_after_an_error(examples: Node) -> None:
    out = _psql(examples, "SELECT 1", "selec", "SELECT * FROM nope", "INSERT INTO state VALUES (1)", "SELECT 2")
    lines = out.splitlines()
    assert lines[:2] == ["1", "2"]
    assert "LINE 1: selec" in out
    assert "table 'restate.public.nope' not found" in out
    assert "INSERT is refused: Everlog's SQL is read-only" in out


@pytest.mark.parametrize(
    ("command", "shown"),
    [
        (r"\dt", "public|sys_journal|table|everlog"),
        (r"\d", "public|sys_invocation|view|everlog"),
        (r"\d sys_invocation", "completion_retention|interval|"),
        (r"\d+ state", "the value, when it is UTF-8"),
        (r"\l", "everlog|everlog|UTF8"),
        (r"\dn", "public|everlog"),
        (r"\dv", "public|sys_invocation|view"),
        (r"\du", "everlog"),
        (r"\z", "public|state|table"),
        (r"\conninfo", 'database "everlog" as user "everlog"'),
        (r"\df", ""),
        (r"\di", ""),
        (r"\dT", ""),
        (r"\dx", ""),
        (r"\dTS+ time*", "timestamp with time zone"),
        (r"\dLS", "sql|"),
        (r"\db+", "pg_default"),
        (r"\dcS", "utf8_to_utf8"),
        (r"\dAo", ""),
        (r"\sv sys_invocation", "CREATE OR REPLACE VIEW public.sys_invocation"),
        (r"\d nope", 'Did not find any relation named "nope"'),
    ],
)
def test_psql_describes(examples: Node, command: str, shown: str) -> None:
    out = _psql(examples, command)
    assert shown in out
    assert "ERROR" not in out


@pytest.fixture
def pg(examples: Node) -> Iterator[psycopg.Connection]:
    with psycopg.connect(examples.dsn, autocommit=True) as connection:
        yield connection


@pytest.mark.parametrize("binary", [False, True])
def test_psycopg_reads_every_type(pg: psycopg.Connection, binary: bool) -> None:
    cursor = pg.cursor(binary=binary)
    cursor.execute(
        "SELECT partition_key, id, journal_size, created_at, completion_retention, scope, "
        "suspended_waiting_for_completions, suspended_waiting_for_signals "
        "FROM sys_invocation_status WHERE id = %s",
        (SUSPENDED,),
    )
    row = cursor.fetchone()
    assert row == (
        decimal.Decimal(int.from_bytes(EXAMPLES["suspended"][:8], "big")),
        SUSPENDED,
        1,
        datetime.datetime.fromtimestamp(T0 / 1000, datetime.UTC),
        datetime.timedelta(days=1),
        None,
        [1, 2],
        [17, 1],
    )
    cursor.execute("SELECT value, value_utf8 FROM state ORDER BY key")
    assert cursor.fetchall() == [(b"42", "42"), (b"\xff\x00", None)]
    cursor.execute(
        "SELECT true, false, 1.5::double, -2.5::real, date '2024-02-29', 12.340::decimal(10,3), -0.05::decimal(5,2), "
        "0::decimal(5,2), 123456789012.5::decimal(20,5), interval '1 month 2 days 3 seconds' - interval '5 seconds', "
        "'quo\"te', array['a', NULL, 'b c,\"\\'], array[1.5, 2], arrow_cast(7, 'Int16'), 5::int"
    )
    D = decimal.Decimal
    assert cursor.fetchone() == (
        *(
            True,
            False,
            1.5,
            -2.5,
            datetime.date(2024, 2, 29),
            D("12.340"),
            D("-0.05"),
            D("0.00"),
            D("123456789012.50000"),
        ),
        *(datetime.timedelta(days=32, seconds=-2), 'quo"te', ["a", None, 'b c,"\\'], [1.5, 2.0], 7, 5),
    )


@pytest.mark.parametrize("binary", [False, True])
def test_psycopg_gives_parameters(pg: psycopg.Connection, binary: bool) -> None:
    spec = "%b" if binary else "%s"
    find = (
        f"SELECT id FROM sys_invocation_status WHERE partition_key = {spec} AND journal_size > {spec} AND id <> {spec}"
    )
    assert pg.execute(find, (COUNTER_KEY, 3, "other")).fetchall() == [(RUNNING,)]
    assert pg.execute(find, (COUNTER_KEY, 3, "other"), prepare=True).fetchall() == [(RUNNING,)]
    since = datetime.datetime.fromtimestamp(T0 / 1000 - 1, datetime.UTC)
    count = pg.execute(f"SELECT count(*) FROM sys_invocation WHERE created_at > {spec}", (since,)).fetchone()
    assert count == (len(EXAMPLES),)
    found = pg.execute(f"SELECT id FROM sys_invocation WHERE id = ANY({spec})", ([RUNNING, "x"],)).fetchall()
    assert found == [(RUNNING,)]
    assert pg.execute(f"SELECT {spec}::text, {spec}::bigint", (None, -5)).fetchone() == (None, -5)
    assert len(pg.execute(f"SELECT id FROM sys_invocation LIMIT {spec}", (3,)).fetchall()) == 3


def test_psycopg_transactions(examples: Node) -> None:
    with psycopg.connect(examples.dsn) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)
        with pytest.raises(psycopg.errors.UndefinedTable):
            connection.execute("SELECT * FROM nope")
        with pytest.raises(psycopg.errors.InFailedSqlTransaction):
            connection.execute("SELECT 1")
        connection.rollback()
        assert connection.execute("SELECT 2").fetchone() == (2,)
        with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
            connection.execute("DELETE FROM state")


@pytest.mark.parametrize(
    ("sql", "error"),
    [
        ("selec", psycopg.errors.SyntaxError),
        ("SELECT nope FROM state", psycopg.errors.UndefinedColumn),
        ("SELECT nope(1)", psycopg.errors.UndefinedFunction),
        ("SELECT 1/0", psycopg.errors.DivisionByZero),
        ("SELECT cast('x' AS int)", psycopg.errors.InvalidTextRepresentation),
        ("COPY state TO STDOUT", psycopg.errors.ReadOnlySqlTransaction),
        ("CREATE TABLE x (a int)", psycopg.errors.ReadOnlySqlTransaction),
        ("SHOW nothing_known", psycopg.errors.UndefinedObject),
        ("SET client_encoding = 'LATIN1'", psycopg.errors.InvalidParameterValue),
    ],
)
def test_errors_have_their_sqlstate(pg: psycopg.Connection, sql: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        pg.execute(sql)
    assert pg.execute("SELECT 1").fetchone() == (1,)


def test_an_error_has_its_position(pg: psycopg.Connection) -> None:
    with pytest.raises(psycopg.errors.SyntaxError) as failed:
        pg.cursor().execute("SELECT 'ü';\nSELECT 1 2 3")
    assert failed.value.diag.statement_position == "22"


def test_settings_are_shown_and_set(pg: psycopg.Connection) -> None:
    assert pg.execute("SHOW standard_conforming_strings").fetchone() == ("on",)
    pg.execute("SET application_name TO 'a test'")
    assert pg.execute("SHOW application_name").fetchone() == ("a test",)
    assert pg.info.parameter_status("application_name") == "a test"
    assert pg.info.server_version == 150000


def test_a_pipeline_of_queries(pg: psycopg.Connection) -> None:
    with pg.pipeline():
        cursors = [pg.execute("SELECT %s::bigint", (number,)) for number in range(50)]
        assert [cursor.fetchone() for cursor in cursors] == [(number,) for number in range(50)]


def test_rows_are_streamed_to_psycopg(pg: psycopg.Connection) -> None:
    rows = pg.cursor().stream(LONG.format(100_000))
    assert sum(row[0] for row in rows) == 100_000 * 100_001 // 2


@pytest.mark.slow
def test_a_cancel_ends_the_query_and_the_session_goes_on(examples: Node) -> None:
    with psycopg.connect(examples.dsn, autocommit=True) as connection:
        timer = threading.Timer(0.5, connection.cancel)
        timer.start()
        began = time.monotonic()
        with pytest.raises(psycopg.errors.QueryCanceled):
            connection.execute(RUNAWAY)
        assert time.monotonic() - began < 3
        timer.join()
        assert connection.execute("SELECT 1").fetchone() == (1,)


@pytest.mark.slow
def test_who_goes_away_ends_the_query(node: Node) -> None:
    node.start()
    node.query("SELECT 1")
    (worker,) = node.workers()
    warm = cpu_s(worker)
    connection = psycopg.connect(node.dsn, autocommit=True)
    connection.pgconn.send_query(RUNAWAY.encode())
    connection.pgconn.flush()
    # Long past its planning: a query that is cancelled there ends by itself, and its process stays.
    eventually(lambda: cpu_s(worker) > warm + 0.3, what="the query runs")
    connection.close()
    eventually(lambda: worker not in node.workers(), what="the runaway query's process ends")


@pytest.mark.slow
def test_many_connections_at_once(examples: Node) -> None:
    connections = [psycopg.connect(examples.dsn, autocommit=True) for _ in range(100)]
    try:
        for connection in connections:
            connection.pgconn.send_query(b"SELECT count(*) FROM sys_invocation")
        for connection in connections:
            # Not get_result() at once: it would hold the interpreter, and with it the fake worker that is asked.
            eventually(lambda wire=connection.pgconn: not (wire.consume_input() or wire.is_busy()), what="an answer")
            result = connection.pgconn.get_result()
            assert result is not None
            assert result.get_value(0, 0) == str(len(EXAMPLES)).encode()
    finally:
        for connection in connections:
            connection.close()


def test_asyncpg_prepares_and_fetches(examples: Node) -> None:
    async def run() -> None:
        connection = await asyncpg.connect(
            host="127.0.0.1", port=examples.settings.sql_port, user="everlog", database="everlog", timeout=10
        )
        try:
            row = await connection.fetchrow(
                "SELECT id, retry_count, created_at FROM sys_invocation WHERE id = $1", RUNNING
            )
            assert (row["id"], row["retry_count"]) == (RUNNING, 1)
            assert row["created_at"].timestamp() == T0 / 1000
            rows = await connection.fetch(
                "SELECT id FROM sys_invocation_status WHERE partition_key = $1 AND journal_size >= $2 LIMIT $3",
                COUNTER_KEY,
                1,
                10,
            )
            assert [row["id"] for row in rows] == [RUNNING]
            assert await connection.fetchval("SELECT $1::bigint + 1", 41) == 42
            assert await connection.fetchval("SELECT count(*) FROM sys_invocation WHERE id = ANY($1)", [RUNNING]) == 1
            assert await connection.fetchval("SELECT value FROM state WHERE key = $1", "raw") == b"\xff\x00"
            async with connection.transaction():
                numbers = [row[0] async for row in connection.cursor(LONG.format(3000), prefetch=70)]
            assert numbers == list(range(1, 3001))
            with pytest.raises(asyncpg.UndefinedTableError):
                await connection.fetch("SELECT * FROM nope")
            assert await connection.fetchval("SELECT 1") == 1
        finally:
            await connection.close()

    uvloop.run(run())


@pytest.mark.parametrize("binary", [False, True])
def test_psycopg_gives_parameters_of_every_type(pg: psycopg.Connection, binary: bool) -> None:
    spec = "%b" if binary else "%s"
    day = datetime.timedelta(days=1)
    find = f"SELECT count(*) FROM sys_invocation_status WHERE id = {spec} AND completion_retention "
    assert pg.execute(f"{find} = {spec}", (SUSPENDED, day)).fetchone() == (1,)
    assert pg.execute(f"{find} > {spec}", (SUSPENDED, datetime.timedelta(hours=-3))).fetchone() == (1,)
    assert pg.execute(f"{find} < {spec}", (SUSPENDED, datetime.timedelta(days=2, microseconds=5))).fetchone() == (1,)
    assert pg.execute(f"SELECT key FROM state WHERE value = {spec}", (b"\xff\x00",)).fetchall() == [("raw",)]
    assert pg.execute(f"SELECT {spec}::boolean, {spec}::double", (True, 1.5)).fetchone() == (True, 1.5)
    since = datetime.datetime.fromtimestamp(T0 / 1000, datetime.UTC)
    assert pg.execute(
        f"SELECT {spec}::timestamptz - created_at FROM sys_invocation_status LIMIT 1", (since,)
    ).fetchone()
    assert pg.execute(f"SELECT {spec}::date", (datetime.date(2024, 2, 29),)).fetchone() == (datetime.date(2024, 2, 29),)
    numbers = [decimal.Decimal(COUNTER_KEY), decimal.Decimal(2**64 - 1)]
    found = pg.execute(f"SELECT id FROM sys_invocation_status WHERE partition_key = ANY({spec})", (numbers,)).fetchall()
    assert (RUNNING,) in found
    assert pg.execute(f"SELECT {spec}::bigint[]", ([1, None, 3],)).fetchone() == ([1, None, 3],)


def test_psycopg_has_cursors_on_the_server(examples: Node) -> None:
    with psycopg.connect(examples.dsn) as connection:
        with connection.cursor(name="a cursor") as cursor:
            cursor.execute(LONG.format(2000) + " WHERE x <= %s", (1000,))
            assert cursor.fetchone()[0] == 1  # type: ignore[index]
            assert [row[0] for row in cursor.fetchmany(3)] == [2, 3, 4]
            cursor.scroll(5)
            assert len(cursor.fetchall()) == 991
        with connection.cursor(name="binary", binary=True) as cursor:
            cursor.itersize = 100
            cursor.execute("SELECT x FROM generate_series(1, 250) t(x)")
            assert [row[0] for row in cursor] == list(range(1, 251))
        connection.commit()
        with connection.cursor(name="held", withhold=True) as cursor:
            cursor.execute("SELECT x FROM generate_series(1, 5) t(x)")
            connection.commit()
            assert [row[0] for row in cursor.fetchall()] == [1, 2, 3, 4, 5]


def test_a_pipeline_goes_on_after_its_failed_part(pg: psycopg.Connection) -> None:
    with pg.pipeline() as pipeline:
        first = pg.execute("SELECT 1")
        pipeline.sync()
        failed = pg.execute("SELECT nope")
        pg.execute("SELECT 2")
        with pytest.raises(psycopg.errors.UndefinedColumn):
            pipeline.sync()
        last = pg.execute("SELECT 3")
        pipeline.sync()
        assert (first.fetchone(), last.fetchone()) == ((1,), (3,))
    del failed


def test_an_error_points_at_the_name_that_is_wrong(pg: psycopg.Connection) -> None:
    with pytest.raises(psycopg.errors.UndefinedColumn) as failed:
        pg.execute("SELECT id, nope FROM sys_invocation")
    assert failed.value.diag.statement_position == "12"


def test_copy_is_refused_and_the_session_goes_on(examples: Node) -> None:
    async def run() -> None:
        connection = await asyncpg.connect(
            host="127.0.0.1", port=examples.settings.sql_port, user="everlog", database="everlog", timeout=10
        )
        try:
            with pytest.raises(asyncpg.ReadOnlySQLTransactionError, match="COPY is refused"):
                await connection.copy_from_query("SELECT 1", output=io.BytesIO())
            with pytest.raises(asyncpg.ReadOnlySQLTransactionError, match="COPY is refused"):
                await connection.copy_to_table("state", source=io.BytesIO(b"x"))
            statement = await connection.prepare("SELECT id, completion_retention FROM sys_invocation WHERE id = $1")
            assert [p.name for p in statement.get_parameters()] == ["text"]
            assert [a.type.name for a in statement.get_attributes()] == ["text", "interval"]
            assert (await statement.fetchrow(RUNNING))["completion_retention"] == datetime.timedelta(days=1)
            day = datetime.timedelta(days=1)
            find = "SELECT id FROM sys_invocation_status WHERE completion_retention = $1 AND partition_key = $2"
            assert RUNNING in [row["id"] for row in await connection.fetch(find, day, COUNTER_KEY)]
        finally:
            await connection.close()
        pool = await asyncpg.create_pool(
            host="127.0.0.1",
            port=examples.settings.sql_port,
            user="everlog",
            database="everlog",
            min_size=1,
            max_size=2,
        )
        async with pool:
            # Given back, a connection is reset by a query of its own.
            for _ in range(2):
                async with pool.acquire() as taken:
                    assert await taken.fetchval("SELECT 1") == 1

    uvloop.run(run())


def test_sqlalchemy_inspects_and_reads(examples: Node) -> None:
    engine = sqlalchemy.create_engine(f"postgresql+psycopg://everlog@127.0.0.1:{examples.settings.sql_port}/everlog")
    with engine.connect() as connection:
        _inspect(connection)
    engine.dispose()


def _inspect(connection: sqlalchemy.Connection) -> None:
    inspector = sqlalchemy.inspect(connection)
    assert "public" in inspector.get_schema_names()
    assert {"state", "sys_journal"} <= set(inspector.get_table_names())
    assert "sys_invocation" in inspector.get_view_names()
    columns = {column["name"]: column for column in inspector.get_columns("sys_invocation_status")}
    assert columns["partition_key"]["type"].as_generic().__class__ is sqlalchemy.Numeric
    assert isinstance(columns["created_at"]["type"], sqlalchemy.TIMESTAMP)
    assert isinstance(columns["suspended_waiting_for_signals"]["type"], sqlalchemy.ARRAY)
    assert columns["id"]["nullable"]
    assert inspector.get_pk_constraint("state")["constrained_columns"] == []
    assert inspector.get_indexes("state") == []
    assert inspector.get_foreign_keys("state") == []
    assert inspector.get_unique_constraints("state") == []
    assert inspector.get_check_constraints("state") == []
    assert inspector.get_table_comment("state")["text"]
    assert inspector.has_table("sys_invocation")
    assert not inspector.has_table("nope")
    assert inspector.get_view_definition("sys_invocation")
    table = sqlalchemy.Table("sys_invocation", sqlalchemy.MetaData(), autoload_with=connection)
    found = connection.execute(
        sqlalchemy.select(table.c.id, table.c.status).where(table.c.id.in_([RUNNING, "x"])).limit(5)
    )
    assert found.all() == [(RUNNING, "running")]
