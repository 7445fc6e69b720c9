"""Requests answered by the fate of their own command: once it is applied, or with its outcome.

Rule that always holds: each request gets one answer, `Moved` when leadership is lost before.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from partitiond.leader.replies import Peer
from shared.api.partition import Moved

__all__ = ["Answers"]


class Answers:
    """Pending requests by a number of ours."""

    def __init__(self, when_applied: Callable[[Callable[[], None]], None]) -> None:
        self._when_applied = when_applied
        self._pending: dict[int, tuple[Peer, int]] = {}
        self._next = 1

    def expect(self, peer: Peer, request_id: int) -> int:
        """Remember the request; `answer` it under the number that this returns."""
        number = self._next
        self._next += 1
        self._pending[number] = (peer, request_id)
        return number

    def answer(self, number: int, make: Callable[[int], msgspec.Struct]) -> None:
        """`make` gets the request id. A number that is not pending (answered by `Moved`) is nobody's."""
        pending = self._pending.pop(number, None)
        if pending is not None:
            peer, request_id = pending
            peer.send(make(request_id))

    def once_applied(self, peer: Peer, request_id: int, reply: msgspec.Struct) -> None:
        """Send `reply` when all that was proposed so far is applied."""
        number = self.expect(peer, request_id)
        self._when_applied(lambda: self.answer(number, lambda _: reply))

    def moved(self, why: str) -> None:
        """Leadership is lost: all pending requests ask the next leader."""
        pending, self._pending = self._pending, {}
        for peer, request_id in pending.values():
            peer.send(Moved(request_id, why))
