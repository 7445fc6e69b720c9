"""How many attempts run at once, and who is next. Pure: no I/O."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Protocol

__all__ = ["Gate", "OwnGate", "Slots", "Waiter"]


class Waiter(Protocol):
    """Who wants to run."""

    #: It gave up waiting.
    gone: bool

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
    """First come, first served, and never within the call that asks.

    A host carries out the actions of one commit in a row: an attempt that began between two of them would replay a
    notification from the store and then be told of it again by the next action. So `defer` is the loop's `call_soon`.
    `later` calls back after a pause.
    """

    __slots__ = ("_asking", "_defer", "_deferred", "_gate", "_later", "_told", "_waiting")

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
        self._waiting: deque[Waiter] = deque()

    def acquire(self, waiter: Waiter) -> None:
        """`begin` is called when the turn comes."""
        self._waiting.append(waiter)
        self._serve_soon()

    def release(self) -> None:
        """Give a slot back."""
        self._gate.give()
        if self._waiting:
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
        if self._waiting:
            self._serve_soon()

    def _serve(self) -> None:
        waiting, gate = self._waiting, self._gate
        while waiting:
            if waiting[0].gone:
                waiting.popleft()
            elif gate.take():
                waiting.popleft().begin()
            else:
                break
        self._deferred = False
        if waiting:
            self._told = True
            if gate.wait(on=True) and not self._asking:
                self._asking = True
                self._later(self._ask_again)
        elif self._told:
            self._told = False
            gate.wait(on=False)
