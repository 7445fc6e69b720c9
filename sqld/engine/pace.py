"""How much of its time a scan works while the machine is wanted by others. Owns: the rests of the query's thread."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

__all__ = ["Pace"]

#: A scan that gives way rests so many times as long as it has worked: it takes a ninth of a core.
_RESTS = 8.0
#: What lies between two chunks may be a client that reads slowly, which is no work.
_REST_S_MAX = 1.0


class Pace:
    """`gives_way` is set from beside the query, by who sees the machine; the query's own thread rests."""

    def __init__(self, *, patience_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        """`patience_s`: from here on a query rests no more, so that it comes to its end before its time is over."""
        self.gives_way = False
        self._patience_s = patience_s
        self._clock = clock
        self._began = self._since = clock()

    def begin(self) -> None:
        """Another query begins."""
        self._began = self._since = self._clock()

    def rest(self, cancelled: threading.Event) -> None:
        """Called between chunks. Returns early once `cancelled` is set."""
        now = self._clock()
        if self.gives_way and now - self._began < self._patience_s:
            cancelled.wait(min((now - self._since) * _RESTS, _REST_S_MAX))
            now = self._clock()
        self._since = now
