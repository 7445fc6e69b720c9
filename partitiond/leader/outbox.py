"""Messages on their way to other partitions.

Rules that always hold:
- to each receiver one delivery is in flight; what gathers meanwhile goes with the next, in order;
- a message leaves the store only after its receiver has stored it.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable

from shared.errors import UnavailableError
from shared.storage.values import OutboxRow
from shared.wal.commands import Command, OutboxMessage, TruncateOutbox

__all__ = ["Deliverer", "Outbox"]

_log = logging.getLogger(__name__)
_MESSAGES_MAX = 256
_BACKOFF_FIRST_S = 0.05
_BACKOFF_MAX_S = 1.0

#: (receiving partition, [(sequence, message)]) -> stored. Raises UnavailableError to be tried again.
Deliverer = Callable[[int, list[tuple[int, OutboxMessage]]], Awaitable[None]]


class Outbox:
    """The sending side of one partition."""

    def __init__(
        self, partition_of: Callable[[int], int], deliver: Deliverer, propose: Callable[[Command], None]
    ) -> None:
        self._partition_of = partition_of
        self._deliver = deliver
        self._propose = propose
        self._queues: dict[int, deque[tuple[int, OutboxMessage]]] = {}
        self._tasks: dict[int, asyncio.Task[None]] = {}

    def send(self, seq: int, row: OutboxRow) -> None:
        """Queue a stored message for whoever holds its key now."""
        receiver = self._partition_of(row.partition_key)
        self._queues.setdefault(receiver, deque()).append((seq, row.message))
        if receiver not in self._tasks:
            self._tasks[receiver] = asyncio.get_running_loop().create_task(
                self._run(receiver), name=f"outbox-to-{receiver}"
            )

    def stop(self) -> None:
        """Leadership is lost: the next leader sends what is still in the store."""
        for task in self._tasks.values():
            task.cancel()
        self._tasks.clear()
        self._queues.clear()

    async def _run(self, receiver: int) -> None:
        queue = self._queues[receiver]
        backoff_s = _BACKOFF_FIRST_S
        while queue:
            messages = [queue[i] for i in range(min(len(queue), _MESSAGES_MAX))]
            try:
                await self._deliver(receiver, messages)
            except UnavailableError as error:
                if backoff_s >= _BACKOFF_MAX_S:
                    _log.warning("outbox to partition=%d waits: %s", receiver, error)
                await asyncio.sleep(backoff_s)
                backoff_s = min(backoff_s * 2, _BACKOFF_MAX_S)
                continue
            backoff_s = _BACKOFF_FIRST_S
            for _ in messages:
                queue.popleft()
            self._propose(TruncateOutbox([seq for seq, _ in messages]))
        # No await since the queue was seen empty: `send` starts a new task from here on.
        del self._tasks[receiver]
        del self._queues[receiver]
