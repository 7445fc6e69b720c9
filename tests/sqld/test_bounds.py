"""Queries that would hurt the node: each is refused or ended with a clear error, and the next one is answered."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import msgspec
import psycopg
import pytest

from shared.api.sql import QueryRequest
from shared.rpc.frames import encode_frame
from sqld.engine.failures import QueryFailure, failure_of
from tests.conftest import eventually
from tests.fakes.partition_store import fill_with_examples
from tests.sqld.in_process import EngineOn
from tests.sqld.node import Node, QueryFailedError
from tests.sqld.test_query_api import RUNAWAY

pytestmark = pytest.mark.processes

#: Planned by recursion.
_CHAIN = "SELECT 1" + " + 1" * 300
_IDS = ", ".join(f"'inv_{number}'" for number in range(5_000))

#: What is refused before it runs: statement -> SQLSTATE, and what the text must say.
REFUSED = {
    "CREATE TABLE x (a int)": ("25006", "CREATE is refused"),
    "CREATE EXTERNAL TABLE x STORED AS CSV LOCATION '/etc/passwd'": ("25006", "CREATE is refused"),
    "/* a comment */ -- another\n DROP TABLE state": ("25006", "DROP is refused"),
    "INSERT INTO state SELECT * FROM state": ("25006", "INSERT is refused"),
    "(DELETE FROM state)": ("25006", "DELETE is refused"),
    "WITH x AS (SELECT 1) INSERT INTO state SELECT * FROM x": ("25006|42601", "INSERT|COPY|DML"),
    "EXPLAIN ANALYZE INSERT INTO state SELECT * FROM state": ("25006", "DML|INSERT"),
    "EXPLAIN COPY (SELECT 1) TO '/tmp/x.csv'": ("25006|42601", "INSERT|COPY|DML"),
    "COPY (SELECT 1) TO '/tmp/x.csv'": ("25006", "COPY is refused"),
    "COPY state FROM '/etc/passwd'": ("25006", "COPY is refused"),
    "SELECT * FROM read_csv('/etc/passwd')": ("42501", "read_csv is refused: a query reads .* no files"),
    "SELECT * FROM read_parquet('/tmp/x.parquet')": ("42501", "read_parquet is refused"),
    "SELECT pg_read_file('/etc/passwd')": ("42501", "pg_read_file is refused"),
    "SELECT * FROM '/etc/passwd'": ("42501", "refused"),
    'SELECT * FROM "/tmp/x.parquet"': ("42501", "no files"),
    "SET datafusion.runtime.memory_limit = '100G'": ("25006", "SET is refused"),
    "SELECT 1; SELECT 2": ("42601", "single SQL statement|multiple"),
    "SELECT " + "(" * 3000 + "1" + ")" * 3000: ("54001", "[Rr]ecursion"),
    "SELECT 1" + " + 1" * 30_000: ("54001", "operators is over the limit"),
    "SELECT 1 -- " + "x" * (9 << 20): ("54001", "characters is over the limit"),
    "SELECT regexp_like('a', '((a{1000}){1000}){1000}')": ("2201B", "Regular expression"),
}


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    """One query at a time, little memory."""
    node = Node(
        tmp_path_factory.mktemp("small"),
        queries_at_once=1,
        query_wait_s=1.0,
        query_timeout_s=20.0,
        query_memory_bytes=48 << 20,
        query_spill_bytes=8 << 20,
    )
    try:
        fill_with_examples(node.partitions)
        node.start()
        _answers(node)
        yield node
    finally:
        node.close()


def _answers(node: Node) -> None:
    """A worker that was ended is replaced: on a busy machine that takes longer than a query may wait."""

    def answer() -> bool:
        try:
            return node.rows("SELECT 1 AS a") == [{"a": 1}]
        except QueryFailedError:
            return False

    eventually(answer, 20.0, what="the next query is answered")


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EngineOn]:
    found = EngineOn(tmp_path_factory.mktemp("engine"), partitions=1)
    yield found
    found.close()


@pytest.mark.parametrize("sql", REFUSED, ids=lambda sql: sql[:40])
def test_it_is_refused(engine: EngineOn, sql: str) -> None:
    sqlstate, text = REFUSED[sql]
    with pytest.raises(QueryFailure, match=text) as refused:
        engine.rows(sql)
    assert refused.value.sqlstate in sqlstate.split("|"), refused.value.message
    assert refused.value.status == 400


@pytest.mark.parametrize("sql", ["SET datafusion.runtime.memory_limit = '100G'", "RESET datafusion.catalog.location"])
def test_settings_of_the_engine_are_refused_over_the_wire(small: Node, sql: str) -> None:
    with psycopg.connect(small.dsn, autocommit=True) as client:
        with pytest.raises(psycopg.Error, match="refused") as refused:
            client.execute(sql)
        assert refused.value.sqlstate == "25006"
        assert client.execute("SET application_name = 'x'").statusmessage == "SET"


def test_what_is_only_large_is_answered(small: Node) -> None:
    _answers(small)
    assert small.rows(f"{_CHAIN} AS n") == [{"n": 301}]
    assert small.rows(f"SELECT count(*) AS n FROM sys_invocation WHERE id IN ({_IDS})") == [{"n": 0}]
    either = " OR ".join(f"id = 'inv_{number}'" for number in range(300))
    assert small.rows(f"SELECT count(*) AS n FROM sys_invocation WHERE {either}") == [{"n": 0}]
    assert small.rows("SELECT regexp_like(repeat('a', 100000), '(a+)+b') AS n") == [{"n": False}]


@pytest.mark.slow
@pytest.mark.parametrize(
    "sql",
    [
        RUNAWAY,
        "WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r) SELECT max(n) FROM r",
    ],
    ids=["cross join", "recursive"],
)
def test_it_is_ended_by_a_cancel(small: Node, sql: str) -> None:
    """As by the time-out, see test_query_api: both kill the process if it does not hear."""
    _answers(small)
    with psycopg.connect(small.dsn, autocommit=True) as client:
        cancel = threading.Timer(0.3, client.cancel)
        cancel.start()
        began = time.monotonic()
        with pytest.raises(psycopg.Error) as ended:
            client.execute(sql)  # type: ignore[call-overload]
        assert ended.value.sqlstate == "57014"
        assert time.monotonic() - began < 10.0
        cancel.join()
    _answers(small)


@pytest.mark.slow
@pytest.mark.parametrize(
    "sql",
    [
        "SELECT length(repeat('x', 2000000000)) AS n",
        "SELECT * FROM (SELECT x, repeat('y', 2000) AS y FROM generate_series(1, 60000) a(x)) ORDER BY x DESC",
        "SELECT x, repeat('y', 200000000) AS y FROM generate_series(1, 3) a(x)",
    ],
    ids=["one value", "sort", "wide rows"],
)
def test_it_gets_no_more_memory_than_it_may(small: Node, sql: str) -> None:
    """Refused by DataFusion, by the limit of a row, or ended from beside. Not by the time: that would prove nothing."""
    _answers(small)
    with psycopg.connect(small.dsn, autocommit=True) as client:
        with pytest.raises(psycopg.Error) as ended:
            client.execute(sql)  # type: ignore[call-overload]
        assert ended.value.sqlstate in ("53200", "53100", "54000"), str(ended.value)
    _answers(small)


@pytest.mark.slow
def test_too_many_at_once_are_told_so(small: Node) -> None:
    def over_http() -> int:
        with pytest.raises(QueryFailedError, match="too many queries at once") as refused:
            small.query("SELECT 1")
        return refused.value.status

    with (
        small.connect() as busy,
        psycopg.connect(small.dsn, autocommit=True) as client,
        ThreadPoolExecutor(1) as pool,
    ):
        busy.sendall(encode_frame(msgspec.msgpack.encode(QueryRequest(7, RUNAWAY, "json"))))
        status = pool.submit(over_http)
        with pytest.raises(psycopg.Error, match=r"1 run \(queries_at_once\)") as refused:
            client.execute("SELECT 1")
        assert refused.value.sqlstate == "53300"
        assert status.result(10) == 429
    _answers(small)


def test_a_file_is_told_apart_from_a_function_that_is_not_there() -> None:
    text = "Error during planning: table function 'read_csv' not found"
    assert failure_of(text).sqlstate == "42501"
    assert failure_of("Error during planning: table function 'other' not found").sqlstate == "42883"
    assert failure_of("Error during planning: table 'restate.public.csv' not found").sqlstate == "42P01"


def test_a_spill_leaves_nothing_behind(small: Node) -> None:
    """A sort that is larger than the memory and smaller than what may be spilled."""
    assert small.rows("SELECT count(*) AS n FROM (SELECT DISTINCT x FROM generate_series(1, 100000) a(x))") == [
        {"n": 100_000}
    ]
    spill = small.data / "sqld" / "spill"
    assert not [path for path in spill.rglob("*") if path.is_file()]
