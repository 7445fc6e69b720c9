"""One coarse timer for all attempts. Owns: a timer of the event loop, only while there is an attempt.

A timer object a message would cost more than the message. Time-outs are therefore late by up to one tick; only those
that are shorter than a tick have timers of their own.
"""

from __future__ import annotations

import asyncio
from typing import Protocol

__all__ = ["Deadlines", "Watched"]

#: Between two looks at an attempt whose time is up and that is let live, since it waits for us.
_AGAIN_S = 0.05


class Watched(Protocol):
    """What has a time-out: an attempt."""

    @property
    def due(self) -> float:
        """When it is over, in the loop's time."""
        ...

    def on_tick(self, now: float) -> None:
        """It may be over."""
        ...


class Deadlines:
    """Ticks every `tick_s` while anything is watched."""

    def __init__(self, tick_s: float = 1.0) -> None:
        self._tick_s = tick_s
        self._watched: dict[Watched, None] = {}
        self._timer: asyncio.TimerHandle | None = None
        #: Timers of those with short time-outs.
        self._exact: dict[Watched, asyncio.TimerHandle] = {}

    def add(self, watched: Watched, shortest_s: float) -> None:
        self._watched[watched] = None
        loop = asyncio.get_running_loop()
        if self._timer is None:
            self._timer = loop.call_later(self._tick_s, self._tick)
        if shortest_s < self._tick_s:
            self._exact[watched] = loop.call_at(watched.due, self._look, watched)

    def discard(self, watched: Watched) -> None:
        self._watched.pop(watched, None)
        if self._exact and (timer := self._exact.pop(watched, None)) is not None:
            timer.cancel()

    def close(self) -> None:
        """Watch nothing any more."""
        self._watched.clear()
        for timer in self._exact.values():
            timer.cancel()
        self._exact.clear()
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

    def _look(self, watched: Watched) -> None:
        """Its time was up when the timer was set; whatever moved since has put it off."""
        loop = asyncio.get_running_loop()
        now = loop.time()
        if watched.due <= now:
            watched.on_tick(now)
        if watched in self._exact:
            due = watched.due
            self._exact[watched] = loop.call_at(due if due > now else now + _AGAIN_S, self._look, watched)
