"""Who follows a group's tail: committed batches, each exactly once, in order, to each follower.

A follower is live (every batch goes out as it is committed, encoded once for all) or behind: then a task
reads bounded chunks of the log for it, as fast as it takes them, until it is live again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Protocol

import msgspec

from logd.journal import Entry
from logd.raft.private import COMMAND
from shared.api.log import Committed, LogError

__all__ = ["CHUNK_BYTES", "Follower", "FollowerSource", "Followers", "Subscriber", "is_batch"]

#: Read at once for a follower that is behind: about a millisecond of the loop.
CHUNK_BYTES = 256 * 1024

_COMMAND: int = COMMAND
_NOBODY: tuple[Subscriber | None, int] = (None, 0)
_encode = msgspec.msgpack.Encoder().encode


class Subscriber(Protocol):
    """The connection of a follower."""

    @property
    def closed(self) -> bool: ...

    @property
    def paused(self) -> bool: ...

    def send(self, message: msgspec.Struct) -> None: ...

    def send_encoded(self, payload: bytes) -> None: ...

    async def drained(self) -> None: ...


class FollowerSource(Protocol):
    """The group, as a follower that is behind reads it."""

    @property
    def name(self) -> str: ...

    @property
    def published_index(self) -> int:
        """Newest entry that may be shown."""

    @property
    def tail_lsn(self) -> int: ...

    def trimmed(self, lsn: int) -> str | None:
        """Why `lsn` cannot be read any more; None when it can."""

    def read_committed(self, first: int, *, bytes_limit: int) -> list[Entry]:
        """Published entries from `first` on."""


class Follower:
    """One subscription. `next_index`: every entry before it was sent."""

    def __init__(self, connection: Subscriber, request_id: int, next_index: int) -> None:
        self.connection = connection
        self.request_id = request_id
        self.next_index = next_index
        self.live = False
        self.task: asyncio.Task[None] | None = None


def is_batch(command: bytes) -> bool:
    """A client's batch, not Raft's own entry."""
    return command[0] == _COMMAND


class Followers:
    """The followers of one group. `on_error`: an exception in a catch-up task, which ends the process."""

    def __init__(self, source: FollowerSource, on_error: Callable[[BaseException], None]) -> None:
        self._source = source
        self._on_error = on_error
        self._by_connection: dict[Subscriber, Follower] = {}

    def __len__(self) -> int:
        return len(self._by_connection)

    def connections(self) -> list[Subscriber]:
        return list(self._by_connection)

    def add(self, connection: Subscriber, *, request_id: int, from_lsn: int) -> None:
        """Subscribe; an earlier subscription of this connection ends."""
        self.remove(connection)
        follower = Follower(connection, request_id, max(from_lsn, 1))
        self._by_connection[connection] = follower
        if follower.next_index > self._source.published_index:
            follower.live = True
        else:
            self._start_catch_up(follower)

    def remove(self, connection: Subscriber) -> None:
        """The connection is gone, or subscribes anew."""
        follower = self._by_connection.pop(connection, None)
        if follower is not None and follower.task is not None:
            follower.task.cancel()

    def publish(self, entries: list[Entry], kept: Mapping[int, tuple[Subscriber, int]]) -> None:
        """Newly committed entries; the source's tail is moved already. `kept`: whose own append one is, of which
        number, if the payload is there still."""
        live = [follower for follower in self._by_connection.values() if follower.live]
        if not live:
            return
        for command, index, _ in entries:
            if not is_batch(command):
                continue
            keeper, request_id = kept.get(index, _NOBODY) if kept else _NOBODY
            frame: bytes | None = None
            for follower in live:
                if index < follower.next_index:
                    continue
                if follower.connection is keeper:
                    source = self._source
                    keeper.send(Committed(source.name, index, source.tail_lsn, b"", request_id))
                    continue
                if frame is None:
                    frame = self._frame(index, command)
                follower.connection.send_encoded(frame)
        last = entries[-1][1]
        for follower in live:
            follower.next_index = max(follower.next_index, last + 1)
            if follower.connection.paused:
                self._start_catch_up(follower)

    async def close(self) -> None:
        """End all subscriptions."""
        tasks = [follower.task for follower in self._by_connection.values() if follower.task is not None]
        for connection in self.connections():
            self.remove(connection)
        await asyncio.gather(*tasks, return_exceptions=True)

    def _frame(self, index: int, command: bytes) -> bytes:
        return _encode(Committed(self._source.name, index, self._source.tail_lsn, memoryview(command)[1:]))  # type: ignore[arg-type]

    def _start_catch_up(self, follower: Follower) -> None:
        follower.live = False
        follower.task = asyncio.get_running_loop().create_task(self._catch_up(follower))
        follower.task.add_done_callback(self._caught_up)

    def _caught_up(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            self._on_error(error)

    async def _catch_up(self, follower: Follower) -> None:
        """Send chunks until nothing is left that is not sent, then go live, without a pause in between."""
        connection, source = follower.connection, self._source
        while not connection.closed:
            await connection.drained()
            if (reason := source.trimmed(follower.next_index)) is not None:
                connection.send(LogError(follower.request_id, "trimmed", reason))
                self._by_connection.pop(connection, None)
                return
            entries = source.read_committed(follower.next_index, bytes_limit=CHUNK_BYTES)
            for command, index, _ in entries:
                if is_batch(command):
                    connection.send_encoded(self._frame(index, command))
            if entries:
                follower.next_index = entries[-1][1] + 1
            if follower.next_index > source.published_index:
                follower.live = True
                follower.task = None
                return
            # The chunk is written before this goes on: only then is it known whether the peer keeps up.
            await asyncio.sleep(0)
