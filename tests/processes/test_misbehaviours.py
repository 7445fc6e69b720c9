"""A service that misbehaves in every way of the table: its attempt fails with a precise error that SQL can tell
later, is retried, and nothing else suffers."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from partitiond.invoker.http2.settings import PoolSettings
from tests.fakes.private_oracle import private_oracle
from tests.processes.misbehaver import Misbehaver
from tests.processes.misbehaving_run import Runtime, Seen, run_rows
from tests.processes.misbehaviours import ALONE, HTTP1, SHARED, Row
from tests.processes.node import Node, running_node

pytestmark = [pytest.mark.slow, pytest.mark.processes, pytest.mark.timeout(180)]
_PROGRAMS = ("logd", "metad", "partitiond", "ingress", "sqld", "worker-0")


@pytest.fixture(scope="module")
def node() -> Iterator[Node]:
    with running_node(partitions=2, workers=1) as node:
        before = [node.pid(program) for program in _PROGRAMS]
        yield node
        assert [node.pid(program) for program in _PROGRAMS] == before, "none of our processes died of it"


def check(row: Row, seen: Seen) -> None:
    said = f"{row.name}: {seen}"
    assert seen.status == "completed", said
    assert seen.attempts == (1 if row.code is None and not row.again else 2), said
    if row.code is None:
        assert seen.failed is None, said
        assert seen.event is None, said
        return
    assert seen.event is not None, said
    assert seen.event["restate_doc_error_code"] == row.code, said
    assert row.text in seen.event["error_message"], said
    if row.stays:
        return  # What SQL shows of a running one ends with the pause; the event stays.
    assert seen.failed is not None, said
    assert seen.failed["status"] == "backing-off", said
    assert seen.failed["last_failure_error_code"] == row.code, said
    assert row.text in seen.failed["last_failure"], said
    related = tuple(seen.failed.get(f"last_failure_related_command_{word}") for word in ("index", "type"))
    if row.related is not None:
        assert related == row.related, said
    told = tuple(seen.event.get(f"related_command_{word}") for word in ("index", "type"))
    assert told == related, said


def check_all(rows: Sequence[Row], seen: dict[str, Seen], servers: Sequence[Misbehaver]) -> None:
    assert [server.errors for server in servers] == [[] for _ in servers]
    for row in rows:
        check(row, seen[row.name])


def test_misbehaviour_on_a_stream_leaves_its_connection_alone(node: Node) -> None:
    seen, servers, neighbours = run_rows(Runtime(node.ingress, node.admin), [SHARED])
    check_all(SHARED, seen, servers)
    assert neighbours[SHARED[0].name] == [1, 1, 1], "the neighbours did not notice"
    # One for the discovery, and those over which the pool spreads many streams: none for what misbehaved.
    assert len(servers[0].wires) <= 1 + PoolSettings().spread_connections


def test_misbehaviour_of_a_connection_costs_its_neighbours_an_attempt_at_most(node: Node) -> None:
    seen, servers, neighbours = run_rows(Runtime(node.ingress, node.admin), [[row] for row in ALONE], suffix="Alone")
    check_all(ALONE, seen, servers)
    for name, attempts in neighbours.items():
        assert all(count <= 2 for count in attempts), f"{name}: {attempts}"


def test_misbehaviour_over_http1(node: Node) -> None:
    seen, servers, neighbours = run_rows(Runtime(node.ingress, node.admin), [HTTP1], suffix="Old", http1=True)
    check_all(HTTP1, seen, servers)
    assert neighbours[HTTP1[0].name] == [1, 1, 1]


@contextlib.contextmanager
def _oracle(path: Path) -> Iterator[Runtime]:
    """One of its own: it may not survive."""
    off = {
        "RESTATE_EXPERIMENTAL_ENABLE_VQUEUES": "false",
        "RESTATE_EXPERIMENTAL_ENABLE_SCOPED_VIRTUAL_OBJECTS": "false",
    }
    with private_oracle(path, **off) as oracle:
        yield Runtime(oracle.ingress, oracle.admin)


@pytest.mark.skipif("EVERLOG_SKIP_ORACLE" in os.environ, reason="NOT COMPARED WITH THE ORACLE: EVERLOG_SKIP_ORACLE")
@pytest.mark.parametrize(("rows", "http1"), [(SHARED, False), (ALONE, False), (HTTP1, True)], ids=["h2", "wire", "h1"])
def test_the_oracle_says_the_same(rows: list[Row], http1: bool, tmp_path: Path) -> None:
    """Its codes are in the table: equal to ours, but where the row says so."""
    asked = [row for row in rows if row.oracle is not None]
    groups = [[row] for row in asked] if rows is ALONE else [asked]
    with _oracle(tmp_path) as runtime, contextlib.suppress(subprocess.TimeoutExpired):
        seen, _, _ = run_rows(runtime, groups, suffix="" if rows is SHARED else "Other", http1=http1)
    told = {name: each.event["restate_doc_error_code"] if each.event else None for name, each in seen.items()}
    assert told == {row.name: row.oracle_code for row in asked}
