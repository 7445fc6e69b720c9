"""A query sees each partition at one applied LSN, no older than its beginning, in all its tables."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from shared.storage import keys
from shared.storage.values import InvocationRow, JournalRow, Status, encode
from tests.fakes.partition_store import GREETER, T0, invocation_id
from tests.sqld.in_process import EngineOn


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[EngineOn]:
    found = EngineOn(tmp_path, partitions=2)
    yield found
    found.close()


def _write(engine: EngineOn, partition: int, number: int) -> None:
    """An invocation and the one entry of its journal, in one batch."""
    raw = invocation_id(engine.partitions[partition].partition.start_key + number, number)
    row = InvocationRow(Status.INVOKED, GREETER, 1, 1, 1, T0, T0, 0, 0)
    engine.partitions[partition].write(
        {
            keys.invocation_key(raw): encode(row),
            keys.journal_key(raw, 0): encode(JournalRow(0x0400, b"", T0)),
        }
    )


def test_tables_of_one_query_show_one_state(engine: EngineOn) -> None:
    """While a writer writes: as many journals as invocations, however the tables meet, and the LSN that says so."""
    stop = threading.Event()
    written = [0, 0]

    def run() -> None:
        number = 0
        while not stop.is_set():
            number += 1
            _write(engine, number % 2, number)
            written[number % 2] += 1
            if number % 8 == 0:
                engine.partitions[number // 8 % 2].flush()
            stop.wait(0.0005)

    writer = threading.Thread(target=run)
    writer.start()
    counts = (
        "SELECT (SELECT count(*) FROM sys_invocation_status) AS a, (SELECT count(*) FROM sys_journal) AS b, "
        "(SELECT sum(applied_lsn) FROM everlog_read_lsns()) AS lsns"
    )
    orphans = (
        "SELECT count(*) AS a, 0 AS b, 0 AS lsns FROM sys_journal j FULL JOIN sys_invocation i ON i.id = j.id "
        "WHERE i.id IS NULL OR j.id IS NULL"
    )
    unions = (
        "SELECT sum(n) AS a, 0 AS b, 0 AS lsns FROM (SELECT count(*) AS n FROM sys_journal UNION ALL "
        "SELECT -count(*) FROM sys_invocation UNION ALL SELECT count(*) FROM sys_journal UNION ALL "
        "SELECT -count(*) FROM sys_invocation_status)"
    )
    try:
        seen = 0
        for _ in range(12):
            before = sum(written)
            (row,) = engine.rows(counts)
            # A first batch of each store has only its own row.
            assert row["a"] == row["b"] == row["lsns"] - 2
            assert row["a"] >= before, "a row that was written before the query is not seen"
            assert row["a"] >= seen
            seen = row["a"]
            assert engine.rows(orphans)[0]["a"] == 0
            assert engine.rows(unions)[0]["a"] == 0
    finally:
        stop.set()
        writer.join()
    assert seen > 0


def test_an_answer_that_is_read_slowly_keeps_its_state(engine: EngineOn) -> None:
    """Rows are deleted, flushed and compacted meanwhile, and other queries of the same process read newer states."""
    for number in range(400):
        _write(engine, number % 2, number)
    everything = "SELECT id FROM sys_invocation_status"
    slow = engine.query(everything)
    first = [batch.num_rows for batch in slow.fetch(10)]
    for fake in engine.partitions:
        for key in [k for k, _ in fake.rows() if k[:1] == keys.INVOCATION]:
            fake.delete(key)
        fake.compact()
    _write(engine, 0, 1000)
    assert len(engine.rows(everything)) == 1
    assert sum(first) + sum(batch.num_rows for batch in slow.fetch(0)) == 400
    assert len(engine.rows(everything)) == 1


def test_lsns_are_those_that_the_query_reads(engine: EngineOn) -> None:
    _write(engine, 0, 1)
    _write(engine, 0, 2)
    assert engine.rows("SELECT partition_id, applied_lsn FROM everlog_read_lsns() ORDER BY partition_id") == [
        {"partition_id": 0, "applied_lsn": 3},
        {"partition_id": 1, "applied_lsn": 1},
    ]
    slow = engine.query("SELECT applied_lsn, id FROM everlog_read_lsns() l, sys_invocation WHERE partition_id = 0")
    rows = [row for batch in slow.fetch(1) for row in batch.to_pylist()]
    _write(engine, 0, 3)
    rows += [row for batch in slow.fetch(0) for row in batch.to_pylist()]
    assert [row["applied_lsn"] for row in rows] == [3, 3]
    assert engine.rows("SELECT max(applied_lsn) AS lsn FROM everlog_read_lsns()") == [{"lsn": 4}]


def test_a_plan_that_scans_again_and_again_sees_the_same(engine: EngineOn) -> None:
    for number in range(5):
        _write(engine, 0, number)
    sql = (
        "WITH RECURSIVE r(n) AS (SELECT count(*) FROM sys_journal UNION ALL "
        "SELECT n + c.k FROM r CROSS JOIN (SELECT count(*) AS k FROM sys_journal) c WHERE n < 20) "
        "SELECT max(n) AS n FROM r"
    )
    assert engine.rows(sql) == [{"n": 20}]


def test_a_catch_up_is_left_out_when_nothing_was_written(engine: EngineOn) -> None:
    _write(engine, 0, 1)
    count = "SELECT count(*) AS n FROM sys_invocation"
    assert engine.rows(count) == [{"n": 1}]
    store = engine.engine._stores.store(0)
    generation = store.generation
    assert engine.rows(count) == [{"n": 1}]
    assert store.generation == generation
    _write(engine, 0, 2)
    assert engine.rows(count) == [{"n": 2}]
    engine.partitions[0].flush()
    _write(engine, 0, 3)
    assert engine.rows(count) == [{"n": 3}]
    assert store.generation > generation


def test_a_catch_up_beside_a_flush_misses_nothing(engine: EngineOn) -> None:
    """Three faults of RocksDB's secondaries, see `PartitionStore`: what was written, or even read, before was not seen
    beside flushes and compactions, or not by all tables."""
    fake, store = engine.partitions[0], engine.engine._stores.store(0)
    flush = threading.Event()
    over = threading.Event()

    def run() -> None:
        while not over.is_set():
            if flush.wait(0.05):
                flush.clear()
                fake.flush()

    flusher = threading.Thread(target=run)
    flusher.start()
    missed = []
    try:
        for number in range(150):
            _write(engine, 0, number)
            written = fake.applied_lsn
            if number % 3 == 0:
                flush.set()
            store.catch_up()
            snapshot = store.snapshot()
            assert snapshot is not None
            assert snapshot.meta is not None
            if snapshot.meta.applied_lsn != written:
                missed.append((number, written - snapshot.meta.applied_lsn))
    finally:
        over.set()
        flusher.join()
    assert not missed


def test_what_was_compacted_is_not_hidden_by_what_was_read_before(engine: EngineOn) -> None:
    """The last level has no sequence numbers: rows that a secondary kept of a deleted log seemed newer."""
    fake = engine.partitions[0]
    for number in range(3):
        _write(engine, 0, number)
        assert engine.rows("SELECT max(applied_lsn) AS lsn FROM everlog_read_lsns()") == [{"lsn": fake.applied_lsn}]
        _write(engine, 0, 100 + number)
        fake.compact()
        assert engine.rows("SELECT max(applied_lsn) AS lsn FROM everlog_read_lsns()") == [{"lsn": fake.applied_lsn}]
        assert engine.rows("SELECT count(*) AS n FROM sys_invocation") == [{"n": 2 * number + 2}]
