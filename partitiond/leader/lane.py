"""Large requests of clients on their way to the log.

Rules that always hold:
- a connection that brought more than the log has taken is not read, so that its sender waits, and nobody else;
- whatever becomes of the leadership, a connection that was held is read again.
"""

from __future__ import annotations

from collections.abc import Callable

from partitiond.leader.replies import Peer

__all__ = ["UNAPPLIED_BYTES", "Lane"]

#: Bytes of large requests that may be proposed and not applied.
UNAPPLIED_BYTES = 8 * 1024 * 1024


class Lane:
    """Of one partition."""

    def __init__(self, when_applied: Callable[[Callable[[], None]], None]) -> None:
        self._when_applied = when_applied
        self._unapplied = 0
        #: Leaderships: what was proposed in an earlier one is not counted any more.
        self._term = 0
        self._held: dict[Peer, None] = {}

    def took(self, peer: Peer, size: int) -> None:
        """A request of this size was proposed."""
        self._unapplied += size
        term = self._term
        self._when_applied(lambda: self._applied(term, size))
        if self._unapplied > UNAPPLIED_BYTES and peer not in self._held:
            self._held[peer] = None
            peer.hold(on=True)

    def stop(self) -> None:
        """Leadership is lost: nobody is told what becomes of what was proposed."""
        self._term += 1
        self._unapplied = 0
        self._go_on()

    def _applied(self, term: int, size: int) -> None:
        if term == self._term:
            self._unapplied -= size
            if self._unapplied <= UNAPPLIED_BYTES // 2:
                self._go_on()

    def _go_on(self) -> None:
        held, self._held = self._held, {}
        for peer in held:
            peer.hold(on=False)
