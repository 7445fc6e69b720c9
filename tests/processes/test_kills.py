"""kill -9 of any program, of a worker, or of everything, under load: nothing acknowledged is lost or repeated."""

from __future__ import annotations

import asyncio
import os
import random
import time
from pathlib import Path

import aiohttp
import pytest

from tests.processes.adders import Adders
from tests.processes.endpoint import running_endpoint
from tests.processes.node import Node, running_node

_PROGRAMS = ["logd", "metad", "partitiond", "ingress", "sqld", "worker-0", "worker-1"]
_EVERYTHING = "everything"
_KILLS = 22


def victims(chooser: random.Random) -> list[str]:
    """Each program at least twice, everything twice, in random order."""
    chosen = [*_PROGRAMS * 2, _EVERYTHING, _EVERYTHING]
    chosen += chooser.choices(_PROGRAMS, k=_KILLS - len(chosen))
    chooser.shuffle(chosen)
    return chosen


async def kill_under_load(node: Node, adders: Adders, chooser: random.Random) -> None:
    for victim in victims(chooser):
        before = adders.acknowledged
        await asyncio.sleep(chooser.uniform(0.0, 0.6))
        if victim == _EVERYTHING:
            await asyncio.to_thread(node.kill_all)
            await asyncio.to_thread(node.up)
        else:
            await asyncio.to_thread(node.kill, victim)
        deadline = time.monotonic() + 30
        while adders.acknowledged < before + 50:
            assert time.monotonic() < deadline, f"no progress within 30 s after kill -9 of {victim}"
            await asyncio.sleep(0.02)


async def read_counters(node: Node, counters: list[str]) -> dict[str, int]:
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=30)) as session:
        values = {}
        for counter in counters:
            async with session.get(f"{node.ingress}/Counter/{counter}/get") as response:
                assert response.status == 200, await response.text()
                values[counter] = int(await response.json())
        return values


@pytest.mark.slow
@pytest.mark.processes
@pytest.mark.timeout(300)
def test_every_acknowledged_add_is_counted_exactly_once(tmp_path: Path) -> None:
    """64 clients add to 200 counters while programs are killed at random moments."""
    seed = int(os.environ.get("EVERLOG_TEST_SEED", random.SystemRandom().randrange(1 << 32)))
    print(f"seed {seed}: repeat with EVERLOG_TEST_SEED={seed} scripts/test tests/processes/test_kills.py")

    async def scenario(node: Node) -> Adders:
        adders = Adders(node.ingress, clients=64, keys=200, seed=seed)
        load = asyncio.create_task(adders.run())
        killing = asyncio.create_task(kill_under_load(node, adders, random.Random(seed)))
        await asyncio.wait({load, killing}, return_when=asyncio.FIRST_COMPLETED)
        adders.stop()
        await killing
        await asyncio.wait_for(load, 60)
        adders.check(await read_counters(node, list(adders.sums)))
        return adders

    with (
        running_node(partitions=4, workers=2) as node,
        running_endpoint("scripts.examples.app:app", tmp_path) as endpoint,
    ):
        endpoint.register(node)
        adders = asyncio.run(scenario(node))
    print(f"kills {_KILLS}, adds acknowledged {adders.acknowledged}, requests sent again {adders.retries}")
