"""Kills and restarts at random moments."""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from collections.abc import Callable

from tests.processes.node import Node
from tests.soak.services import Service

__all__ = ["Chaos"]

_PROGRAMS = ["logd", "metad", "partitiond", "ingress", "sqld"]
_EVERYTHING = "everything"
_PAUSE_S = (0.2, 3.0)
#: So many calls must be answered between two kills, within so long.
_PROGRESS = 20
_PROGRESS_WITHIN_S = 90.0
#: Every fifth minute nothing is killed, so that memory can be seen to grow.
_CALM_EVERY, _MINUTE_S = 5, 60.0


class Chaos:
    """`answered` counts calls; `on_dead` is called while nothing of the node lives."""

    def __init__(
        self,
        node: Node,
        services: list[Service],
        *,
        seed: int,
        answered: Callable[[], int],
        on_dead: Callable[[], None],
    ) -> None:
        self._node = node
        self._services = {service.name: service for service in services}
        self._chooser = random.Random(seed)
        self._answered = answered
        self._on_dead = on_dead
        self._workers = [f"worker-{number}" for number in range(2)]
        #: What was done, such as `kill logd` or `restart sqld`.
        self.done: Counter[str] = Counter()
        self.last = ""

    async def run(self, until: float) -> None:
        """Until `until` (monotonic). Raises AssertionError when nothing is answered any more."""
        began = time.monotonic()
        while True:
            # All that is drawn is drawn here, in one order: the same seed gives the same kills.
            pause_s = self._chooser.uniform(*_PAUSE_S)
            act = self._chooser.choice(self._acts())
            await asyncio.sleep(max(0.0, min(pause_s, until - time.monotonic())))
            while int((time.monotonic() - began) / _MINUTE_S) % _CALM_EVERY == _CALM_EVERY - 1:
                self.last = "calm"
                await asyncio.sleep(min(1.0, max(0.05, until - time.monotonic())))
                if time.monotonic() >= until:
                    break
            if time.monotonic() >= until:
                return
            self.last = act
            self.done[act] += 1
            before = self._answered()
            await self._carry_out(*act.split())
            await self._progress(before, act)

    def _acts(self) -> list[str]:
        kills = [*_PROGRAMS, *self._workers, *self._workers, *self._services, _EVERYTHING, _EVERYTHING]
        return [*(f"kill {name}" for name in kills), *(f"restart {name}" for name in _PROGRAMS)]

    async def _carry_out(self, verb: str, name: str) -> None:
        if verb == "restart":
            await asyncio.to_thread(self._restart, name)
        elif name in self._services:
            service = self._services[name]
            await asyncio.to_thread(service.kill)
            await asyncio.sleep(self._chooser.uniform(0, 1))
            await asyncio.to_thread(service.start)
        elif name == _EVERYTHING:
            await asyncio.to_thread(self._node.kill_all)
            self._on_dead()
            await asyncio.to_thread(self._node.up)
        else:
            await asyncio.to_thread(self._node.kill, name)

    def _restart(self, name: str) -> None:
        done = self._node.everlog("restart", name, timeout=120)
        assert done.returncode == 0, f"everlog restart {name}: {done.stdout}{done.stderr}"

    async def _progress(self, before: int, act: str) -> None:
        deadline = time.monotonic() + _PROGRESS_WITHIN_S
        while self._answered() < before + _PROGRESS:
            assert time.monotonic() < deadline, f"nothing is answered within {_PROGRESS_WITHIN_S:.0f} s after: {act}"
            await asyncio.sleep(0.05)
