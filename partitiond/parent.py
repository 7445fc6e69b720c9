"""Keeps the worker processes alive. Owns: the worker processes."""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import Callable
from typing import Any

import multiprocess
from multiprocess import resource_tracker

from partitiond import worker
from shared.config import Settings
from shared.errors import ConfigError

__all__ = ["serve"]

_log = logging.getLogger(__name__)
_BACKOFF_FIRST_S = 0.1
_BACKOFF_MAX_S = 5.0
#: A worker that lived this long starts again without back-off.
_STEADY_S = 10.0
_DRAIN_S = 15.0


#: (index, data directory): the main function of a worker process.
WorkerTarget = Callable[[int, str], None]


class WorkerKeeper:
    """One worker process and its successors."""

    def __init__(self, index: int, settings: Settings, target: WorkerTarget) -> None:
        self._index = index
        self._settings = settings
        self._target = target
        self._context = _spawn_context()
        self._process: Any = None

    async def run(self, stopping: asyncio.Event) -> None:
        """Start the worker, and again when it dies, until `stopping` is set; then drain it.

        Raises ConfigError when it died of what only the operator can mend.
        """
        backoff_s = _BACKOFF_FIRST_S
        while not stopping.is_set():
            started = time.monotonic()
            died = self._start()
            stop = asyncio.ensure_future(stopping.wait())
            either: set[asyncio.Future[Any]] = {died, stop}
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            stop.cancel()
            if stopping.is_set():
                await self._drain(died)
                return
            self._process.join()
            if self._process.exitcode == worker.EXIT_CONFIG:
                raise ConfigError(f"worker {self._index} cannot run, see above: another start would not mend that")
            if time.monotonic() - started > _STEADY_S:
                backoff_s = _BACKOFF_FIRST_S
            _log.error(
                "worker %d died (exit code %s), starting again in %.1f s",
                self._index,
                self._process.exitcode,
                backoff_s,
            )
            await _wait(stopping, backoff_s)
            backoff_s = min(backoff_s * 2, _BACKOFF_MAX_S)

    def _start(self) -> asyncio.Future[None]:
        self._process = self._context.Process(
            target=self._target, args=(self._index, self._settings.data_dir), name=f"partitiond-{self._index}"
        )
        self._process.start()
        loop = asyncio.get_running_loop()
        died: asyncio.Future[None] = loop.create_future()
        sentinel = self._process.sentinel

        def on_exit() -> None:
            loop.remove_reader(sentinel)
            if not died.done():
                died.set_result(None)

        loop.add_reader(sentinel, on_exit)
        return died

    async def _drain(self, died: asyncio.Future[None]) -> None:
        if not died.done():
            self._process.terminate()
        try:
            async with asyncio.timeout(_DRAIN_S):
                await died
        except TimeoutError:
            _log.error("worker %d did not drain within %.0f s, killing it", self._index, _DRAIN_S)
            self._process.kill()
        self._process.join()


def _spawn_context() -> Any:
    """Processes started afresh: a fork of a running event loop would share its sockets and signals.

    `spawn` would start one more process, of 10 MB, to clean up semaphores and shared memory that ours leave behind.
    They have none, so it is made believe that its tracker runs already.
    """
    tracker = resource_tracker._resource_tracker
    if tracker._fd is None:
        tracker._fd = os.open(os.devnull, os.O_WRONLY)
    return multiprocess.get_context("spawn")


async def _wait(stopping: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await stopping.wait()
    except TimeoutError:
        pass


async def serve(settings: Settings, stopping: asyncio.Event, target: WorkerTarget = worker.main) -> None:
    """Run all workers until `stopping` is set. Raises ConfigError when one cannot run; the others are drained first."""
    keepers = [WorkerKeeper(index, settings, target) for index in range(settings.worker_count)]

    async def keep(keeper: WorkerKeeper) -> None:
        try:
            await keeper.run(stopping)
        finally:
            stopping.set()

    ends = await asyncio.gather(*(keep(keeper) for keeper in keepers), return_exceptions=True)
    for error in ends:
        if error is not None:
            raise error
