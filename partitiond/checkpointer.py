"""Asynchronous checkpoints of one partition: flush the store, then let logd trim what it covers."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Protocol

__all__ = ["Checkpointable", "Checkpointer"]

_log = logging.getLogger(__name__)


class Checkpointable(Protocol):
    """A store that can make its commits durable."""

    def checkpoint(self) -> None: ...


class Checkpointer:
    """Makes a checkpoint after so many log bytes, and at the latest so long after a change.

    Invariant: `durable_lsn` <= the store's applied LSN, and everything up to it survives a power loss.
    """

    def __init__(
        self,
        store: Checkpointable,
        applied_lsn: Callable[[], int],
        trim: Callable[[int], None],
        *,
        interval_s: float,
        log_bytes: int,
    ) -> None:
        self._store = store
        self._applied_lsn = applied_lsn
        self._trim = trim
        self._interval_s = interval_s
        self._log_bytes = log_bytes
        self._loop = asyncio.get_running_loop()
        self._bytes = 0
        self._alarm: asyncio.TimerHandle | None = None
        self._running: asyncio.Task[None] | None = None
        self._closed = False
        self.durable_lsn = 0

    def on_committed(self, log_bytes: int) -> None:
        """So many bytes of the log were applied."""
        self._bytes += log_bytes
        self._plan()

    def _plan(self) -> None:
        if self._running is not None:
            return  # It plans the next one when it ends.
        if self._bytes >= self._log_bytes:
            self._start()
        elif self._alarm is None:
            self._alarm = self._loop.call_later(self._interval_s, self._start)

    def _start(self) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None
        self._bytes = 0
        self._running = self._loop.create_task(self.checkpoint(), name="checkpoint")
        self._running.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._running = None
        if task.cancelled():
            return
        if task.exception() is not None:
            # The store is in doubt: the process ends, and the log heals it.
            _log.critical("checkpoint failed", exc_info=task.exception())
            raise SystemExit(1)
        if self._bytes and not self._closed:
            self._plan()

    async def checkpoint(self) -> None:
        """Flush in a thread; processing goes on meanwhile."""
        lsn = self._applied_lsn()
        await asyncio.to_thread(self._store.checkpoint)
        self.durable_lsn = lsn
        self._trim(lsn)

    async def close(self) -> None:
        """Wait for a running checkpoint; begin no other."""
        self._closed = True
        if self._alarm is not None:
            self._alarm.cancel()
        if self._running is not None:
            await asyncio.gather(self._running, return_exceptions=True)
