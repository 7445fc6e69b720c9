"""One coarse timer for all attempts. Owns: a timer of the event loop, only while there is an attempt.

A timer object a message would cost more than the message. Time-outs are therefore late by up to one tick.
"""

from __future__ import annotations

import asyncio

from partitiond.invoker.attempt import Attempt

__all__ = ["Deadlines"]


class Deadlines:
    """Ticks every `tick_s` while anything is watched."""

    def __init__(self, tick_s: float = 1.0) -> None:
        self._tick_s = tick_s
        self._watched: dict[Attempt, None] = {}
        self._timer: asyncio.TimerHandle | None = None

    def add(self, watched: Attempt) -> None:
        self._watched[watched] = None
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(self._tick_s, self._tick)

    def discard(self, watched: Attempt) -> None:
        self._watched.pop(watched, None)

    def close(self) -> None:
        """Watch nothing any more."""
        self._watched.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _tick(self) -> None:
        loop = asyncio.get_running_loop()
        self._timer = None
        now = loop.time()
        for watched in list(self._watched):
            watched.on_tick(now)
        # The timer outlives the last attempt by one tick: a steady trickle of calls does not make one for each.
        if self._watched and self._timer is None:
            self._timer = loop.call_later(self._tick_s, self._tick)
