"""Statements that are answered without the engine give what the engine would."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest

from shared.ids import encode_invocation_id
from shared.storage import keys
from shared.tables.columns import ColumnType
from shared.tables.registry import TABLES, VIEWS
from sqld.engine.failures import QueryFailure
from sqld.engine.lookups import Lookup, columns_of, lookup_of
from sqld.engine.queries import LookupQuery, PlannedQuery, Query
from sqld.engine.results import FORMATS
from tests.fakes.partition_store import EXAMPLES, fill_with_examples
from tests.sqld.in_process import EngineOn

ONE = encode_invocation_id(EXAMPLES["completed"])
#: Keeps a statement from being read as a look-up, and says nothing.
PLANNED = " -- planned"
BY_ID = [
    *(
        name
        for name, table in TABLES.items()
        if any((c.name, c.type) == ("id", ColumnType.TEXT) for c in table.columns) and name != "log"
    ),
    "sys_invocation",
]


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EngineOn]:
    found = EngineOn(tmp_path_factory.mktemp("lookups"))
    fill_with_examples(found.partitions)
    yield found
    found.close()


@pytest.mark.parametrize(
    ("sql", "lookup"),
    [
        ("select * from t where id = 'x'", Lookup("t", [("*", "*")], "id", "x", 0, None)),
        (" SELECT\n t.*\tFROM \"t\" WHERE t.id='' ; ", Lookup("t", [("*", "*")], "id", "", 0, None)),
        (
            'SELECT A, b AS B1, s."c" AS "d" FROM T AS s WHERE "id" = $1 LIMIT 10',
            Lookup("t", [("a", "a"), ("b", "b1"), ("c", "d")], "id", None, 1, 10),
        ),
    ],
)
def test_a_lookup_is_read_off_its_text(sql: str, lookup: Lookup) -> None:
    assert lookup_of(sql) == lookup


@pytest.mark.parametrize(
    "sql",
    [
        "select * from t where id = 'a' and id = 'b'",
        "select * from t where id = 'it''s'",
        "select * from t where id = e'\\n'",
        "select * from t where id = 'a' or true",
        "select * from t, u where id = 'a'",
        "select * from a.t where id = 'a'",
        "select * from t where id = 1",
        "select * from t where id <> 'a'",
        "select * from t where id = 'a' order by id",
        "select * from t where id = 'a' limit 1 offset 1",
        "select * from t where id = 'a'; select 1",
        "select distinct a from t where id = 'a'",
        "select count(*) from t where id = 'a'",
        "select a b from t where id = 'a'",
        "select u.a from t where id = 'a'",
        "select u.* from t where id = 'a'",
        "select a from t s where t.id = 'a'",
        "explain select * from t where id = 'a'",
        "select * from t where id = 'a" + 5000 * "a" + "'",
    ],
)
def test_what_is_not_plainly_a_lookup_is_planned(sql: str) -> None:
    assert lookup_of(sql) is None


def test_names_that_a_table_does_not_have_or_that_come_twice_are_the_engines() -> None:
    for items, found in (
        ([("*", "*")], [("a", "a"), ("b", "b")]),
        ([("b", "x"), ("b", "y")], [("b", "x"), ("b", "y")]),
        ([("a", "x"), ("b", "x")], None),
        ([("a", "a"), ("c", "c")], None),
        ([("*", "*"), ("a", "a")], None),
    ):
        assert columns_of(Lookup("t", items, "id", "", 0, None), ["a", "b"]) == found


def _body(query: Query, batches: list[pa.RecordBatch], kind: str) -> bytes:
    writer = FORMATS[kind]()
    begin = writer.begin(query.schema)
    pieces = [piece for batch in batches for piece in writer.batch(batch)]
    return b"".join((begin, *pieces, writer.end()))


@pytest.mark.parametrize("table", BY_ID)
def test_a_lookup_answers_as_the_engine_does(filled: EngineOn, table: str) -> None:
    names = [column.name for column in (VIEWS if table in VIEWS else TABLES)[table].columns]
    some = f"x.{names[-1]}, ID, x.{names[0]} AS First"
    found = 0
    for text in [*map(encode_invocation_id, EXAMPLES.values()), "dp_1one", "nothing"]:
        for sql in (
            f"SELECT * FROM {table} WHERE id = '{text}'",
            f"SELECT {some} FROM {table} AS x WHERE x.id = '{text}' LIMIT 1",
        ):
            looked_up, planned = filled.query(sql), filled.query(sql + PLANNED)
            assert isinstance(looked_up, LookupQuery)
            assert isinstance(planned, PlannedQuery)
            assert looked_up.schema == planned.schema
            batches, expected = list(looked_up.fetch(0)), list(planned.fetch(0))
            rows = [row for batch in batches for row in batch.to_pylist()]
            assert rows == [row for batch in expected for row in batch.to_pylist()], sql
            found += len(rows)
            for kind in ("json", "jsonl"):
                assert _body(looked_up, batches, kind) == _body(planned, expected, kind)
            stream = pa.ipc.open_stream(_body(looked_up, batches, "arrow"))
            assert stream.schema == planned.schema
            assert stream.read_all().to_pylist() == rows
    # What no program of this test's tells, or is known by another id, is in no row.
    assert found > 0 or table in ("sys_invocation_state", "sys_vqueues")


def test_a_parameter_may_be_the_id(filled: EngineOn) -> None:
    sql = "SELECT id, status FROM sys_invocation WHERE id = $1"
    assert isinstance(filled.query(sql, ONE), LookupQuery)
    assert filled.rows(sql, ONE) == [{"id": ONE, "status": "completed"}]
    assert filled.rows(sql, None) == filled.rows(sql + PLANNED, None) == []
    assert isinstance(filled.query("SELECT id FROM sys_invocation WHERE id = $2", "", ONE), LookupQuery)
    with pytest.raises(QueryFailure, match=r"Placeholder|No value found"):
        filled.rows("SELECT id FROM sys_invocation WHERE id = $2", ONE)


def test_a_lookup_reads_one_partition(filled: EngineOn) -> None:
    query = filled.query(f"SELECT * FROM sys_journal WHERE id = '{encode_invocation_id(EXAMPLES['running'])}'")
    assert sum(batch.num_rows for batch in query.fetch(0)) > 1
    (note,) = query.scope.scans
    assert len(note.partitions) == 1
    assert note.rows_read == note.rows_kept > 1


def test_more_rows_than_one_fetch_wants_come_with_the_next(filled: EngineOn) -> None:
    query = filled.query(f"SELECT index FROM sys_journal WHERE id = '{encode_invocation_id(EXAMPLES['running'])}'")
    first = [row for batch in query.fetch(1) for row in batch.to_pylist()]
    rest = [row for batch in query.fetch(0) for row in batch.to_pylist()]
    assert [row["index"] for row in first] == [0]
    assert [row["index"] for row in rest] == list(range(1, len(rest) + 1))


def test_a_lookup_ends_when_it_is_cancelled(filled: EngineOn) -> None:
    query = filled.query(f"SELECT * FROM sys_invocation WHERE id = '{ONE}'")
    filled.cancelled.set()
    try:
        with pytest.raises(QueryFailure, match="canceling statement"):
            list(query.fetch(0))
    finally:
        filled.cancelled.clear()


def test_an_unreadable_row_is_told(tmp_path: Path) -> None:
    engine = EngineOn(tmp_path)
    try:
        engine.write({keys.invocation_key(EXAMPLES["completed"]): b"\xc1"})
        with pytest.raises(QueryFailure, match="unreadable row"):
            engine.rows(f"SELECT * FROM sys_invocation WHERE id = '{ONE}'")
    finally:
        engine.close()
