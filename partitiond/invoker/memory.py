"""What large things may hold at once, on their way to services and from them. Pure: no I/O.

Each attempt may hold a little without asking (`FREE_BYTES` each way, and the window of its stream). What is larger,
a state, an entry, a message that comes in pieces, takes its size out of one budget for all attempts of the worker
first, and waits while that is used up.

Rules that always hold:
- who holds something can go on without more of it, so that nobody waits in a circle: all is taken at once;
- first come, first served: a large claim is not overtaken by small ones until none is left for it;
- a claim over the whole budget waits until it has the budget for itself.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

__all__ = ["FREE_BYTES", "Claim", "Memory"]

#: What needs no claim.
FREE_BYTES = 64 * 1024


class Claim:
    """A part of the budget, or a place in the line before it. Given back once, by whoever took it."""

    __slots__ = ("_memory", "_owner", "_ready", "granted", "size")

    def __init__(self, memory: Memory, owner: object, size: int, ready: Callable[[], None]) -> None:
        self._memory = memory
        self._owner = owner
        self._ready = ready
        self.size = size
        self.granted = False

    def shrink(self, size: int) -> None:
        """It turned out to be less."""
        assert self.granted
        if size < self.size:
            self._memory.give_back(self.size - size)
            self.size = size

    def release(self) -> None:
        """Needed no more, or not waited for any more. Again: nothing."""
        self._memory.forget(self)


class Memory:
    """The budget. `defer` is the loop's `call_soon`: who waited is never called within somebody else's call."""

    def __init__(self, bytes_limit: int, defer: Callable[[Callable[[], None]], object]) -> None:
        assert bytes_limit > 0
        self._limit = self._free = bytes_limit
        self._defer = defer
        self._line: deque[Claim] = deque()
        self._held: dict[object, set[Claim]] = {}
        self._deferred = False

    @property
    def contended(self) -> bool:
        """Somebody waits."""
        return bool(self._line)

    @property
    def used(self) -> int:
        """Bytes that are held."""
        return self._limit - self._free

    def claim(self, owner: object, size: int, ready: Callable[[], None]) -> Claim:
        """Granted at once, or `ready` is called when it is. `drop(owner)` ends all claims of an owner."""
        claim = Claim(self, owner, min(size, self._limit), ready)
        if not self._line and claim.size <= self._free:
            self._grant(claim)
        else:
            self._line.append(claim)
        return claim

    def drop(self, owner: object) -> None:
        """Nobody will give back what was taken for this owner."""
        for claim in list(self._held.get(owner, ())):
            self.forget(claim)

    def give_back(self, size: int) -> None:
        """For claims: so much is free again."""
        self._free += size
        self._serve_soon()

    def forget(self, claim: Claim) -> None:
        """For claims."""
        if claim.granted:
            claim.granted = False
            held = self._held[claim._owner]
            held.discard(claim)
            if not held:
                del self._held[claim._owner]
            self.give_back(claim.size)
        elif claim in self._line:
            self._line.remove(claim)
            # It may have been what stood before others that fit.
            self._serve_soon()

    def _grant(self, claim: Claim) -> None:
        claim.granted = True
        self._free -= claim.size
        self._held.setdefault(claim._owner, set()).add(claim)

    def _serve_soon(self) -> None:
        if self._line and not self._deferred:
            self._deferred = True
            self._defer(self._serve)

    def _serve(self) -> None:
        self._deferred = False
        while self._line and self._line[0].size <= self._free:
            claim = self._line.popleft()
            self._grant(claim)
            claim._ready()
