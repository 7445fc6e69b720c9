"""Proposes to forget what has expired. Reads the store in slices, so that nobody waits for it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from partitiond.leader.tasks import spawn
from partitiond.machine.tables import Tables
from shared.clock import Clock
from shared.storage import keys, values
from shared.storage.values import Status
from shared.wal.commands import CleanUp, Command

__all__ = ["Cleaner", "expired", "expired_drops"]

_SLICE_ROWS = 500
_SLICE_PAUSE_S = 0.02
#: Journal entries that one record removes, unless one invocation has more.
_ENTRIES_MAX = 5000
_STATUS_AT = 3


def expired(tables: Tables, start: bytes, now_ms: int) -> tuple[list[bytes], bytes | None]:
    """Look at one slice of invocations from key `start`: (ids due, where the next slice begins or None at the end)."""
    due: list[bytes] = []
    seen = entries = 0
    for key, value in tables.scan(start, keys.JOURNAL):
        if seen == _SLICE_ROWS or entries >= _ENTRIES_MAX:
            return due, key
        seen += 1
        if value[_STATUS_AT] != Status.COMPLETED:
            continue
        row = values.decode_invocation(value)
        journal_due = row.journal_length > 0 and row.completed_at_ms + row.journal_retention_ms <= now_ms
        if row.expires_at_ms <= now_ms or journal_due:
            due.append(key[1:])
            entries += row.journal_length
    return due, None


def expired_drops(tables: Tables, start: bytes, now_ms: int) -> tuple[list[bytes], bytes | None]:
    """The same of what is kept of invocations that never began, from key `start`."""
    due: list[bytes] = []
    for seen, (key, value) in enumerate(tables.scan(start, keys.prefix_end(keys.DROPPED))):
        if seen == _SLICE_ROWS:
            return due, key
        if values.decode_dropped(value).until_ms <= now_ms:
            due.append(key[1:])
    return due, None


class Cleaner:
    """Walks over all invocations every `interval_s` seconds."""

    def __init__(self, tables: Tables, clock: Clock, propose: Callable[[Command], None], *, interval_s: float) -> None:
        self._tables = tables
        self._clock = clock
        self._propose = propose
        self._interval_s = interval_s
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = spawn(self._run(), name="cleaner")

    def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            self._task = None

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(self._interval_s)
            await self._walk(expired, keys.INVOCATION)
            await self._walk(expired_drops, keys.DROPPED)

    async def _walk(self, find: Callable[[Tables, bytes, int], tuple[list[bytes], bytes | None]], first: bytes) -> None:
        start: bytes | None = first
        while start is not None:
            due, start = find(self._tables, start, self._clock.now_ms())
            if due:
                self._propose(CleanUp(due))
            await asyncio.sleep(_SLICE_PAUSE_S)
