"""kill -9 of any program, of everything, and of the service, under limits: none is exceeded, nothing is lost."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import time

import aiohttp
import pytest

from tests.conftest import eventually
from tests.processes.flow_world import World, everlog_world

pytestmark = [pytest.mark.slow, pytest.mark.processes, pytest.mark.timeout(300)]

_EVERYTHING = "everything"
_SERVICE = "service"
_VICTIMS = [_EVERYTHING, "worker-0", "logd", "partitiond", _SERVICE, "worker-1", "metad", "ingress", _EVERYTHING]
_SCOPES = ("kill-a", "kill-b", "kill-c")
#: That of `kill-c` is changed all along; here is the largest.
_LIMITS = {"kill-a": 5, "kill-a/*": 2, "kill-a/*/*": 1, "kill-b": 3, "kill-b/x": None, "kill-c": 4}
_LIMIT_KEYS = ("", "x", "y", "x/1", "x/2", "y/1")
_CLIENTS = 24


def _limit_of(counter: str) -> int | None:
    """The rule of `_LIMITS` that holds for a counter."""
    scope, *levels = counter.split("/")
    for pattern in (counter, "/".join((scope, *("*" for _ in levels)))):
        if pattern in _LIMITS:
            return _LIMITS[pattern]
    return None


class _Senders:
    """Clients that send scoped invocations until they are stopped, each again until it is accepted."""

    def __init__(self, ingress: str, seed: int) -> None:
        self._ingress = ingress
        self._random = random.Random(seed)
        self._stopping = asyncio.Event()
        self.accepted: list[str] = []

    def stop(self) -> None:
        self._stopping.set()

    async def run(self) -> None:
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=20)) as session:
            await asyncio.gather(*(self._client(session, number) for number in range(_CLIENTS)))

    async def _client(self, session: aiohttp.ClientSession, number: int) -> None:
        sent = 0
        while not self._stopping.is_set():
            sent += 1
            await self._send(session, f"client-{number}-{sent}")
            await asyncio.sleep(self._random.uniform(0.2, 0.6))

    async def _send(self, session: aiohttp.ClientSession, idempotency_key: str) -> None:
        scope, limit_key = self._random.choice(_SCOPES), self._random.choice(_LIMIT_KEYS)
        handler, body = self._random.choice((("Flow/work", 20), ("Flow/work", 40), ("FlowIdle/sleep", 60)))
        headers = {"idempotency-key": idempotency_key, "x-restate-limit-key": limit_key}
        while True:
            try:
                url = f"{self._ingress}/restate/scope/{scope}/send/{handler}"
                async with session.post(url, json=body, headers=headers) as response:
                    answer = await response.json(content_type=None)
                    if response.status == 202:
                        self.accepted.append(answer["invocationId"])
                        return
                    assert response.status >= 500, answer
            except (aiohttp.ClientError, TimeoutError):
                pass
            await asyncio.sleep(0.05)


async def _kill_under_load(world: World, senders: _Senders, chooser: random.Random) -> None:
    assert world.node is not None
    for number, victim in enumerate(_VICTIMS):
        ended = len(world.running().ended)
        # The answer may be lost with metad, and the rule set or not.
        with contextlib.suppress(OSError, AssertionError):
            await asyncio.to_thread(world.rule, "kill-c", (2, 4, 1)[number % 3])
        await asyncio.sleep(chooser.uniform(0.0, 0.6))
        if victim == _EVERYTHING:
            await asyncio.to_thread(world.node.kill_all)
            await asyncio.to_thread(world.node.up)
        elif victim == _SERVICE:
            await asyncio.to_thread(world.endpoint.kill)
            await asyncio.to_thread(world.endpoint.start)
        else:
            await asyncio.to_thread(world.node.kill, victim)
        deadline = time.monotonic() + 40
        while len(world.running().ended) < ended + 30:
            assert time.monotonic() < deadline, f"no progress within 40 s after kill -9 of {victim}"
            await asyncio.sleep(0.05)


def test_limits_hold_and_nothing_is_lost_whatever_is_killed() -> None:
    seed = int(os.environ.get("EVERLOG_TEST_SEED", random.SystemRandom().randrange(1 << 32)))
    print(f"seed {seed}: repeat with EVERLOG_TEST_SEED")

    async def scenario(world: World) -> list[str]:
        senders = _Senders(world.ingress, seed)
        load = asyncio.create_task(senders.run())
        killing = asyncio.create_task(_kill_under_load(world, senders, random.Random(seed)))
        await asyncio.wait({load, killing}, return_when=asyncio.FIRST_COMPLETED)
        senders.stop()
        await killing
        await asyncio.wait_for(load, 60)
        return senders.accepted

    with everlog_world(partitions=4, workers=2) as world:
        world.name = "kill-"
        for pattern, limit in _LIMITS.items():
            world.rule(pattern, limit)
        accepted = asyncio.run(scenario(world))
        world.wait_all(accepted, deadline_s=120)
        most = dict(world.running().most)
        # The counters are back to nothing, and a limit still admits as many as it says.
        eventually(lambda: world.rows("SELECT * FROM sys_user_limits") == [], what="nothing is counted any more")
        held = [world.send("kill-b", "Flow/hold", "kill-go") for _ in range(5)]
        eventually(lambda: world.statuses("kill-b").get("running") == 3, what="three of five run")
        world.open("kill-go")
        world.wait_all(held)
    print(f"accepted {len(accepted)}, ran at once at most {most}")
    exceeded = {counter: count for counter, count in most.items() if count > (_limit_of(counter) or len(accepted))}
    assert not exceeded, f"limits {_LIMITS}, exceeded by {exceeded}"
    # They were reached: nobody was held back for nothing.
    assert (most["kill-a/x"], most["kill-b"]) == (2, 3)
