"""Asynchronous checkpoints of one partition: flush the store, keep what was flushed, let logd trim what that covers.

The log is kept from the older of the kept checkpoints on: should the newest be damaged, the older one and the log
still give the present state. That is bounded, for each new checkpoint drops the oldest.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from typing import NamedTuple, Protocol

from partitiond.keeper import Kept
from shared.snapshots.checkpoints import KeepError

__all__ = ["Checkpointable", "Checkpointer", "Made"]

_log = logging.getLogger(__name__)
#: So long after a checkpoint the keeper rests: a node that writes much makes one a second.
_REST_S = 5.0


class Checkpointable(Protocol):
    """A store that can make its commits durable."""

    def checkpoint(self) -> None: ...


class CheckpointKeeper(Protocol):
    """Keeps checkpoints of a store that was flushed. `keep` blocks, and raises KeepError. What it holds for the next
    one it lets go by `rest`."""

    def keep(self) -> Kept: ...

    def kept_lsns(self) -> list[int]: ...

    def rest(self) -> None: ...

    def close(self) -> None: ...


class Made(NamedTuple):
    """How a checkpoint went. `kept` None: it was flushed, but not kept for the reason `complaint`."""

    durable_lsn: int
    trimmed_lsn: int
    kept: Kept | None
    seconds: float
    complaint: str = ""


class Checkpointer:
    """Makes a checkpoint after so many log bytes, and at the latest so long after a change.

    Invariants: `durable_lsn` <= the store's applied LSN, and everything up to it survives a power loss;
    `trimmed_lsn` <= `durable_lsn`, and <= the LSN of each kept checkpoint.
    """

    def __init__(
        self,
        store: Checkpointable,
        applied_lsn: Callable[[], int],
        trim: Callable[[int], None],
        *,
        interval_s: float,
        log_bytes: int,
        keeper: CheckpointKeeper | None = None,
    ) -> None:
        """Without a `keeper` the log is trimmed up to what is flushed."""
        self._keeper = keeper
        self._store = store
        self._applied_lsn = applied_lsn
        self._trim = trim
        self._interval_s = interval_s
        self._log_bytes = log_bytes
        self._loop = asyncio.get_running_loop()
        self._bytes = 0
        self._alarm: asyncio.TimerHandle | None = None
        self._rest_alarm: asyncio.TimerHandle | None = None
        self._running: asyncio.Task[Made] | None = None
        self._closed = False
        kept = keeper.kept_lsns() if keeper is not None else []
        self.durable_lsn = kept[-1] if kept else 0
        self.trimmed_lsn = 0

    @property
    def running(self) -> bool:
        """One is being made."""
        return self._running is not None

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

    async def make_now(self) -> Made:
        """A checkpoint of all that is applied by now. Those who ask while one is waited for get the same one."""
        if self._running is not None:
            # That one may have begun before what the caller means to be in it.
            await asyncio.wait([self._running])
        running = self._running or self._start()
        return await asyncio.shield(running)

    def _start(self) -> asyncio.Task[Made]:
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None
        if self._rest_alarm is not None:
            self._rest_alarm.cancel()
            self._rest_alarm = None
        self._bytes = 0
        self._running = self._loop.create_task(self.checkpoint(), name="checkpoint")
        self._running.add_done_callback(self._ended)
        return self._running

    def _ended(self, task: asyncio.Task[Made]) -> None:
        self._running = None
        if task.cancelled():
            return
        if task.exception() is not None:
            # The store is in doubt: the process ends, and the log heals it.
            _log.critical("checkpoint failed", exc_info=task.exception())
            raise SystemExit(1)
        if self._closed:
            return
        if self._keeper is not None:
            self._rest_alarm = self._loop.call_later(_REST_S, self._keeper.rest)
        if self._bytes:
            self._plan()

    async def checkpoint(self) -> Made:
        """Flush in a thread, and keep what is flushed; processing goes on meanwhile."""
        began = time.monotonic()
        lsn = self._applied_lsn()
        await asyncio.to_thread(self._store.checkpoint)
        self.durable_lsn = max(self.durable_lsn, lsn)
        kept: Kept | None = None
        complaint = ""
        trim_lsn = lsn
        if self._keeper is not None:
            try:
                kept = await asyncio.to_thread(self._keeper.keep)
                # More may have been flushed by the time of the copy.
                self.durable_lsn = max(self.durable_lsn, kept.newest.applied_lsn)
                trim_lsn = min(self.durable_lsn, kept.oldest_lsn)
            except KeepError as error:
                # Nothing is lost: the log stays as it is, and the next one tries again.
                complaint = str(error)
                trim_lsn = 0
                if not self._closed:
                    _log.warning("no checkpoint was kept, so the log is not trimmed: %s", error)
        if trim_lsn > self.trimmed_lsn:
            self._trim(trim_lsn)
            self.trimmed_lsn = trim_lsn
        return Made(self.durable_lsn, self.trimmed_lsn, kept, time.monotonic() - began, complaint)

    async def close(self) -> None:
        """Wait for a running flush; begin no other checkpoint."""
        self._closed = True
        for alarm in (self._alarm, self._rest_alarm):
            if alarm is not None:
                alarm.cancel()
        if self._keeper is not None:
            self._keeper.close()
        if self._running is not None:
            await asyncio.gather(self._running, return_exceptions=True)
