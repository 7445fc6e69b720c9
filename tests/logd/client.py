"""A client of logd for tests: requests, their replies, and what is pushed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec

from logd.service import LogService
from shared.api.log import Append, Appended, Committed, Follow, Following, Leadership, LogError, LogReply
from shared.config import Settings
from shared.rpc.connection import Connection

__all__ = ["LogClient", "eventually", "make_settings", "running_service"]

_decode = msgspec.msgpack.Decoder(LogReply).decode


async def eventually(condition: Callable[[], object], *, timeout_s: float = 10.0) -> None:
    """Wait for what nobody announces."""
    async with asyncio.timeout(timeout_s):
        while not condition():  # noqa: ASYNC110 - there is no event for it
            await asyncio.sleep(0.005)


def make_settings(data: Path, **changes: Any) -> Settings:
    """Settings of a node below `data`."""
    settings = Settings(data_dir=str(data), **changes)
    settings.run_path.mkdir(parents=True, exist_ok=True)
    return settings


@asynccontextmanager
async def running_service(settings: Settings) -> AsyncIterator[LogService]:
    """A logd in this process; drained at the end."""
    service = LogService(settings)
    await service.start()
    try:
        yield service
    finally:
        await service.close()


class LogClient:
    """One connection. `committed` and `leadership`: what was pushed, by group."""

    def __init__(self) -> None:
        self.connection: Connection
        self.committed: dict[str, list[Committed]] = {}
        self.leadership: dict[str, list[Leadership]] = {}
        self.errors: list[LogError] = []
        self.replies: list[Any] = []
        self.closed = False
        self._waiting: dict[int, asyncio.Future[Any]] = {}
        self._next_id = 1
        self._changed = asyncio.Event()

    @classmethod
    async def connect(cls, settings: Settings) -> LogClient:
        client = cls()
        _, client.connection = await asyncio.get_running_loop().create_unix_connection(
            lambda: Connection(_decode, client, name="test"), str(settings.socket("logd"))
        )
        return client

    def send(self, request: Any) -> asyncio.Future[Any]:
        """Send with an id of our own; the future gets the reply."""
        request.request_id = self._next_id
        self._next_id += 1
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._waiting[request.request_id] = future
        self.connection.send(request)
        return future

    async def call(self, request: Any) -> Any:
        async with asyncio.timeout(10):
            return await self.send(request)

    async def follow(self, group: str, from_lsn: int = 1) -> Following:
        """Follow and wait until the group has a leader on this node."""
        reply = await self.call(Follow(0, group, from_lsn))
        assert isinstance(reply, Following), reply
        await self.until(lambda: self.leadership.get(group, []) and self.leadership[group][-1].is_leader)
        return reply

    async def append(self, group: str, payload: bytes) -> int:
        """The LSN of the appended batch."""
        reply = await self.call(Append(0, group, payload))
        assert isinstance(reply, Appended), reply
        return reply.lsn

    async def until(self, condition: Callable[[], object], *, timeout_s: float = 10.0) -> None:
        """Wait for messages until the condition holds."""
        async with asyncio.timeout(timeout_s):
            while not condition():
                self._changed.clear()
                await self._changed.wait()

    def payloads(self, group: str) -> list[bytes]:
        return [message.payload for message in self.committed.get(group, [])]

    async def close(self) -> None:
        self.connection.close()
        await self.until(lambda: self.closed)

    def on_messages(self, connection: Connection, messages: list[Any]) -> None:
        for message in messages:
            self.replies.append(message)
            if isinstance(message, Committed):
                self.committed.setdefault(message.group, []).append(message)
            elif isinstance(message, Leadership):
                self.leadership.setdefault(message.group, []).append(message)
            elif (future := self._waiting.pop(message.request_id, None)) is not None:
                future.set_result(message)
            elif isinstance(message, LogError):
                self.errors.append(message)
        self._changed.set()

    def on_closed(self, connection: Connection) -> None:
        self.closed = True
        self._changed.set()
        for future in self._waiting.values():
            future.cancel()
