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
from tests.programs.language import OBJECTS, Model, delayed_paths, disorder, make_program, strip_tokens

_VICTIMS = ["service", "service", "logd", "worker-0", "worker-1", "partitiond", "metad", "ingress", "everything"]
#: More of both for a long run by hand.
_PROGRAMS = int(os.environ.get("EVERLOG_TEST_PROGRAMS", "60"))
_CLIENTS = 12


def seeds() -> list[int]:
    chosen = os.environ.get("EVERLOG_TEST_SEED", "").split()
    return [int(seed) for seed in chosen] or [random.SystemRandom().randrange(1 << 32)]


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


def check_objects(node: Node, model: Model, delayed: set[str]) -> None:
    for key in OBJECTS:
        state = ask(f"{node.ingress}/ProgObject/{key}/state")
        assert "overlap" not in state, f"{key}: {state['overlap']} was there with another one"
        assert "busy" not in state, f"{key}: {state['busy']} never left"
        order = state.get("order", [])
        assert sorted(order) == sorted(model.visits[key]), f"{key}: not each visit once"
        assert disorder(order, delayed) == [], f"{key}: {order}"
        assert state.get("n", 0) == model.counters[key], f"{key}: {state.get('n')} instead of {model.counters[key]}"


def check_steps(steps_file: Path, model: Model, tokens: dict[str, str]) -> None:
    last: dict[str, str] = {}
    for line in steps_file.read_text().splitlines():
        path, token = line.split()
        last[path] = token
    assert last.keys() == model.steps
    for path, token in tokens.items():
        assert last[path] == token, f"step {path} was executed again after its result was stored"


@pytest.mark.slow
@pytest.mark.processes
@pytest.mark.timeout(900)
@pytest.mark.parametrize("seed", seeds())
def test_random_programs_come_to_what_the_model_says(seed: int, tmp_path: Path) -> None:
    print(f"repeat with EVERLOG_TEST_SEED={seed} scripts/test tests/programs/test_on_a_node.py -n 0")
    chooser = random.Random(seed)
    programs = [make_program(chooser) for _ in range(_PROGRAMS)]
    model, tokens, delayed = Model(), dict[str, str](), set[str]()
    expected = [model.perform(program, f"p{number}") for number, program in enumerate(programs)]
    for number, program in enumerate(programs):
        delayed |= delayed_paths(program, f"p{number}")
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
        for number, result in clients.results.items():
            assert strip_tokens(result, tokens) == expected[number], f"program {number}: {programs[number]}"
        eventually(lambda: not unfinished(node), 60, what=f"all ends: {unfinished(node)[:5]}")
        check_objects(node, model, delayed)
        check_steps(steps_file, model, tokens)
    visits = sum(map(len, model.visits.values()))
    print(f"programs {_PROGRAMS}, kills {kills}, steps {len(model.steps)}, visits {visits}")
