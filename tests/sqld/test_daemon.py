"""How sqld starts, ends, and what it costs while nobody asks."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec
import psycopg
import pytest

from shared.api.sql import QueryRequest
from shared.rpc.frames import encode_frame
from tests.conftest import eventually
from tests.sqld.node import ROOT, Node, read_answer
from tests.sqld.test_query_api import LONG

pytestmark = pytest.mark.processes

_HALF_A_SECOND = (
    "SELECT count(*) FROM generate_series(1, 5000) a(x), generate_series(1, 5000) b(y) WHERE x * y % 7919 = 7918.5"
)


def test_a_taken_port_is_named_with_its_remedy(node: Node) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", node.settings.sql_port))
        taken.listen()
        command = [sys.executable, "-m", "sqld", "--data-dir", str(node.data)]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=30)
    assert done.returncode == 1
    assert f"sql_port {node.settings.sql_port}" in done.stderr
    assert "choose another with --sql-port" in done.stderr


def test_it_ends_at_once_when_idle(node: Node) -> None:
    node.start()
    node.query("SELECT 1")
    workers = node.workers()
    idle = psycopg.connect(node.dsn, autocommit=True)
    assert node.stop_sqld(timeout=5) == 0
    with pytest.raises(psycopg.OperationalError):
        idle.execute("SELECT 1")
    idle.close()
    assert not [pid for pid in workers if Path(f"/proc/{pid}").exists()]


def test_query_workers_are_its_only_children(node: Node) -> None:
    """A tracker of shared memory, which nobody has, would take 10 MB."""
    node.start()
    node.query("SELECT 1")
    assert node.process is not None
    children = Path(f"/proc/{node.process.pid}/task/{node.process.pid}/children").read_text().split()
    assert list(map(int, children)) == node.workers() != []


def test_it_lets_queries_end(node: Node) -> None:
    node.start()
    node.query("SELECT 1")
    with node.connect() as peer:
        peer.sendall(encode_frame(msgspec.msgpack.encode(QueryRequest(7, LONG.format(500_000), "json"))))
        assert node.process is not None
        eventually(lambda: peer.recv(1, socket.MSG_PEEK), what="the answer begins")
        node.process.send_signal(signal.SIGTERM)
        rows = msgspec.json.decode(read_answer(peer))["rows"]
    assert len(rows) == 500_000
    assert node.process.wait(15) == 0


def test_a_killed_parent_leaves_no_worker(node: Node) -> None:
    node.start()
    node.query("SELECT 1")
    workers = node.workers()
    assert workers
    assert node.process is not None
    node.process.kill()
    node.process.wait()
    eventually(lambda: not [pid for pid in workers if _runs(pid)], what="the workers end")
    node.process = None
    node.start_sqld()
    assert node.rows("SELECT 1 AS a") == [{"a": 1}]


def test_the_parent_does_without_arrow(node: Node) -> None:
    """Arrow and DataFusion take 80 MB: only the worker loads them."""
    node.start()
    node.query("SELECT 1")
    assert node.process is not None
    maps = Path(f"/proc/{node.process.pid}/maps").read_text()
    assert "pyarrow" not in maps
    assert "datafusion" not in maps
    assert "pyarrow" in Path(f"/proc/{node.workers()[0]}/maps").read_text()


def test_a_query_worker_is_there_when_it_is_needed(tmp_path: Path) -> None:
    """It takes 100 MB: the first query starts it, those that come meanwhile wait for the same one, and it ends."""
    node = Node(tmp_path, queries_at_once=2, query_worker_idle_s=0.5)
    try:
        node.start()
        assert node.workers() == []
        with ThreadPoolExecutor(4) as clients:
            answers = list(clients.map(node.rows, ["SELECT 1 AS a"] * 4))
        assert answers == [[{"a": 1}]] * 4
        assert node.log().count("query worker 0 starts") == 1
        assert "query worker 1 starts" not in node.log()
        with psycopg.connect(node.dsn) as client, client.cursor(name="open") as cursor:
            cursor.execute("SELECT * FROM generate_series(1, 100)")
            assert cursor.fetchone() == (1,)
            time.sleep(1.0)
            assert cursor.fetchone() == (2,), "an open cursor keeps its worker"
        eventually(lambda: not node.workers(), what="the worker ends")
        assert node.rows("SELECT 2 AS a") == [{"a": 2}]
    finally:
        node.close()


def test_who_logs_in_starts_a_query_worker(node: Node) -> None:
    node.start()
    with psycopg.connect(node.dsn):
        eventually(node.workers, what="a worker starts")


def test_a_query_worker_holds_none_of_its_parents_sockets(node: Node) -> None:
    """It is a fork of it: a client that leaves, or a port, must not stay open in it."""
    node.start()
    with psycopg.connect(node.dsn, autocommit=True) as client:
        client.execute("SELECT 1")
        files = [path.readlink() for path in Path(f"/proc/{node.workers()[0]}/fd").iterdir()]
        assert sum(str(file).startswith("socket:") for file in files) == 1


def test_a_long_query_comes_last_and_the_next_one_does_not(node: Node) -> None:
    node.start()
    node.query("SELECT 1")
    (worker,) = node.workers()
    assert node.process is not None
    group = Path(f"/proc/{worker}/autogroup")
    if not _session(worker):
        pytest.skip("this kernel has no autogroups")
    assert _session(worker) != _session(node.process.pid)
    with node.connect() as peer:
        peer.sendall(encode_frame(msgspec.msgpack.encode(QueryRequest(7, _HALF_A_SECOND, "json"))))
        eventually(lambda: group.read_text().endswith("nice 10\n"), what="its session gives way")
        read_answer(peer)
    assert node.rows("SELECT 1 AS a") == [{"a": 1}]
    assert group.read_text().endswith("nice 0\n")


@pytest.mark.slow
def test_idle_costs_no_cpu(node: Node) -> None:
    node.start()
    node.query("SELECT count(*) FROM sys_invocation")
    assert node.process is not None
    pids = [node.process.pid, *node.workers()]
    before = [_ticks(pid) for pid in pids]
    time.sleep(1.0)
    assert sum(_ticks(pid) for pid in pids) - sum(before) <= 0.02 * os.sysconf("SC_CLK_TCK")


def _session(pid: int) -> str:
    """Name of its autogroup. Empty: there are none, or it is still in the one that the machine started with."""
    try:
        return Path(f"/proc/{pid}/autogroup").read_text().partition(" ")[0]
    except FileNotFoundError:
        return ""


def _ticks(pid: int) -> int:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
