"""What nobody waits for is reported with what follows it, or a moment later. Owns: a timer, only while some is held.

A handler's `run` is two messages, the command and, when its closure is done, the result: SDKs write them one after the
other, and each alone would be a record, an apply and a commit. What is held is not in the log, so it did not happen: a
crash brings the handler back to where it was before.
"""

from __future__ import annotations

import asyncio
from typing import Protocol

__all__ = ["Coalescer", "Holder"]


class Holder(Protocol):
    """Who holds effects: a chain of attempts."""

    def report_held(self) -> None:
        """Report what is held, if anything still is."""
        ...


class Coalescer:
    """Sees to it that nothing is held longer than `2 * hold_s`."""

    def __init__(self, hold_s: float) -> None:
        self._hold_s = hold_s
        self._timer: asyncio.TimerHandle | None = None
        #: Who began to hold since the last tick, and before it. Some have reported since: to strike them out would
        #: cost more than to ask them.
        self._young: dict[Holder, None] = {}
        self._old: dict[Holder, None] = {}

    def add(self, holder: Holder) -> None:
        """It begins to hold."""
        self._young[holder] = None
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(self._hold_s, self._tick)

    def close(self) -> None:
        """Nobody is asked any more."""
        self._young, self._old = {}, {}
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _tick(self) -> None:
        self._timer = None
        due, self._old, self._young = self._old, self._young, {}
        for holder in due:
            holder.report_held()
        if self._timer is None and (self._old or self._young):
            self._timer = asyncio.get_running_loop().call_later(self._hold_s, self._tick)
