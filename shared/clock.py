"""Time as a port. `SystemClock` is the only reader of the wall clock; the pure core gets time in records."""

from __future__ import annotations

import time
from typing import Protocol

__all__ = ["Clock", "SimClock", "SystemClock"]


class Clock(Protocol):
    """Milliseconds since the Unix epoch. May jump; the machine keeps its own time monotone."""

    def now_ms(self) -> int: ...


class SystemClock:
    """The host's clock."""

    def now_ms(self) -> int:
        return time.time_ns() // 1_000_000


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
