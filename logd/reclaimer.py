"""Gives the disk space of trimmed entries back. Owns: at most one compaction at a time, in a thread.

RocksDB drops deleted ranges by itself as long as more is written; a group that falls silent after a
trim would keep its files for ever. A compaction reads and writes all that is kept, too: so it is made when trimming has
come to rest, or when much was trimmed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable

from logd.journal import GroupJournal
from logd.keys import entry_key, entry_range
from logd.store import Store

__all__ = ["RECLAIM_BYTES", "Reclaimer"]

#: Trimmed since the last compaction, all groups together: about 100 ms of one core give it back.
RECLAIM_BYTES = 64 * 1024 * 1024
#: So many times as much, while trimming goes on.
_BUSY_FACTOR = 4


class Reclaimer:
    """Compacts trimmed ranges once they are worth it."""

    def __init__(
        self, store: Store, on_error: Callable[[BaseException], None], *, bytes_min: int = RECLAIM_BYTES
    ) -> None:
        self._store = store
        self._on_error = on_error
        self._bytes_min = bytes_min
        self._task: asyncio.Task[None] | None = None
        #: Trimmed when it was asked last.
        self._seen_bytes = 0
        #: Compactions made.
        self.runs = 0

    def maybe_start(self, journals: Iterable[GroupJournal]) -> None:
        """Begin a compaction when enough was trimmed and none is running. Called once in a while."""
        trimmed = [journal for journal in journals if journal.unreclaimed_bytes]
        size = sum(journal.unreclaimed_bytes for journal in trimmed)
        at_rest = size == self._seen_bytes
        self._seen_bytes = size
        if self._task is not None or size < (self._bytes_min if at_rest else _BUSY_FACTOR * self._bytes_min):
            return
        ranges = [
            (entry_range(journal.group_id)[0], entry_key(journal.group_id, journal.first_index)) for journal in trimmed
        ]
        for journal in trimmed:
            journal.unreclaimed_bytes = 0
        self._task = asyncio.get_running_loop().create_task(self._run(ranges))

    async def close(self) -> None:
        """Wait for the compaction that is running."""
        if self._task is not None:
            await self._task

    async def _run(self, ranges: list[tuple[bytes, bytes]]) -> None:
        try:
            for first, end in ranges:
                await asyncio.to_thread(self._store.reclaim, first, end)
            self.runs += 1
        except Exception as error:
            self._on_error(error)
        finally:
            self._task = None
