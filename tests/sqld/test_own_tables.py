"""Everlog's own tables: partitions, nodes, log groups, daemons and the log."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from shared.api.partition import PartitionStatus
from shared.ids import encode_invocation_id
from shared.wal.batch import Batch, encode_batch
from shared.wal.commands import AnnounceLeader, FireTimers, Terminate, TerminateMode
from tests.fakes.partition_store import T0, invocation_id
from tests.sqld.node import Node, QueryFailedError

pytestmark = pytest.mark.processes
KEPT = 3000
_ID = invocation_id(5, 1)


def _record(lsn: int) -> bytes:
    """One or two commands; a third of them is empty."""
    commands = [Terminate(_ID, TerminateMode.KILL), FireTimers(T0 + lsn)][: lsn % 3]
    return encode_batch(Batch(1, lsn, T0 + lsn, commands))


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    """Two partitions: of the first the log is trimmed up to LSN 1000, the second is damaged."""
    node = Node(tmp_path_factory.mktemp("node"))
    node.logd.records = {
        "meta": {1: b"\x01"},
        "p-0": {lsn: _record(lsn) for lsn in range(1001, KEPT + 1)},
        "p-1": {1: b"\xff no batch", 2: encode_batch(Batch(0, 0, T0, [AnnounceLeader(b"u", "node-1", 0, 9)]))},
    }
    first = node.partitions[0].partition
    node.workers_told[0].partitions = [
        PartitionStatus(0, first.start_key, first.end_key, True, 7, KEPT - 10, 1500, KEPT, 4),
    ]
    # The second one does not answer.
    node.workers_told.pop()
    try:
        node.start()
        yield node
    finally:
        node.close()


def test_a_range_of_the_log_is_read_and_no_more(node: Node) -> None:
    node.logd.reads.clear()
    rows = node.rows("select * from log where partition = 0 and lsn >= 2000 limit 20")
    assert len(rows) == 20
    assert rows[0] == {
        "partition": 0,
        "lsn": 2000,
        "index": 0,
        "at": rows[0]["at"],
        "epoch": 1,
        "seq": 2000,
        "command": "Terminate",
        "invocation_id": encode_invocation_id(_ID),
        "words": f"Terminate (kill) {encode_invocation_id(_ID)}",
        "json": rows[0]["json"],
        "record_bytes": len(_record(2000)),
    }
    told = {"type": "Terminate", "invocation_id": encode_invocation_id(_ID), "mode": "kill"}
    assert json.loads(rows[0]["json"]).items() >= told.items()
    assert [(read.group, read.from_lsn) for read in node.logd.reads] == [("p-0", 2000)]


def test_a_whole_log_is_read_from_what_is_kept(node: Node) -> None:
    """Of 3 records one has two commands, one has one, and the empty one is a row as well."""
    node.logd.reads.clear()
    (counted,) = node.rows("select count(*) as n, min(lsn) as first, max(lsn) as last from log where partition = 0")
    assert counted["first"] == 1001
    assert counted["last"] == KEPT
    assert counted["n"] == sum(max(1, lsn % 3) for lsn in range(1001, KEPT + 1))
    assert len(node.logd.reads) > 1
    assert node.rows("select lsn from log where partition = 0 and lsn in (1500, 1502) and index = 0") == [
        {"lsn": 1500},
        {"lsn": 1502},
    ]
    assert node.rows("select lsn from log where lsn > 5 and lsn < 5") == []


def test_a_record_that_cannot_be_read_is_a_row(node: Node) -> None:
    rows = node.rows("select lsn, command, problem, words from log where partition = 1")
    assert rows[0]["lsn"] == 1
    assert "batch" in rows[0]["problem"]
    assert "command" not in rows[0]
    assert rows[1] == {"lsn": 2, "command": "AnnounceLeader", "words": "AnnounceLeader node-1 leads keys 0x0 to 0x9"}


def test_partitions_stand_as_worker_and_log_tell(node: Node) -> None:
    first, second = node.rows("select * from partitions order by partition")
    assert first.pop("store_bytes") > 0
    assert first.pop("log_bytes") > 0
    assert first.pop("end_key") == second["start_key"] - 1
    assert first == {
        "partition": 0,
        "start_key": 0,
        "leader": "node-1",
        "worker": 0,
        "state": "leads",
        "epoch": 7,
        "applied_lsn": KEPT - 10,
        "durable_lsn": 1500,
        "trimmed_lsn": 1000,
        "committed_lsn": KEPT,
        "lag": 10,
        "waiting": 4,
    }
    # Its worker, partitiond-1, is not there.
    assert "leader" not in second
    assert second["state"] == "partitiond-1 does not answer"
    assert second["committed_lsn"] == 2


def test_log_groups_daemons_and_the_node(node: Node) -> None:
    groups = node.rows("select name, partition, leader, leads, term, first_lsn from log_groups order by name")
    assert groups[0] == {"name": "meta", "leader": "node-1", "leads": True, "term": 3, "first_lsn": 1}
    assert groups[1] == {"name": "p-0", "partition": 0, "leader": "node-1", "leads": True, "term": 3, "first_lsn": 1001}
    daemons = {row["name"]: row for row in node.rows("select * from daemons")}
    assert list(daemons) == ["logd", "metad", "partitiond-0", "partitiond-1", "sqld", "ingress"]
    assert node.process is not None
    assert daemons["sqld"]["pid"] == node.process.pid
    assert daemons["sqld"]["rss_bytes"] > 1_000_000
    assert daemons["sqld"]["cpu"].startswith("PT")
    assert daemons["ingress"] == {"name": "ingress", "node": "node-1", "state": "away"}
    (host,) = node.rows("select * from nodes")
    assert (host["name"], host["workers"], host["partitions"], host["leads"]) == ("node-1", 2, 1, 1)
    assert host["admin"] == f"http://127.0.0.1:{node.settings.admin_port}"
    assert 0 < host["disk_free_bytes"] < host["disk_bytes"]


def test_without_it_the_log_says_so(tmp_path: Path) -> None:
    """And all else is still shown."""
    node = Node(tmp_path)
    try:
        node.start(logd=False)
        with pytest.raises(QueryFailedError, match="logd is away"):
            node.query("select * from log where partition = 0")
        assert node.rows("select * from log_groups") == []
        assert len(node.rows("select * from partitions")) == 2
    finally:
        node.close()
