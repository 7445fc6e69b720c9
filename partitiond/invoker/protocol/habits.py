"""What attempts of one handler were seen to do. Pure: no I/O.

Volatile, and a hint only: nothing goes wrong where it does not hold, it takes a moment longer.
"""

from __future__ import annotations

__all__ = ["Habits"]


class Habits:
    """Of one handler at one deployment."""

    __slots__ = ("_asks_ids", "_says_awaiting")

    def __init__(self) -> None:
        #: Its SDK says what the handler waits for (AwaitingOn, service protocol v7).
        self._says_awaiting = False
        #: Its last attempt that called many and ended waited for the id of one.
        self._asks_ids = False

    @property
    def ids_on_request(self) -> bool:
        """It will say so if it waits for the id of what it called, and it hardly will."""
        return self._says_awaiting and not self._asks_ids

    def heard_awaiting(self) -> None:
        """An attempt said what its handler waits for."""
        self._says_awaiting = True

    def ended(self, *, asked_ids: bool) -> None:
        """An attempt that called many at once has ended."""
        self._asks_ids = asked_ids
