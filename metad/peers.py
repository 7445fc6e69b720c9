"""One question to a worker or to sqld, and its answer. Owns: a connection for the time of the question.

Most questions are seldom (admin API, readiness), so that no connection is kept: nothing is polled, and an absent
peer is known at once. Queries come in a row: their connections are used again (`Conversations`).
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import msgspec

from shared.errors import UnavailableError
from shared.rpc.connection import Connection

__all__ = ["Conversation", "Conversations", "answers_connect", "ask", "converse"]

#: Replies that may wait for their reader before the peer is made to wait.
_WAITING_LIMIT = 16
#: Connections that wait for the next question.
_IDLE_MAX = 4


async def ask(
    path: Path, request: msgspec.Struct, decode: Callable[[bytes], Any], *, name: str, timeout_s: float
) -> Any:
    """The first message that comes back. Raises UnavailableError when the peer is away, goes away, or is too slow."""
    try:
        async with asyncio.timeout(timeout_s), converse(path, decode, name=name) as conversation:
            conversation.send(request)
            return await conversation.receive()
    except TimeoutError as error:
        raise UnavailableError(f"{name} did not answer within {timeout_s:g} s") from error


async def answers_connect(path: Path, *, timeout_s: float) -> bool:
    """Is somebody listening?"""
    try:
        async with asyncio.timeout(timeout_s):
            _, writer = await asyncio.open_unix_connection(str(path))
    except (OSError, TimeoutError):
        return False
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()
    return True


@contextlib.asynccontextmanager
async def converse(path: Path, decode: Callable[[bytes], Any], *, name: str) -> AsyncIterator[Conversation]:
    """A connection for a request with a stream of replies. Raises UnavailableError when nobody listens."""
    conversation = await _connect(path, decode, name)
    try:
        yield conversation
    finally:
        conversation.close()


async def _connect(path: Path, decode: Callable[[bytes], Any], name: str) -> Conversation:
    conversation = Conversation(name)
    try:
        _, connection = await asyncio.get_running_loop().create_unix_connection(
            lambda: Connection(decode, conversation, name=name), str(path)
        )
    except OSError as error:
        raise UnavailableError(f"{name} is away: {error}") from error
    conversation.connection = connection
    return conversation


class Conversations:
    """Connections to one peer, each for one question after the other."""

    def __init__(self, path: Path, decode: Callable[[bytes], Any], *, name: str) -> None:
        self._path = path
        self._decode = decode
        self._name = name
        self._idle: list[Conversation] = []

    @contextlib.asynccontextmanager
    async def converse(self) -> AsyncIterator[Conversation]:
        """One for a request with a stream of replies. It is kept if `over` is set when all of them were received.
        Raises UnavailableError when nobody listens."""
        conversation = None
        while self._idle and conversation is None:
            kept = self._idle.pop()
            conversation = kept if kept.usable else None
        if conversation is None:
            conversation = await _connect(self._path, self._decode, self._name)
        conversation.over = False
        try:
            yield conversation
        finally:
            if conversation.over and conversation.usable and len(self._idle) < _IDLE_MAX:
                self._idle.append(conversation)
            else:
                conversation.close()

    def close(self) -> None:
        """Keep none."""
        for conversation in self._idle:
            conversation.close()
        self._idle.clear()


class Conversation:
    """Messages of one peer, in order, a bounded number of them waiting."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._waiting: asyncio.Queue[Any] = asyncio.Queue()
        self._paused = False
        self.connection: Connection | None = None
        #: Nothing more is to come: the connection can be used again.
        self.over = False

    @property
    def usable(self) -> bool:
        """The peer is there, and has said nothing that nobody read."""
        return self.connection is not None and not self.connection.closed and self._waiting.empty()

    def close(self) -> None:
        """Nobody listens to the peer any more."""
        if self.connection is not None:
            self.connection.close()

    def send(self, message: msgspec.Struct) -> None:
        assert self.connection is not None
        self.connection.send(message)

    async def receive(self) -> Any:
        """The next message. Raises UnavailableError when the peer went away before it."""
        message = await self._waiting.get()
        if message is None:
            raise UnavailableError(f"{self._name} went away before it answered")
        if self._paused and self._waiting.qsize() < _WAITING_LIMIT // 2 and self.connection is not None:
            self._paused = False
            self.connection.hold(on=False)
        return message

    def at_hand(self) -> Any:
        """The next message when it is there already; None when it is not, or the peer has gone."""
        if self._waiting.empty():
            return None
        message = self._waiting.get_nowait()
        if message is None:
            self._waiting.put_nowait(None)
        return message

    def on_messages(self, connection: Connection, messages: list[Any]) -> None:
        for message in messages:
            self._waiting.put_nowait(message)
        if self._waiting.qsize() >= _WAITING_LIMIT and not self._paused:
            self._paused = True
            connection.hold(on=True)

    def on_closed(self, connection: Connection) -> None:
        self._waiting.put_nowait(None)
