"""Messages on their way to other partitions.

Rules that always hold:
- to each receiver one delivery is in flight; what gathers meanwhile goes with the next, in order;
- a message leaves the store only after its receiver has stored it;
- a delivery fits a record of the receiver's log, however large its messages are;
- what waits beyond a few megabytes stays in the store, and is read when its turn comes.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable

from partitiond.leader.tasks import spawn
from shared.errors import UnavailableError
from shared.storage.values import OutboxRow, encode
from shared.wal.commands import Command, OutboxMessage, TruncateOutbox

__all__ = ["Deliverer", "Outbox"]

_log = logging.getLogger(__name__)
_MESSAGES_MAX = 256
#: A delivery of more than one message ends before this.
_BYTES_TARGET = 1024 * 1024
#: Messages kept in memory; of those behind them only the number.
_KEPT_BYTES = 8 * 1024 * 1024
_BACKOFF_FIRST_S = 0.05
_BACKOFF_MAX_S = 1.0

#: (receiving partition, [(sequence, message)]) -> stored. Raises UnavailableError to be tried again.
Deliverer = Callable[[int, list[tuple[int, OutboxMessage]]], Awaitable[None]]


_Queued = tuple[int, OutboxMessage | None, int]


class Outbox:
    """The sending side of one partition."""

    def __init__(
        self,
        partition_of: Callable[[int], int],
        deliver: Deliverer,
        propose: Callable[[Command], None],
        read: Callable[[int], OutboxMessage],
    ) -> None:
        """`read`: the stored message of a sequence."""
        self._partition_of = partition_of
        self._deliver = deliver
        self._propose = propose
        self._read = read
        self._kept_bytes = 0
        #: By receiver: (sequence, message, or None: it is to be read, bytes).
        self._queues: dict[int, deque[_Queued]] = {}
        self._tasks: dict[int, asyncio.Task[None]] = {}

    def send(self, seq: int, row: OutboxRow) -> None:
        """Queue a stored message for whoever holds its key now."""
        receiver = self._partition_of(row.partition_key)
        size = len(encode(row))
        kept = self._kept_bytes + size <= _KEPT_BYTES
        if kept:
            self._kept_bytes += size
        self._queues.setdefault(receiver, deque()).append((seq, row.message if kept else None, size))
        if receiver not in self._tasks:
            self._tasks[receiver] = spawn(self._run(receiver), name=f"outbox-to-{receiver}")

    def stop(self) -> None:
        """Leadership is lost: the next leader sends what is still in the store."""
        for task in self._tasks.values():
            task.cancel()
        self._tasks.clear()
        self._queues.clear()
        self._kept_bytes = 0

    async def _run(self, receiver: int) -> None:
        queue = self._queues[receiver]
        backoff_s = _BACKOFF_FIRST_S
        while queue:
            messages = self._next_delivery(queue)
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
                _, message, size = queue.popleft()
                if message is not None:
                    self._kept_bytes -= size
            self._propose(TruncateOutbox([seq for seq, _ in messages]))
        # No await since the queue was seen empty: `send` starts a new task from here on.
        del self._tasks[receiver]
        del self._queues[receiver]

    def _next_delivery(self, queue: deque[_Queued]) -> list[tuple[int, OutboxMessage]]:
        """The first messages, as many as one record holds; at least one."""
        messages: list[tuple[int, OutboxMessage]] = []
        total = 0
        for seq, message, size in queue:
            total += size
            if messages and (total > _BYTES_TARGET or len(messages) == _MESSAGES_MAX):
                break
            messages.append((seq, self._read(seq) if message is None else message))
        return messages
