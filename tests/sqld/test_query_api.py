"""Queries over the socket that metad uses: what they see, and what happens when something is away or killed."""

from __future__ import annotations

import io
import os
import shutil
import signal
import socket
import time
from pathlib import Path

import msgspec
import psycopg
import pyarrow as pa
import pytest

from shared.api.sql import QueryChunk, QueryEnd, QueryRequest, SqlReply
from shared.catalog.partitions import even_partitions
from shared.ids import encode_invocation_id
from shared.rpc.frames import FrameReader, encode_frame
from shared.storage import keys
from shared.storage.values import InvocationRow, Status, encode
from shared.tables.registry import TABLES, VIEWS
from tests.conftest import eventually
from tests.fakes.meta_push import example_catalog
from tests.fakes.partition_store import (
    COUNTER_KEY,
    EXAMPLES,
    GREETER,
    FakePartition,
    fill_with_examples,
    invocation_id,
)
from tests.sqld.node import Node, QueryFailedError, cancel, read_answer

pytestmark = pytest.mark.processes

#: Runs until it is killed: a nested-loop join that gives no row.
RUNAWAY = (
    "SELECT count(*) FROM generate_series(1, 1000000) a(x), generate_series(1, 1000000) b(y) "
    "WHERE x * y % 7919 = 7918.5"
)
#: A row a million times.
LONG = "SELECT x, 'some text to make it wide, and more, and more' AS t FROM generate_series(1, {}) s(x)"


def _text_id(name: str) -> str:
    return encode_invocation_id(EXAMPLES[name])


def test_every_status_is_shown(examples: Node) -> None:
    shown = {row["id"]: row["status"] for row in examples.rows("SELECT id, status FROM sys_invocation")}
    names = {"failed": "completed", "inboxed": "pending"}
    assert shown == {_text_id(name): names.get(name, name) for name in EXAMPLES}


@pytest.mark.parametrize("table", sorted(TABLES.keys() | VIEWS.keys()))
def test_every_table_has_rows_of_its_columns(examples: Node, table: str) -> None:
    known = {column.name for column in (TABLES[table] if table in TABLES else VIEWS[table]).columns}
    rows = examples.rows(f"SELECT * FROM restate.public.{table}")
    assert rows
    assert {name for row in rows for name in row} <= known
    assert examples.rows(f"SELECT count(*) AS n FROM {table}") == [{"n": len(rows)}]


def test_lookups_find_what_a_scan_finds(examples: Node) -> None:
    """Point look-ups by id, by key and by partition key, alone and combined, against the filtered whole."""
    one, other = _text_id("running"), _text_id("failed")
    everything = examples.rows("SELECT * FROM sys_invocation_status")
    by_id = {row["id"]: row for row in everything}
    many = ", ".join(f"'{i}'" for i in by_id)
    for where, ids in {
        f"id = '{one}'": {one},
        f"id = '{one}' AND status = 'completed'": set(),
        f"id IN ('{one}', '{other}')": {one, other},
        f"id IN ({many})": set(by_id),
        f"id = '{one}' OR status = 'paused'": {one, _text_id("paused")},
        f"NOT id = '{one}'": set(by_id) - {one},
        "id = 'no id at all'": set(),
        f"partition_key = {COUNTER_KEY}": {one, _text_id("inboxed")},
        f"partition_key >= {COUNTER_KEY} AND partition_key <= {COUNTER_KEY}": {one, _text_id("inboxed")},
        f"partition_key < {COUNTER_KEY}": {i for i, row in by_id.items() if row["partition_key"] < COUNTER_KEY},
        "target_service_name LIKE 'Gree%' AND status <> 'completed'": {
            _text_id(name) for name in ("scheduled", "paused", "backing-off")
        },
    }.items():
        found = examples.rows(f"SELECT * FROM sys_invocation_status WHERE {where}")
        assert {row["id"] for row in found} == ids, where
        assert all(row == by_id[row["id"]] for row in found)


def test_lists_narrow_only_their_own_scan(examples: Node) -> None:
    """Long IN lists reach the scan as look-ups; other scans of the same table in the query still read everything."""
    ids = [_text_id(name) for name in ("running", "failed", "paused", "scheduled", "inboxed")]
    five, all_ = ", ".join(f"'{i}'" for i in ids), len(EXAMPLES)
    table = "sys_invocation_status"
    for sql, n in {
        f"SELECT count(*) AS n FROM {table} WHERE id IN ({five})": 5,
        f"SELECT count(*) AS n FROM sys_invocation WHERE id IN ({five}) AND status <> 'paused'": 4,
        f"SELECT count(*) AS n FROM {table} WHERE id NOT IN ({five})": all_ - 5,
        f"SELECT count(*) AS n FROM {table} WHERE id IN ({five}) OR status = 'suspended'": 6,
        f"SELECT count(*) AS n FROM {table} a, {table} b WHERE a.id IN ({five})": 5 * all_,
        f"SELECT count(*) AS n FROM {table} a LEFT JOIN {table} b ON a.id = b.id AND b.id IN ({five})": all_,
        f"SELECT count(*) AS n FROM {table} WHERE id IN ({five}) AND (SELECT count(*) FROM {table}) = {all_}": 5,
        f"SELECT count(*) AS n FROM {table} WHERE id IN ({five}) AND {all_} IN (SELECT count(*) FROM {table})": 5,
        f"SELECT max(c) AS n FROM (SELECT id, count(*) OVER () AS c FROM {table}) WHERE id IN ({five})": all_,
        f"SELECT count(*) AS n FROM (SELECT id FROM {table} LIMIT {all_}) WHERE id IN ({five})": 5,
        f"SELECT sum(c) AS n FROM (SELECT count(*) AS c FROM {table} WHERE id IN ({five}) UNION ALL "
        f"SELECT count(*) FROM {table})": 5 + all_,
        f"WITH x AS (SELECT * FROM {table} WHERE id IN ({five})) SELECT count(*) AS n FROM x, {table}": 5 * all_,
    }.items():
        assert examples.rows(sql) == [{"n": n}], sql


def test_keyed_tables_are_found_by_service_and_key(examples: Node) -> None:
    for where, names in {
        "service_name = 'Counter' AND service_key = 'c1'": ["count", "raw"],
        "service_key = 'c1'": ["count", "raw"],
        "service_name = 'Counter'": ["count", "raw"],
        "service_name = 'Counter' AND service_key = 'c1' AND key = 'raw'": ["raw"],
        "service_name = 'Other' AND service_key = 'c1'": [],
        "service_key = 'c2'": [],
    }.items():
        assert [row["key"] for row in examples.rows(f"SELECT key FROM state WHERE {where} ORDER BY key")] == names, (
            where
        )


def test_a_row_written_before_the_query_is_seen(node: Node) -> None:
    """Also one that only stands in the primary's write-ahead log, in each of many rounds."""
    node.start()
    partition = node.partitions[0]
    for number in range(1, 30):
        row = InvocationRow(Status.INVOKED, GREETER, 1, 1, 1, 5, 5, 0, 0)
        partition.write({keys.invocation_key(invocation_id(number, number)): encode(row)})
        if number % 10 == 0:
            partition.flush()
        assert node.rows("SELECT count(*) AS n FROM sys_invocation") == [{"n": number}]


def test_a_start_at_the_end_of_time_hides_no_rows(node: Node) -> None:
    """Any service can send with a delay of 64 bits, and any client: one such row made all queries of its table fail."""
    row = InvocationRow(Status.SCHEDULED, GREETER, 1, 1, 1, 5, 5, 0, 0, scheduled_at_ms=5, start_at_ms=2**64 - 1)
    node.partitions[0].write({keys.invocation_key(invocation_id(1, 1)): encode(row)})
    node.start()
    assert [row["scheduled_start_at"] for row in node.rows("SELECT * FROM sys_invocation")] == [
        "9999-12-31T23:59:59.999Z"
    ]
    with psycopg.connect(node.dsn, autocommit=True) as connection:
        (shown,) = connection.execute("SELECT scheduled_start_at FROM sys_invocation_status").fetchone()  # type: ignore[misc]
    assert shown.year == 9999


def test_rows_of_a_neighbour_are_not_shown(node: Node) -> None:
    """After a split a store holds the other side's rows for a while: they are the other partition's to show."""
    row = InvocationRow(Status.INVOKED, GREETER, 1, 1, 1, 5, 5, 0, 0)
    theirs = invocation_id(node.partitions[1].partition.start_key + 1, 1)
    for partition in node.partitions:
        partition.write({keys.invocation_key(theirs): encode(row)})
    node.start()
    assert node.rows("SELECT count(*) AS n FROM sys_invocation") == [{"n": 1}]


def test_stores_come_and_are_made_anew(node: Node) -> None:
    """A partition without a store has no rows; a store in the place of an old one is read as it is now."""
    fill_with_examples(node.partitions)
    node.start()
    before = node.rows("SELECT count(*) AS n FROM sys_invocation")[0]["n"]
    assert before == len(EXAMPLES)
    first = node.partitions[0]
    first.close()
    shutil.rmtree(first.path)
    others = node.rows("SELECT count(*) AS n FROM sys_invocation")[0]["n"]
    assert 0 < others < before
    node.partitions[0] = FakePartition(node.data, first.partition)
    assert node.rows("SELECT count(*) AS n FROM sys_invocation") == [{"n": others}]
    fill_with_examples(node.partitions)
    assert node.rows("SELECT count(*) AS n FROM sys_invocation") == [{"n": before}]


def test_without_metad_and_workers_the_stores_are_shown(node: Node) -> None:
    """Services come with metad; a catalog that metad pushes later, and a newer one, are seen."""
    fill_with_examples(node.partitions)
    node.start(peers=False)
    assert node.rows("SELECT count(*) AS n FROM sys_invocation") == [{"n": len(EXAMPLES)}]
    assert node.rows("SELECT * FROM sys_service") == []
    assert node.rows("SELECT * FROM sys_invocation_state") == []
    assert node.rows(f"SELECT status FROM sys_invocation WHERE id = '{_text_id('running')}'") == [{"status": "ready"}]
    node.start_meta()
    eventually(lambda: node.rows("SELECT * FROM sys_service"), what="the catalog arrives")
    newer = example_catalog(partitions=2, version=2)
    del newer.services["Greeter"]
    node.push(newer)
    eventually(lambda: len(node.rows("SELECT * FROM sys_service")) == 2, what="the newer catalog arrives")


def test_a_new_partition_table_is_followed(node: Node) -> None:
    node.start()
    assert node.rows("SELECT count(*) AS n FROM sys_invocation") == [{"n": 0}]
    for partition in even_partitions(4)[2:]:
        node.partitions.append(FakePartition(node.data, partition))
    for fake, partition in zip(node.partitions, even_partitions(4), strict=True):
        fake.partition = partition
    fill_with_examples(node.partitions)
    node.push(example_catalog(partitions=4, version=2))
    eventually(
        lambda: node.rows("SELECT count(*) AS n FROM sys_invocation") == [{"n": len(EXAMPLES)}], what="four partitions"
    )


def test_a_damaged_row_is_named(node: Node) -> None:
    node.partitions[0].write({keys.invocation_key(invocation_id(1, 1)): b"no msgpack"})
    node.start()
    with pytest.raises(QueryFailedError, match=r"partition 0: unreadable row 01"):
        node.query("SELECT * FROM sys_invocation")
    assert node.rows("SELECT 1 AS a") == [{"a": 1}]


def test_arrow_has_the_declared_types(examples: Node) -> None:
    body = examples.query("SELECT * FROM sys_invocation_status", format="arrow")
    table = pa.ipc.open_stream(io.BytesIO(body)).read_all()
    assert table.num_rows == len(EXAMPLES)
    assert table.schema.field("partition_key").type == pa.uint64()
    assert table.schema.field("id").type == pa.large_string()
    assert table.schema.field("created_at").type == pa.timestamp("ms", "+00:00")
    assert table.schema.field("suspended_waiting_for_signals").type == pa.list_(pa.uint32())
    empty = pa.ipc.open_stream(
        io.BytesIO(examples.query("SELECT id FROM state, sys_inbox WHERE false", format="arrow"))
    )
    assert empty.read_all().schema.names == ["id"]


def test_an_unknown_format_is_refused(examples: Node) -> None:
    with pytest.raises(QueryFailedError, match="want one of json, jsonl, arrow"):
        examples.query("SELECT 1", format="xml")


def test_lines_of_json_are_the_rows(examples: Node) -> None:
    """Whatever a row has in the list of rows, it has in its line; without rows there is no line."""
    sql = "SELECT * FROM sys_invocation ORDER BY id"
    lines = examples.query(sql, format="jsonl").splitlines()
    assert [msgspec.json.decode(line) for line in lines] == examples.rows(sql)
    assert len(lines) == len(EXAMPLES)
    assert examples.query("SELECT * FROM state WHERE false", format="jsonl") == b""


def test_large_rows_leave_in_small_pieces(node: Node) -> None:
    """A hundred values of 100 kB are not one piece of 20 MB, in none of the formats."""
    rows = {keys.state_key(1, "Box", "k", b"%d" % number): bytes(100_000) for number in range(100)}
    node.partitions[0].write(rows)
    node.start()
    for format in ("json", "jsonl", "arrow"):
        pieces = _pieces(node, "SELECT value FROM state", format)
        assert sum(pieces) > 10_000_000
        assert max(pieces) < 1_000_000, format


def _pieces(node: Node, sql: str, format: str) -> list[int]:
    """The size of each chunk of an answer."""
    reader, sizes = FrameReader(), []
    decode = msgspec.msgpack.Decoder(SqlReply).decode
    with node.connect() as peer:
        peer.sendall(encode_frame(msgspec.msgpack.encode(QueryRequest(7, sql, format))))
        while data := peer.recv(1 << 18):
            for frame in reader.feed(data):
                message = decode(frame)
                if isinstance(message, QueryEnd):
                    return sizes
                assert isinstance(message, QueryChunk), message
                sizes.append(len(message.data))
    raise AssertionError("sqld closed the connection")


def test_no_rows_are_an_empty_list(examples: Node) -> None:
    assert examples.query("SELECT * FROM state WHERE false") == b'{"rows":[]}'


def test_many_rows_stream(examples: Node) -> None:
    rows = examples.rows(LONG.format(20_000))
    assert [row["x"] for row in rows] == list(range(1, 20_001))


@pytest.mark.slow
def test_a_killed_worker_fails_its_query_and_no_other(node: Node) -> None:
    node.start()
    with node.connect() as peer:
        worker = _run_away(node, peer)
        os.kill(worker, signal.SIGKILL)
        with pytest.raises(QueryFailedError, match="run it again"):
            read_answer(peer)
    assert node.rows("SELECT 1 AS a") == [{"a": 1}]
    assert worker not in node.workers()


@pytest.mark.slow
def test_a_query_over_its_time_is_ended(tmp_path: Path) -> None:
    node = Node(tmp_path, query_timeout_s=1.0)

    def answers() -> bool:
        # The time counts from the request on: on a busy machine a worker takes longer to start.
        try:
            return node.rows("SELECT 1 AS a") == [{"a": 1}]
        except QueryFailedError:
            return False

    try:
        node.start()
        eventually(answers, what="the worker is warm")
        began = time.monotonic()
        with pytest.raises(QueryFailedError, match="query_timeout_s"):
            node.query(RUNAWAY)
        assert time.monotonic() - began < 4
        eventually(answers, what="another worker is warm")
    finally:
        node.close()


@pytest.mark.slow
@pytest.mark.parametrize("leave", ["cancel", "disconnect"])
def test_who_leaves_frees_the_worker(node: Node, leave: str) -> None:
    """A runaway query whose client cancels or goes is ended, so that the next client is served at once."""
    node.start()
    with node.connect() as peer:
        worker = _run_away(node, peer)
        if leave == "cancel":
            cancel(peer)
            peer.sendall(encode_frame(msgspec.msgpack.encode(QueryRequest(8, "SELECT 1 AS a", "json"))))
            assert read_answer(peer) == b'{"rows":[{"a":1}]}'
    assert node.rows("SELECT 1 AS a") == [{"a": 1}]
    eventually(lambda: worker not in node.workers(), what="the runaway query's process ends")


@pytest.mark.slow
def test_a_client_that_does_not_read_holds_its_query_back(node: Node) -> None:
    """A gigabyte is asked for and not read: sqld keeps a few megabytes of it, and others are served."""
    node.start()
    node.query("SELECT 1")
    assert node.process is not None
    before = _rss_mb(node.process.pid)
    with node.connect() as slow:
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        slow.sendall(encode_frame(msgspec.msgpack.encode(QueryRequest(7, LONG.format(20_000_000), "json"))))
        (worker, *_) = node.workers()
        eventually(lambda: _is_still(worker), what="the worker comes to a stop")
        assert _rss_mb(node.process.pid) - before < 40
        assert node.rows("SELECT 1 AS a") == [{"a": 1}]
    eventually(lambda: node.rows("SELECT 2 AS a"), what="both workers are free")


@pytest.mark.slow
def test_queries_at_once_use_a_second_worker_for_a_while(node: Node) -> None:
    node.start()
    with node.connect() as busy:
        _run_away(node, busy)
        assert node.rows("SELECT 1 AS a") == [{"a": 1}]
        assert len(node.workers()) == 2


def _run_away(node: Node, peer: socket.socket) -> int:
    """Have a query that never ends run; the pid of its worker."""
    node.query("SELECT 1")
    (worker,) = node.workers()
    warm = cpu_s(worker)
    peer.sendall(encode_frame(msgspec.msgpack.encode(QueryRequest(7, RUNAWAY, "json"))))
    eventually(lambda: cpu_s(worker) > warm + 0.15, what="the query runs")
    return worker


def cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _rss_mb(pid: int) -> float:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


def _is_still(pid: int) -> bool:
    """It uses no CPU over a fifth of a second."""
    before = cpu_s(pid)
    time.sleep(0.2)
    return cpu_s(pid) == before
