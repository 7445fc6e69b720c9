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

    __slots__ = ("_defer", "_deferred", "_free", "_queues")

    def __init__(self, count: int, defer: Callable[[Callable[[], None]], object]) -> None:
        assert count > 0
        self._free = count
        self._defer = defer
        #: Invariant: set whenever somebody waits and a slot is free.
        self._deferred = False
        #: In the order of their turns. Invariant: none is empty.
        self._queues: OrderedDict[Hashable, deque[Waiter]] = OrderedDict()

    def acquire(self, waiter: Waiter) -> None:
        """`begin` is called when the turn comes."""
        queue = self._queues.get(waiter.queue)
        if queue is None:
            self._queues[waiter.queue] = deque((waiter,))
        else:
            queue.append(waiter)
        self._serve_soon()

    def release(self) -> None:
        """Give a slot back."""
        self._free += 1
        if self._queues:
            self._serve_soon()

    def _serve_soon(self) -> None:
        if self._free and not self._deferred:
            self._deferred = True
            self._defer(self._serve)

    def _serve(self) -> None:
        queues = self._queues
        while self._free and queues:
            name, queue = queues.popitem(last=False)
            waiter = queue.popleft()
            if queue:
                queues[name] = queue
            if not waiter.gone:
                self._free -= 1
                waiter.begin()
        self._deferred = False
