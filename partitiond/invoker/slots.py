"""How many attempts run at once, and who is next. Pure: no I/O."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable, Hashable
from typing import Protocol

__all__ = ["Gate", "OwnGate", "Slots", "Waiter"]


class Waiter(Protocol):
    """Who wants to run."""

    #: It gave up waiting.
    gone: bool

    @property
    def queue(self) -> Hashable:
        """Among whom it waits."""

    def begin(self) -> None:
        """A slot is yours: give it back with `release`, which may happen within this call."""


class Gate(Protocol):
    """How many run at once, maybe together with others."""

    def take(self) -> bool:
        """One more runs. False: not now."""

    def give(self) -> None:
        """One less runs."""

    def wait(self, *, on: bool) -> bool:
        """Somebody waits here, or nobody does any more. True: ask again after a while, for others give back too."""


class OwnGate:
    """So many run at once, and nobody else counts."""

    def __init__(self, count: int) -> None:
        assert count > 0
        self._free = count

    def take(self) -> bool:
        if not self._free:
            return False
        self._free -= 1
        return True

    def give(self) -> None:
        self._free += 1

    def wait(self, *, on: bool) -> bool:
        return False


class Slots:
    """Queues take turns, so that ten thousand of one do not starve the others; in a queue, first come, first served.
    Never within the call that asks.

    A host carries out the actions of one commit in a row: an attempt that began between two of them would replay a
    notification from the store and then be told of it again by the next action. So `defer` is the loop's `call_soon`.
    `later` calls back after a pause.
    """

    __slots__ = ("_arrived", "_asking", "_defer", "_deferred", "_gate", "_later", "_queues", "_told")

    def __init__(
        self,
        gate: Gate,
        defer: Callable[[Callable[[], None]], object],
        later: Callable[[Callable[[], None]], object],
    ) -> None:
        self._gate = gate
        self._defer = defer
        self._later = later
        #: Invariant: set whenever somebody waits and a slot may be free.
        self._deferred = False
        #: We shall ask the gate again.
        self._asking = False
        #: The gate knows that somebody waits.
        self._told = False
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
        self._gate.give()
        if self._queues or self._arrived:
            self._serve_soon()

    @property
    def crowded(self) -> bool:
        """Somebody has waited already."""
        return self._told

    def _serve_soon(self) -> None:
        if not self._deferred:
            self._deferred = True
            self._defer(self._serve)

    def _ask_again(self) -> None:
        self._asking = False
        if self._queues or self._arrived:
            self._serve_soon()

    def _serve(self) -> None:
        if not self._queues:
            self._serve_arrived()
        if self._queues:
            self._serve_queues()
        self._deferred = False
        waiting = bool(self._queues or self._arrived)
        if waiting:
            if self._gate.wait(on=True) and not self._asking:
                self._asking = True
                self._later(self._ask_again)
        elif self._told:
            self._gate.wait(on=False)
        self._told = waiting

    def _serve_arrived(self) -> None:
        """As they came; those for whom there is no slot are sorted into queues."""
        arrived, gate = self._arrived, self._gate
        served: Waiter | None = None
        while arrived:
            if arrived[0].gone:
                arrived.popleft()
            elif gate.take():
                served = arrived.popleft()
                served.begin()
            else:
                self._sort()
                if served is not None and served.queue in self._queues:
                    self._queues.move_to_end(served.queue)

    def _serve_queues(self) -> None:
        self._sort()
        while self._queues:
            name, queue = next(iter(self._queues.items()))
            if not queue[0].gone and not self._gate.take():
                return
            waiter = queue.popleft()
            if queue:
                self._queues.move_to_end(name)
            else:
                del self._queues[name]
            if not waiter.gone:
                waiter.begin()

    def _sort(self) -> None:
        while self._arrived:
            waiter = self._arrived.popleft()
            queue = self._queues.get(waiter.queue)
            if queue is None:
                self._queues[waiter.queue] = deque((waiter,))
            else:
                queue.append(waiter)
