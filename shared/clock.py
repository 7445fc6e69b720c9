"""Time as a port. `SystemClock` is the only reader of the wall clock; the pure core gets time in records."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Protocol

__all__ = ["Clock", "JumpWatch", "SimClock", "SystemClock"]

#: Ids and keys of timers hold the time in 48 bits (until the year 10889), and no time before 1970.
_TIME_MS_MAX = 2**48 - 1


class Clock(Protocol):
    """Milliseconds since the Unix epoch. May jump; the machine keeps its own time monotone."""

    def now_ms(self) -> int: ...


class SystemClock:
    """The host's clock. One that is set to before 1970 stands at 1970."""

    def now_ms(self) -> int:
        return min(max(0, time.time_ns() // 1_000_000), _TIME_MS_MAX)


class SimClock:
    """A clock that moves only when told to. For tests and simulation."""

    def __init__(self, start_ms: int = 1_700_000_000_000) -> None:
        self._now_ms = start_ms

    def now_ms(self) -> int:
        return self._now_ms

    def advance(self, *, ms: int) -> int:
        """Move forward (or back, as real clocks do) by `ms` and return the new time."""
        self._now_ms += ms
        return self._now_ms


class JumpWatch:
    """Tells by how much the wall clock was moved: what it went on beyond the time that passed."""

    def __init__(self, clock: Clock, steady_s: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._steady_s = steady_s
        self._offset_ms = self._offset()

    def _offset(self) -> float:
        return self._clock.now_ms() - self._steady_s() * 1000

    def moved_ms(self) -> int:
        """Since the last call: above 0 forward, below 0 back."""
        before, self._offset_ms = self._offset_ms, self._offset()
        return round(self._offset_ms - before)
