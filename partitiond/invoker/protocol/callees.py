"""Whom one attempt called, and whether its handler is told their ids unasked. Pure: no I/O.

See `partitiond.machine.entries.call`.
"""

from __future__ import annotations

from partitiond.invoker.protocol.habits import Habits
from shared.wal.futures import Future

__all__ = ["Callees"]

#: So many calls that a handler makes before it waits are told at once: only with many does it matter.
_TOLD_AT_ONCE = 32
#: Calls of one attempt whose ids may be asked for. One that makes more is told the others at once.
_CALLS_MAX = 10_000


class Callees:
    """Of one attempt. Only for service protocol v7 and newer: before it no service says what it waits for."""

    __slots__ = ("_asked", "_habits", "_ids", "_made", "untold")

    def __init__(self, habits: Habits) -> None:
        self._habits = habits
        #: Calls that it made since it last waited.
        self._made = 0
        #: Completions that bring the ids of those beyond the first ones.
        self._ids: set[int] = set()
        self._asked = False
        #: It was not told the ids of some. Who sees it told, or asks for it, takes it back.
        self.untold = False

    def called(self, id_completion_id: int) -> bool:
        """A Call was made. Whether it is told the callee's id on request only."""
        self._made += 1
        if self._made <= _TOLD_AT_ONCE or self._asked or len(self._ids) >= _CALLS_MAX:
            return False
        self._ids.add(id_completion_id)
        later = self._habits.ids_on_request
        if later:
            self.untold = True
        return later

    def awaits(self, future: Future) -> bool:
        """The handler waits for this. Whether it asks by that for ids which it was not told."""
        self._habits.heard_awaiting()
        self._made = 0
        if self._ids and not self._asked:
            self._asked = any(not self._ids.isdisjoint(node.leaves) for node in future.nodes)
        asks = self._asked and self.untold
        if asks:
            self.untold = False
        return asks

    def ended(self) -> None:
        """The invocation is done."""
        if self._ids:
            self._habits.ended(asked_ids=self._asked)
