"""The next due timer. Holds one alarm; the timers themselves stay in the store."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from partitiond.machine.tables import Tables
from shared.clock import Clock
from shared.storage import keys
from shared.wal.commands import Command, FireTimers

__all__ = ["TIMERS_MAX", "Timers"]

#: An alarm is never set further away, so that a jump of the clock is noticed.
_ALARM_MS_MAX = 5_000
#: Timers of one record: when thousands are due at once, others have their turn in between.
TIMERS_MAX = 256


class Timers:
    """Proposes `FireTimers` when the first timer row is due."""

    def __init__(
        self,
        tables: Tables,
        clock: Clock,
        propose: Callable[[Command], None],
        when_applied: Callable[[Callable[[], None]], None],
    ) -> None:
        self._tables = tables
        self._clock = clock
        self._propose = propose
        self._when_applied = when_applied
        self._loop = asyncio.get_running_loop()
        self._alarm: asyncio.TimerHandle | None = None
        self._alarm_at_ms = 0
        self._firing = False

    def start(self) -> None:
        """Look for the first timer."""
        self._firing = False
        self._look()

    def stop(self) -> None:
        """Leadership is lost."""
        self._firing = True
        self._cancel()

    def registered(self, fire_at_ms: int) -> None:
        """A timer row was stored."""
        if self._firing or (self._alarm is not None and self._alarm_at_ms <= fire_at_ms):
            return
        self._set(fire_at_ms)

    def _set(self, fire_at_ms: int) -> None:
        self._cancel()
        delay_ms = min(max(0, fire_at_ms - self._clock.now_ms()), _ALARM_MS_MAX)
        self._alarm_at_ms = fire_at_ms
        self._alarm = self._loop.call_later(delay_ms / 1000, self._look)

    def _cancel(self) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None

    def _look(self) -> None:
        self._cancel()
        first = next(iter(self._tables.scan(keys.TIMER, keys.OUTBOX)), None)
        if first is None:
            return
        fire_at_ms, _, _ = keys.decode_timer(first[0])
        now_ms = self._clock.now_ms()
        if fire_at_ms > now_ms:
            self._set(fire_at_ms)
            return
        self._firing = True
        self._propose(FireTimers(now_ms, TIMERS_MAX))
        self._when_applied(self.start)
