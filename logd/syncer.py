"""Syncs the store. Owns: one thread.

A sync in the loop saves two changes of thread, a sixth of a lone append's time where the disk is fast;
but the loop stands still meanwhile. So a fast disk is synced in the loop, any other in the thread.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable
from queue import SimpleQueue

from logd.store import Store

__all__ = ["INLINE_S_MAX", "Syncer"]

_log = logging.getLogger(__name__)

#: The loop may stand still for this long, on average.
INLINE_S_MAX = 0.0005
#: Weight of the newest sync in the average: a few slow ones are enough to go over to the thread.
_WEIGHT = 0.1
#: A sync that takes longer is told of, so often at most.
_SLOW_S = 1.0
_TELL_EVERY_S = 10.0


class Syncer:
    """One sync at a time, in the loop or in the thread."""

    def __init__(self, store: Store, *, inline_s_max: float = INLINE_S_MAX) -> None:
        self._store = store
        self._inline_s_max = inline_s_max
        #: Unknown at the start: the first syncs are made in the thread.
        self._average_s = 10 * INLINE_S_MAX
        self._tell_at = 0.0
        self._loop = asyncio.get_running_loop()
        # Not run_in_executor: 42 us a hop, this 25 us.
        self._jobs: SimpleQueue[Callable[[BaseException | None], None] | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="log-sync", daemon=True)
        self._thread.start()

    @property
    def inline(self) -> bool:
        """The next sync is made in the loop."""
        return self._average_s < self._inline_s_max

    def start(self, done: Callable[[BaseException | None], None]) -> None:
        """Sync what is staged, then call `done` in a later loop turn, with the error if there was one."""
        if self.inline:
            self._loop.call_soon(done, self._sync())
        else:
            self._jobs.put(done)

    def close(self) -> None:
        """No sync is running and none will."""
        self._jobs.put(None)
        self._thread.join()

    def _run(self) -> None:
        while (done := self._jobs.get()) is not None:
            self._loop.call_soon_threadsafe(done, self._sync())

    def _sync(self) -> BaseException | None:
        started = time.perf_counter()
        try:
            self._store.sync()
        except Exception as error:
            return error
        now = time.perf_counter()
        took_s = now - started
        self._average_s += _WEIGHT * (took_s - self._average_s)
        if took_s >= _SLOW_S and now >= self._tell_at:
            self._tell_at = now + _TELL_EVERY_S
            _log.warning("a sync of the log took %.1f s: the disk is slow, and all that is to be stored waits", took_s)
        return None
