"""What is to be written at the end of a turn of the event loop, or sooner. Owns nothing.

Writes of one turn are joined: a call of the system costs more than what it carries. But a turn may be long, and the
others, who work on other cores, wait for what it has made. So who has done a part of it ends the turn for what has
gathered until then.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

__all__ = ["Turn"]


class Turn:
    """For all that writes from one event loop."""

    def __init__(self) -> None:
        self._flushes: deque[Callable[[], None]] = deque()
        self._scheduled = False

    def add(self, flush: Callable[[], None]) -> None:
        """Call `flush` once, at the end of the turn at the latest."""
        self._flushes.append(flush)
        self._schedule()

    def write_now(self) -> None:
        """Do not wait for the end of the turn. What a flush raises comes through; the others have their turn later."""
        while self._flushes:
            self._flushes.popleft()()

    def _schedule(self) -> None:
        if not self._scheduled:
            self._scheduled = True
            asyncio.get_running_loop().call_soon(self._end)

    def _end(self) -> None:
        self._scheduled = False
        try:
            self.write_now()
        finally:
            if self._flushes:
                self._schedule()
