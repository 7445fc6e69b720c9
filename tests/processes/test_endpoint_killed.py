"""The service endpoint is killed and started again: invocations resume from their journals."""

from __future__ import annotations

import asyncio
import random
from collections import defaultdict
from pathlib import Path

import aiohttp
import pytest

from tests.conftest import eventually
from tests.processes.endpoint import Endpoint, running_endpoint
from tests.processes.node import running_node
from tests.processes.steps_service import STEPS

_INVOCATIONS = 60
_KILLS = 4


async def walk_all(ingress: str) -> dict[str, list[str]]:
    """Start all walks at once and collect their tokens."""
    timeout = aiohttp.ClientTimeout(total=100)
    async with aiohttp.ClientSession(timeout=timeout, connector=aiohttp.TCPConnector(limit=0)) as session:

        async def walk(name: str) -> tuple[str, list[str]]:
            async with session.post(f"{ingress}/Steps/walk", json=name) as response:
                assert response.status == 200, await response.text()
                return name, await response.json()

        return dict(await asyncio.gather(*(walk(f"walk-{number}") for number in range(_INVOCATIONS))))


def kill_some_times(endpoint: Endpoint, steps_file: Path, chooser: random.Random) -> None:
    """Each kill comes after the steps have gone on since the one before."""

    def executed() -> int:
        return len(steps_file.read_text().splitlines()) if steps_file.exists() else 0

    for _ in range(_KILLS):
        wanted = executed() + chooser.randrange(5, 15)
        eventually(lambda wanted=wanted: executed() >= wanted, 30, what="the steps go on")
        endpoint.kill()
        endpoint.start()


@pytest.mark.slow
@pytest.mark.processes
@pytest.mark.timeout(200)
def test_stored_step_results_are_not_executed_again(tmp_path: Path) -> None:
    seed = random.SystemRandom().randrange(1 << 32)
    print(f"seed {seed}")
    steps_file = tmp_path / "steps.txt"

    async def scenario(ingress: str, endpoint: Endpoint) -> dict[str, list[str]]:
        killing = asyncio.create_task(asyncio.to_thread(kill_some_times, endpoint, steps_file, random.Random(seed)))
        tokens = await walk_all(ingress)
        await killing
        return tokens

    with (
        running_node(partitions=2, workers=1) as node,
        running_endpoint("tests.processes.steps_service:app", tmp_path, STEPS_FILE=str(steps_file)) as endpoint,
    ):
        endpoint.register(node)
        tokens = asyncio.run(scenario(node.ingress, endpoint))

    executed: dict[str, list[tuple[int, str]]] = defaultdict(list)
    for line in steps_file.read_text().splitlines():
        name, number, token = line.split()
        executed[name].append((int(number), token))
    for name, told in tokens.items():
        numbers = [number for number, _ in executed[name]]
        assert numbers == sorted(numbers), f"{name}: a step ran again after its result was stored: {numbers}"
        last = dict(executed[name])
        assert told == [last[number] for number in range(STEPS)], (
            f"{name}: the result is not that of the last execution"
        )
