"""What reaches a scan: keys, filters, columns and limits. Rows read are counted, since times are the machine's."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from shared.api.partition import InvocationState
from shared.ids import encode_invocation_id, key_partition_key, scope_partition_key, service_partition_key
from shared.storage import keys
from shared.storage.values import InvocationRow, JournalRow, LockRow, PromiseRow, Status, encode
from shared.wal.commands import HandlerKind, Target
from sqld.engine import scope as scope_module
from sqld.engine.context import new_context
from tests.fakes.partition_store import GREETER, T0, fill_with_examples, invocation_id
from tests.sqld.in_process import EngineOn

ONE = encode_invocation_id(invocation_id(service_partition_key("Greeter", 3), 1))


@pytest.fixture
def small(tmp_path: Path) -> Iterator[EngineOn]:
    found = EngineOn(tmp_path / "small")
    yield found
    found.close()


def _object(number: int) -> tuple[int, bytes, Target]:
    key = f"c{number}"
    place = key_partition_key(key)
    return place, invocation_id(place, number), Target("Counter", "add", key, HandlerKind.OBJECT_EXCLUSIVE)


def _fill(engine: EngineOn, count: int) -> None:
    """So many completed invocations of a service and of as many objects, with journals, locks, inboxes and state."""
    rows: dict[bytes, bytes] = {}
    for number in range(count):
        plain = invocation_id(service_partition_key("Greeter", number % 512), number)
        place, keyed, target = _object(number)
        for raw, of in ((plain, GREETER), (keyed, target)):
            row = InvocationRow(Status.COMPLETED, of, 1, 2, 2, T0 + number, T0 + number, 0, 0, result=b"1")
            rows[keys.invocation_key(raw)] = encode(row)
            for index in range(4):
                rows[keys.journal_key(raw, index)] = encode(JournalRow(0x0400, b"", T0))
        assert target.key is not None
        rows[keys.lock_key(place, "Counter", target.key)] = encode(LockRow(keyed, 1, 2))
        rows[keys.inbox_key(place, "Counter", target.key, 1)] = keyed
        for name in (b"a", b"b", b"c"):
            rows[keys.state_key(place, "Counter", target.key, name)] = b"1"
            rows[keys.promise_key(place, "Counter", target.key, name.decode())] = encode(PromiseRow(False, None, []))
    engine.write(rows)


def _lookups() -> dict[str, int]:
    """Look-ups and how many rows they may read, of however many."""
    plain = [encode_invocation_id(invocation_id(service_partition_key("Greeter", n), n)) for n in range(6)]
    keyed = encode_invocation_id(_object(3)[1])
    five, some = ", ".join(f"'{one}'" for one in plain[:5]), ", ".join(f"'{one}'" for one in plain[:3])
    one = plain[2]
    return {
        f"SELECT * FROM sys_invocation WHERE id = '{one}'": 1,
        f"SELECT id, status FROM sys_invocation WHERE '{one}' = id AND status = 'completed'": 1,
        f"SELECT * FROM sys_invocation_status WHERE id IN ({some})": 3,
        f"SELECT * FROM sys_invocation WHERE id IN ({five})": 5,
        f"SELECT * FROM sys_invocation WHERE id = ANY(ARRAY[{five}])": 5,
        f"SELECT id FROM sys_invocation WHERE id = '{one}' OR id = '{plain[3]}'": 2,
        f"SELECT * FROM sys_journal WHERE id = '{one}'": 4,
        f"SELECT * FROM sys_journal WHERE id = '{one}' AND index = 2": 1,
        f"SELECT * FROM sys_journal WHERE id = '{one}' AND index BETWEEN 1 AND 2": 2,
        f"SELECT * FROM sys_journal_events WHERE id = '{one}'": 0,
        f"SELECT * FROM sys_inbox WHERE id = '{keyed}'": 1,
        f"SELECT * FROM sys_keyed_service_status WHERE invocation_id = '{keyed}'": 1,
        "SELECT * FROM sys_keyed_service_status WHERE service_name = 'Counter' AND service_key = 'c3'": 1,
        "SELECT * FROM state WHERE service_key = 'c3'": 3,
        "SELECT value FROM state WHERE service_name = 'Counter' AND service_key = 'c3' AND key = 'b'": 1,
        "SELECT * FROM sys_promise WHERE service_name = 'Counter' AND service_key = 'c3' AND key = 'b'": 1,
        "SELECT * FROM sys_invocation WHERE target_service_key = 'c3' AND scope IS NULL": 1,
        f"SELECT * FROM sys_invocation_status WHERE partition_key = {key_partition_key('c3')}": 1,
        f"SELECT * FROM sys_invocation i JOIN sys_journal j ON i.id = j.id WHERE i.id = '{one}'": 5,
        f"SELECT i.id FROM sys_invocation i LEFT JOIN sys_inbox b ON i.id = b.id WHERE i.id = '{keyed}'": 2,
        f"WITH x AS (SELECT * FROM sys_invocation) SELECT * FROM x WHERE id = '{one}' LIMIT 1": 1,
        "SELECT * FROM sys_invocation LIMIT 7": 7,
        "SELECT id FROM sys_invocation WHERE id = 'no id'": 0,
    }


def test_rows_read_by_a_lookup_do_not_grow_with_the_table(tmp_path: Path) -> None:
    for count in (20, 600):
        engine = EngineOn(tmp_path / str(count))
        _fill(engine, count)
        for sql, limit in _lookups().items():
            assert engine.rows_read(sql) <= limit, (count, sql)
        one = f"SELECT count(*) AS n FROM sys_invocation WHERE id = '{ONE}'"
        assert engine.rows(one) == engine.rows(one.replace("sys_invocation", "sys_invocation_status"))
        assert engine.rows_read("SELECT id FROM sys_invocation WHERE id = $1", ONE) <= 1
        assert engine.rows_read("SELECT count(*) FROM sys_invocation") == 2 * count
        engine.close()


def test_explain_tells_what_was_pushed_down(small: EngineOn) -> None:
    _fill(small, 4)
    one = encode_invocation_id(_object(3)[1])
    for sql, lines in {
        f"SELECT id, status FROM sys_invocation WHERE id = '{one}' LIMIT 5": [
            r"sys_invocation: 1 key by id in 1 of 4 partitions \(\d at LSN 2\); 2 of 51 columns \(id, status\); "
            rf'filter \(id == "{one}"\); at most 5 rows'
        ],
        "SELECT count(*) FROM sys_invocation_status": [
            r"sys_invocation_status: all rows in 4 of 4 partitions \(0 at LSN 2, .*\); 0 of \d+ columns \(\); "
            r"no filter; no limit"
        ],
        "SELECT id FROM sys_invocation WHERE status = 'running' AND created_at > now() - interval '1 hour'": [
            r'sys_invocation: all rows .*; 1 of 51 columns \(id\); filter .*status == "running".*; no limit'
        ],
        "SELECT * FROM sys_inbox WHERE partition_key BETWEEN 5 AND 7": [
            r"sys_inbox: 2 keys or ranges by partition_key in 1 of 4 partitions \(0 at LSN \d\); .*"
        ],
        f"SELECT i.id FROM sys_invocation i JOIN sys_journal j ON i.id = j.id WHERE i.id = '{one}'": [
            r"sys_(invocation|journal): 1 key by id in 1 of 4 partitions .*",
            r"sys_(invocation|journal): 1 key by id in 1 of 4 partitions .*",
        ],
        "SELECT * FROM sys_service": [r"sys_service: the catalog; .*"],
        "SELECT 1": ["no table is read"],
    }.items():
        found = small.pushed_down(sql).split("\n")
        assert len(found) == len(lines), found
        for line, pattern in zip(found, lines, strict=True):
            assert re.fullmatch(pattern, line), (line, pattern)
    (analyzed,) = (r["plan"] for r in small.rows(f"EXPLAIN ANALYZE SELECT * FROM sys_journal WHERE id = '{one}'")[-1:])
    assert analyzed.endswith("4 rows read, 4 passed")


def _random_rows(source: random.Random) -> tuple[dict[bytes, bytes], list[InvocationState]]:
    rows: dict[bytes, bytes] = {}
    states = []
    for number in range(120):
        key = source.choice([None, "a", "b"])
        scope = source.choice([None, None, "s"])
        kind = HandlerKind.SERVICE if key is None else HandlerKind.OBJECT_EXCLUSIVE
        target = Target(source.choice(["One", "Two"]), "run", key, kind, scope)
        place = scope_partition_key(scope) if scope else key_partition_key(key) if key else source.getrandbits(64)
        raw = invocation_id(place, number)
        status = source.choice(list(Status))
        row = InvocationRow(status, target, 1, source.randrange(9), 1, T0 + source.randrange(9), T0, 0, 0)
        rows[keys.invocation_key(raw)] = encode(row)
        if status is not Status.COMPLETED and source.random() < 0.5:
            failure = ("[500] x", "RT0007", 2, "step", "Run")
            flying, retries = source.random() < 0.5, source.randrange(3)
            states.append(InvocationState(raw, flying, retries, T0, "dp_1one", "sdk/1", 0, *failure))
    return rows, states


def test_the_view_in_one_pass_is_the_view(small: EngineOn, monkeypatch: pytest.MonkeyPatch) -> None:
    """`sys_invocation` as its SQL says, a join, against the scan that makes it: random rows and running attempts."""
    seed = random.SystemRandom().randrange(1 << 32)
    print(f"seed {seed}")
    rows, states = _random_rows(random.Random(seed))
    small.write(rows)

    def told(sockets: list[Path], *, timeout_s: float) -> list[list[InvocationState]]:
        def of(name: str) -> list[InvocationState]:
            return [s for s in states if f"partitiond-{(int.from_bytes(s.id[:8], 'big') >> 62) % 2}" == name]

        return [of(path.stem) for path in sockets]

    monkeypatch.setattr(scope_module, "invocation_states", told)
    joined = new_context()
    small.engine.register_tables(joined)
    for sql in (
        "SELECT * FROM sys_invocation ORDER BY id",
        "SELECT id, status, retry_count FROM sys_invocation WHERE status = 'backing-off' ORDER BY id",
        "SELECT status, count(*) AS n FROM sys_invocation GROUP BY status ORDER BY status",
    ):
        by_join = small.engine.query(sql, [], small.cancelled, context=joined)
        expected = [row for batch in by_join.fetch(0) for row in batch.to_pylist()]
        assert small.rows(sql) == expected, sql
        assert small.query(sql).schema.types == by_join.schema.types
    assert {row["status"] for row in small.rows("SELECT status FROM sys_invocation")} >= {"running", "ready"}


_TERMS = (
    "target_service_name = 'One'",
    "target_service_key = 'a'",
    "target_service_key IS NULL",
    "target_service_key IN ('a', 'b')",
    "scope IS NULL",
    "scope = 's'",
    "status = 'completed'",
    "status IN ('paused', 'suspended', 'invoked', 'scheduled')",
    "journal_size > 4",
    f"created_at >= arrow_cast({T0 + 4}, 'Timestamp(Millisecond, Some(\"+00:00\"))')",
    f"partition_key = {key_partition_key('a')}",
    f"partition_key < {1 << 63}",
    "target LIKE 'One/%'",
)


def test_filters_give_what_they_give_without_a_pushdown(small: EngineOn) -> None:
    """Random conditions, and the same over a subquery that nothing is pushed into."""
    seed = random.SystemRandom().randrange(1 << 32)
    print(f"seed {seed}")
    source = random.Random(seed)
    small.write(_random_rows(source)[0])
    whole = "(SELECT *, row_number() OVER () AS all_rows FROM sys_invocation_status)"
    for _ in range(40):
        terms = [f"{source.choice(['', '', 'NOT '])}({term})" for term in source.sample(_TERMS, source.randrange(1, 4))]
        where = terms[0]
        for term in terms[1:]:
            where = f"({where} {source.choice(['AND', 'AND', 'OR'])} {term})"
        found = small.rows(f"SELECT id FROM sys_invocation_status WHERE {where} ORDER BY id")
        assert found == small.rows(f"SELECT id FROM {whole} WHERE {where} ORDER BY id"), where


def test_a_limit_reads_no_more_than_it_needs(small: EngineOn) -> None:
    _fill(small, 200)
    assert small.rows_read("SELECT id FROM sys_invocation LIMIT 3") == 3
    assert small.rows_read("SELECT id FROM sys_invocation LIMIT 150") == 150
    # Four times as many with each batch, for rows that do not pass.
    sql = "SELECT id FROM sys_invocation WHERE target_service_name = 'Counter' LIMIT 2"
    assert len(small.rows(sql)) == 2
    assert small.rows_read(sql) <= 400


def _ordered(source: random.Random) -> tuple[str, str]:
    """A query by some order, with a limit and without."""
    table, alias = source.choice([("sys_invocation", "sys_invocation"), ("sys_invocation_status i", "i")])
    column = source.choice(["created_at", "modified_at", "target", "target_service_key", "journal_size"])
    order = f"{alias}.{column} {source.choice(['', 'ASC', 'DESC'])} {source.choice(['', 'NULLS FIRST', 'NULLS LAST'])}"
    where = source.choice(["", "status = 'completed'", "target LIKE 'T%'", "status IN ('a', 'b', 'completed', 'c')"])
    sql = f"SELECT id, status AS s, {column} FROM {table} {'WHERE ' if where else ''}{where} ORDER BY {order}, id"
    limit, offset = source.choice([1, 3, 10, 500]), source.choice([0, 0, 5])
    return sql, f"{sql} LIMIT {limit} OFFSET {offset}"


def test_the_first_rows_by_an_order_are_those_of_all(small: EngineOn) -> None:
    seed = random.SystemRandom().randrange(1 << 32)
    source = random.Random(seed)
    rows, _ = _random_rows(source)
    small.write(rows)
    pushed = 0
    for _ in range(60):
        sql, limited = _ordered(source)
        limit, offset = int(limited.split()[-3]), int(limited.split()[-1])
        assert small.rows(limited) == small.rows(sql)[offset : offset + limit], (seed, limited)
        pushed += f"the first {limit + offset} by" in small.pushed_down(limited)
    assert pushed > 20


def test_few_rows_are_made_for_an_order_with_a_limit(small: EngineOn) -> None:
    _fill(small, 2000)
    query = small.query("SELECT * FROM sys_invocation ORDER BY created_at DESC LIMIT 10")
    assert [row["target_service_name"] for batch in query.fetch(0) for row in batch.to_pylist()]
    (scan,) = query.scope.scans
    assert scan.rows_read == 4000
    assert scan.rows_kept < 400


def test_orders_that_a_scan_knows_nothing_of(small: EngineOn) -> None:
    """Of a value that is made of the column, above a join, of one of two scans, of what is grouped."""
    for sql in (
        "SELECT date_trunc('day', created_at) AS created_at FROM sys_invocation ORDER BY created_at LIMIT 3",
        "SELECT i.id FROM sys_invocation i JOIN sys_journal j ON i.id = j.id ORDER BY i.created_at LIMIT 3",
        "SELECT count(*) AS n, created_at FROM sys_invocation GROUP BY created_at ORDER BY created_at LIMIT 3",
        "(SELECT id FROM sys_invocation ORDER BY created_at LIMIT 3) UNION ALL SELECT id FROM sys_invocation",
        "SELECT completion_retention FROM sys_invocation ORDER BY completion_retention LIMIT 3",
        "SELECT id, row_number() OVER (ORDER BY id) AS r FROM sys_invocation ORDER BY r LIMIT 3",
        "SELECT DISTINCT target FROM sys_invocation ORDER BY target LIMIT 3",
        "SELECT id FROM (SELECT id, created_at FROM sys_invocation LIMIT 9) ORDER BY created_at LIMIT 3",
    ):
        assert "the first" not in small.pushed_down(sql), sql


def test_examples_are_found_by_every_key(small: EngineOn) -> None:
    fill_with_examples(small.partitions)
    for table, columns in {
        "sys_inbox": ("id", "service_key"),
        "sys_keyed_service_status": ("invocation_id", "service_name"),
        "sys_promise": ("key", "service_key"),
        "state": ("key", "service_key"),
    }.items():
        for row in small.rows(f"SELECT * FROM {table}"):
            named = {name: value for name, value in row.items() if isinstance(value, str) and name in _NAMES}
            assert set(columns) <= set(named)
            where = " AND ".join(f"{name} = '{value}'" for name, value in named.items())
            assert _one(small, f"SELECT * FROM {table} WHERE {where}") == row
            for column in columns:
                assert row in small.rows(f"SELECT * FROM {table} WHERE {column} = '{named[column]}'")


_NAMES = ("id", "invocation_id", "key", "service_key", "service_name")


def _one(engine: EngineOn, sql: str) -> dict[str, Any]:
    (row,) = engine.rows(sql)
    return row
