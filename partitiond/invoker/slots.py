"""How many attempts run at once, and who is next. Pure: no I/O."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable, Hashable
from typing import Protocol

__all__ = ["Slots", "Waiter"]


class Waiter(Protocol):
    """Who wants to run."""

    #: It gave up waiting.
    gone: bool

    @property
    def queue(self) -> Hashable:
        """Among whom it waits."""

    def begin(self) -> None:
        """A slot is yours: give it back with `release`, which may happen within this call."""


class Slots:
    """Queues take turns, so that ten thousand of one do not starve the others; in a queue, first come, first served.
    Never within the call that asks.

    A host carries out the actions of one commit in a row: an attempt that began between two of them would replay a
    notification from the store and then be told of it again by the next action. So `defer` is the loop's `call_soon`.
    """

    __slots__ = ("_arrived", "_defer", "_deferred", "_free", "_queues")

    def __init__(self, count: int, defer: Callable[[Callable[[], None]], object]) -> None:
        assert count > 0
        self._free = count
        self._defer = defer
        #: Invariant: set whenever somebody waits and a slot is free.
        self._deferred = False
        #: Those that came since the last look. As long as there is a slot for each, nobody sorts them.
        self._arrived: deque[Waiter] = deque()
        #: In the order of their turns. Invariant: none is empty.
        self._queues: OrderedDict[Hashable, deque[Waiter]] = OrderedDict()

    def acquire(self, waiter: Waiter) -> None:
        """`begin` is called when the turn comes."""
        self._arrived.append(waiter)
        self._serve_soon()

    def release(self) -> None:
        """Give a slot back."""
        self._free += 1
        if self._queues or self._arrived:
            self._serve_soon()

    def _serve_soon(self) -> None:
        if self._free and not self._deferred:
            self._deferred = True
            self._defer(self._serve)

    def _serve(self) -> None:
        arrived = self._arrived
        while self._free and (arrived or self._queues):
            if self._queues or len(arrived) > self._free:
                self._sort()
                waiter = self._next()
            else:
                waiter = arrived.popleft()
            if not waiter.gone:
                self._free -= 1
                waiter.begin()
        self._deferred = False

    def _sort(self) -> None:
        while self._arrived:
            waiter = self._arrived.popleft()
            queue = self._queues.get(waiter.queue)
            if queue is None:
                self._queues[waiter.queue] = deque((waiter,))
            else:
                queue.append(waiter)

    def _next(self) -> Waiter:
        name, queue = self._queues.popitem(last=False)
        waiter = queue.popleft()
        if queue:
            self._queues[name] = queue
        return waiter
