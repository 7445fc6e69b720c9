"""Syncs the store without stopping the loop. Owns: one thread.

A dedicated thread and a queue: `run_in_executor` costs three times as much a hop.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from queue import SimpleQueue

from logd.store import Store

__all__ = ["InlineSyncer", "Syncer", "ThreadSyncer"]


class Syncer:
    """Port: one sync at a time."""

    def start(self, done: Callable[[BaseException | None], None]) -> None:
        """Sync what is staged, then call `done` in the loop, with the error if there was one."""
        raise NotImplementedError

    def close(self) -> None:
        """No sync is running and none will."""


class InlineSyncer(Syncer):
    """Syncs in the loop: for tests, and to measure the thread against."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def start(self, done: Callable[[BaseException | None], None]) -> None:
        try:
            self._store.sync()
        except Exception as error:
            done(error)
            return
        asyncio.get_running_loop().call_soon(done, None)


class ThreadSyncer(Syncer):
    """Syncs in its own thread."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._loop = asyncio.get_running_loop()
        self._jobs: SimpleQueue[Callable[[BaseException | None], None] | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="log-sync", daemon=True)
        self._thread.start()

    def start(self, done: Callable[[BaseException | None], None]) -> None:
        self._jobs.put(done)

    def close(self) -> None:
        self._jobs.put(None)
        self._thread.join()

    def _run(self) -> None:
        while (done := self._jobs.get()) is not None:
            failure: BaseException | None = None
            try:
                self._store.sync()
            except BaseException as error:
                failure = error
            self._loop.call_soon_threadsafe(done, failure)
