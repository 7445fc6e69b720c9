"""An event loop whose time stands still while there is work, and jumps to the next alarm when there is none.

Minutes of back-off pass in no time, in the same order in every run. A coroutine that waits for what can never come
fails at once instead of hanging.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

from shared.clock import SimClock

__all__ = ["LoopClock", "SimLoop", "simulate"]

T = TypeVar("T")


class _Selector(selectors.DefaultSelector):
    """Never blocks: what the loop would sleep is added to its time."""

    loop: SimLoop

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        events = super().select(0)
        if events or timeout == 0:
            return events
        if timeout is None:
            raise AssertionError("nothing is left that could ever happen")
        self.loop.advance(timeout)
        return events


class SimLoop(asyncio.SelectorEventLoop):
    """See the module. Threads cannot be waited for in it."""

    def __init__(self, *, seconds_max: float) -> None:
        selector = _Selector()
        super().__init__(selector)
        selector.loop = self
        self._now_s = 0.0
        self._seconds_max = seconds_max
        #: What the loop's exception handler was told. `simulate` raises the first.
        self.failures: list[BaseException] = []
        self.set_exception_handler(self._on_failure)

    def time(self) -> float:
        return self._now_s

    def advance(self, seconds: float) -> None:
        # A little more than asked for, so that rounding never leaves an alarm just ahead.
        self._now_s += seconds + 1e-9
        assert self._now_s < self._seconds_max, f"not done after {self._seconds_max} simulated seconds"

    def _on_failure(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        error = context.get("exception")
        self.failures.append(error if isinstance(error, BaseException) else AssertionError(context.get("message")))


class LoopClock(SimClock):
    """A wall clock that goes with the running loop's time. `advance` makes it jump."""

    def now_ms(self) -> int:
        return super().now_ms() + round(asyncio.get_running_loop().time() * 1000)


def simulate(main: Coroutine[Any, Any, T], *, seconds_max: float = 3600.0) -> T:
    """Run `main` in simulated time. Failures of callbacks and forgotten tasks are failures of the test."""
    loop = SimLoop(seconds_max=seconds_max)
    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        result = runner.run(main)
    if loop.failures:
        raise loop.failures[0]
    return result
