"""Loads that are hard on memory, on a real node; `scripts/memory` runs them in their full size."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest

from scripts.burden import cases
from scripts.burden.bench import Bench, Measured, open_bench
from scripts.burden.main import node_pids
from tests.conftest import eventually, free_ports
from tests.processes.node import Node, running_node

pytestmark = [pytest.mark.slow, pytest.mark.processes, pytest.mark.timeout(180)]

_ROOT = Path(__file__).resolve().parents[2]
#: For an unrelated call beside the load: far from what it takes, and far from what it took before there were limits.
_PROMPT_MS = 5000.0


@pytest.fixture(scope="module")
def node() -> Iterator[tuple[Node, str]]:
    """A node with two workers whose budget is small, and the service under which it is loaded."""
    (port,) = free_ports(1)
    service = subprocess.Popen(
        [sys.executable, "-P", "-m", "scripts.burden.service", str(port)],
        env={**os.environ, "PYTHONPATH": str(_ROOT)},
        cwd=_ROOT,
    )
    try:
        with running_node(partitions=4, workers=2, invoker_memory_bytes=16 * 1024 * 1024) as running:
            yield running, f"http://127.0.0.1:{port}"
    finally:
        service.kill()
        service.wait()


Load = Callable[[Bench], Awaitable[None]]


def measure(node: tuple[Node, str], load: Load) -> Measured:
    running, uri = node

    async def scene() -> Measured:
        pids = node_pids(running.data_dir / "run")
        assert {"worker-0", "worker-1", "logd", "ingress"} <= set(pids)
        async with open_bench(running.ingress, running.admin, pids) as bench:
            await bench.register(uri)
            await bench.ready()
            return await bench.measure("load", lambda: load(bench))

    measured = asyncio.run(scene())
    assert measured.calls > 0
    assert measured.slowest_ms < _PROMPT_MS, measured
    assert set(node_pids(running.data_dir / "run").values()) == set(measured_pids(running)), "none was started again"
    return measured


def measured_pids(running: Node) -> list[int]:
    return [running.pid(name) for name in ("worker-0", "worker-1", "logd", "ingress")]


@pytest.mark.parametrize(
    ("load", "worker_mb"),
    [
        # 160 MB that the services send; the memtables of two partitions are 96 MB at most.
        pytest.param(lambda bench: cases.flood(bench, calls=8, mb=20), 130.0, id="flooding services"),
        pytest.param(lambda bench: cases.deaf(bench, calls=4, mb=20), 130.0, id="services that do not read"),
        pytest.param(lambda bench: cases.slow(bench, calls=8, mb=4), 130.0, id="services that read a byte a second"),
        pytest.param(lambda bench: cases.state(bench, values=40), 150.0, id="a state of 40 MB"),
        pytest.param(lambda bench: cases.greedy(bench, values=40), 150.0, id="a state of 40 MB asked for at once"),
        pytest.param(lambda bench: cases.starts(bench, calls=8, values=8), 150.0, id="starts with 8 MB of state"),
        pytest.param(lambda bench: cases.journal(bench, entries=5000), 60.0, id="a journal of 5000 entries"),
        pytest.param(lambda bench: cases.killed(bench, entries=5000), 60.0, id="a killed journal of 5000 entries"),
        pytest.param(lambda bench: cases.suspended(bench, calls=500), 30.0, id="500 suspended"),
        pytest.param(lambda bench: cases.naps(bench, calls=500, within_s=6), 30.0, id="500 sleepers due at once"),
    ],
)
def test_load_is_borne_within_bounds(node: tuple[Node, str], load: Load, worker_mb: float) -> None:
    measured = measure(node, load)
    assert measured.growth("worker") < worker_mb, measured


def test_all_places_of_the_node_can_be_used_whatever_partitions_the_calls_fall_on() -> None:
    """200 attempts on 2 workers are never 100 and 100: shares that are fixed would leave some of them waiting."""
    (port,) = free_ports(1)
    service = subprocess.Popen(
        [sys.executable, "-P", "-m", "scripts.burden.service", str(port)],
        env={**os.environ, "PYTHONPATH": str(_ROOT)},
        cwd=_ROOT,
    )
    try:
        with running_node(partitions=4, workers=2, concurrent_invocations_limit=210) as running:
            # Room for the calls that ask how many are held, and for those beside the load.
            eventually(lambda: running.status().get("ready"), 30, what="the node is ready")
            measured = measure((running, f"http://127.0.0.1:{port}"), lambda bench: cases.running(bench, calls=200))
            assert measured.growth("worker") < 30
    finally:
        service.kill()
        service.wait()
