"""Random programs on a whole node whose service and daemons are killed at random: what comes of them is what the model
says, each step whose result was stored was executed for the last time, and objects serve one at a time, in order."""

from __future__ import annotations

import asyncio
import json
import os
import random
import time
import urllib.request
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.conftest import eventually
from tests.processes.endpoint import Endpoint, running_endpoint
from tests.processes.node import Node, running_node
from tests.programs.checks import Expected
from tests.programs.language import OBJECTS, make_program

_VICTIMS = ["service", "service", "logd", "worker-0", "worker-1", "partitiond", "metad", "ingress", "everything"]
#: More of both for a long run by hand.
_PROGRAMS = int(os.environ.get("EVERLOG_TEST_PROGRAMS", "100"))
_CLIENTS = 12


def seeds() -> list[int | None]:
    """None: a random one, drawn in the test, for all workers of xdist must collect the same."""
    return [int(seed) for seed in os.environ.get("EVERLOG_TEST_SEED", "").split()] or [None]


class Clients:
    """Each takes the next program and asks for its result until it is told."""

    def __init__(self, ingress: str, programs: list[list[Any]]) -> None:
        self._ingress = ingress
        self._programs = programs
        self._next = iter(range(len(programs)))
        self.results: dict[int, Any] = {}

    async def run(self) -> None:
        timeout = aiohttp.ClientTimeout(total=30)
        async with aiohttp.ClientSession(timeout=timeout, connector=aiohttp.TCPConnector(limit=0)) as session:
            await asyncio.gather(*(self._client(session) for _ in range(_CLIENTS)))

    async def _client(self, session: aiohttp.ClientSession) -> None:
        for number in self._next:
            self.results[number] = await self._ask(session, number)

    async def _ask(self, session: aiohttp.ClientSession, number: int) -> Any:
        argument = {"path": f"p{number}", "program": self._programs[number]}
        while True:
            try:
                async with session.post(
                    f"{self._ingress}/Prog/do", json=argument, headers={"idempotency-key": f"program-{number}"}
                ) as response:
                    if response.status == 200:
                        return await response.json()
                    text = await response.text()
                    assert response.status >= 500, f"{response.status}: {text}"
            except (aiohttp.ClientError, TimeoutError):
                pass
            await asyncio.sleep(0.05)


async def kill_at_random(node: Node, endpoint: Endpoint, clients: Clients, chooser: random.Random) -> int:
    """Until it is cancelled, or the programs are done. Returns how often."""
    kills = 0
    while len(clients.results) < _PROGRAMS:
        await asyncio.sleep(chooser.uniform(0.1, 1.0))
        victim = chooser.choice(_VICTIMS)
        kills += 1
        if victim == "service":
            endpoint.kill()
            await asyncio.to_thread(endpoint.start)
        elif victim == "everything":
            await asyncio.to_thread(node.kill_all)
            await asyncio.to_thread(node.up)
        else:
            await asyncio.to_thread(node.kill, victim)
        # Some progress between two kills, or back-off would outlast any patience.
        before, deadline = len(clients.results), time.monotonic() + 5
        while len(clients.results) in (before, before + 1) and time.monotonic() < deadline:
            await asyncio.sleep(0.02)
            if len(clients.results) == _PROGRAMS:
                break
    return kills


def ask(url: str, body: Any = None) -> Any:
    headers = {"accept": "application/json"} | ({} if body is None else {"content-type": "application/json"})
    data = None if body is None else json.dumps(body).encode()
    with urllib.request.urlopen(urllib.request.Request(url, data, headers), timeout=30) as response:
        return json.loads(response.read())


def unfinished(node: Node) -> list[dict[str, Any]]:
    sql = "SELECT id, target, status, last_failure FROM sys_invocation WHERE status <> 'completed'"
    rows: list[dict[str, Any]] = ask(f"{node.admin}/query", {"query": sql})["rows"]
    return rows


@pytest.mark.slow
@pytest.mark.processes
@pytest.mark.timeout(900)
@pytest.mark.parametrize("seed", seeds())
def test_random_programs_come_to_what_the_model_says(seed: int | None, tmp_path: Path) -> None:
    if seed is None:
        seed = random.SystemRandom().randrange(1 << 32)
    print(f"repeat with EVERLOG_TEST_SEED={seed} scripts/test tests/programs/test_on_a_node.py -n 0")
    chooser = random.Random(seed)
    programs = [make_program(chooser) for _ in range(_PROGRAMS)]
    expected = Expected(programs)
    steps_file = tmp_path / "steps"
    steps_file.touch()

    async def scenario(node: Node, endpoint: Endpoint) -> tuple[Clients, int]:
        clients = Clients(node.ingress, programs)
        killing = asyncio.create_task(kill_at_random(node, endpoint, clients, chooser))
        await clients.run()
        return clients, await killing

    with (
        running_node(partitions=4, workers=2) as node,
        running_endpoint("tests.programs.sdk_service:app", tmp_path, STEPS_FILE=str(steps_file)) as endpoint,
    ):
        endpoint.register(node)
        clients, kills = asyncio.run(scenario(node, endpoint))
        node.wait_ready()
        expected.check_results(clients.results)
        eventually(lambda: not unfinished(node), 60, what=f"all ends: {unfinished(node)[:5]}")
        for key in OBJECTS:
            expected.check_object(key, ask(f"{node.ingress}/ProgObject/{key}/state"))
        executed = [line.split() for line in steps_file.read_text().splitlines()]
        expected.check_steps([(path, token) for path, token in executed])
    print(f"programs {_PROGRAMS}, kills {kills}, executions {len(executed)} of {len(expected.model.steps)} steps")
