"""A stage for the invoker's tests: a host in memory with the real machine, and services that the test plays."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import uvloop

from partitiond.invoker.invoker import Invoker
from shared.catalog.catalog import Catalog
from shared.catalog.services import RetryPolicy
from shared.clock import SystemClock
from shared.config import Settings
from shared.wal.commands import Invoke
from tests.fakes.invoker_host import MemoryCatalog, MemoryHost
from tests.fakes.service_endpoint import FakeEndpoint, FakeStream
from tests.partitiond.invoker.builders import catalog, invoke

__all__ = ["FAST", "Stage", "play", "until"]

FAST = RetryPolicy(initial_interval_ms=1, max_interval_ms=1)


async def until(condition: Callable[[], object], *, seconds: float = 10.0) -> None:
    """Wait for it, with a deadline."""
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110  (what is waited for is plain state of others)
            await asyncio.sleep(0.001)


class Stage:
    """An invoker between a host in memory and services that the test plays."""

    def __init__(self, known: Catalog | None, settings: Settings, tick_s: float, hold_s: float) -> None:
        self.catalog = MemoryCatalog(known)
        self.endpoint = FakeEndpoint()
        self.host = MemoryHost()
        self.invoker = Invoker(
            catalog=self.catalog,
            settings=settings,
            clock=SystemClock(),
            make_endpoint=lambda key: self.endpoint,
            tick_s=tick_s,
            hold_s=hold_s,
            random_float=lambda: 0.0,
        )
        self.host.invoker = self.invoker
        self._played = 0

    async def stream(self) -> FakeStream:
        """The next request."""
        await until(lambda: len(self.endpoint.streams) > self._played)
        self._played += 1
        return self.endpoint.streams[self._played - 1]

    async def start(self, path: str = "Greeter/greet", argument: object = "Bob") -> tuple[Invoke, FakeStream]:
        call = invoke(path, argument)
        self.host.invoke(call)
        return call, await self.stream()

    async def ended(self, call: Invoke) -> object:
        await until(lambda: call.id in self.host.results)
        return self.host.results[call.id]

    async def settle(self) -> None:
        """Everything that is on its way without a timer has arrived."""
        for _ in range(10):
            await asyncio.sleep(0)


def play(
    scene: Callable[[Stage], Awaitable[None]],
    *,
    known: Catalog | None = None,
    tick_s: float = 0.005,
    hold_s: float = 0.001,
    **settings: Any,
) -> None:
    async def run() -> None:
        stage = Stage(known or catalog(retry=FAST), Settings(workers=1, **settings), tick_s, hold_s)
        try:
            await scene(stage)
        finally:
            await stage.invoker.close()
        assert stage.invoker.states() == []
        assert stage.endpoint.closed or not stage.endpoint.streams

    uvloop.run(run())
