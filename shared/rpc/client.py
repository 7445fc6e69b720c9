"""A connection that comes back after its peer went away. Owns: one reconnecting task."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import msgspec

from shared.errors import UnavailableError
from shared.rpc.connection import Connection

__all__ = ["ClientHandler", "RpcCaller", "RpcClient"]

_log = logging.getLogger(__name__)
#: While a node starts its programs come one after the other: a peer that is away is tried again so often, and for so
#: long, before the pauses grow.
_QUICK_EVERY_S = 0.01
_QUICK_FOR_S = 0.5
_BACKOFF_FIRST_S = 0.02
_BACKOFF_MAX_S = 1.0
#: A peer that stays away is told of so often: its log, or ours, may be on the very disk that is full.
_TELL_EVERY_S = 10.0


class ClientHandler(Protocol):
    """What happens as the peer comes, speaks and goes."""

    def on_connected(self, connection: Connection) -> None: ...

    def on_messages(self, connection: Connection, messages: list[Any]) -> None: ...

    def on_closed(self, connection: Connection) -> None: ...


class RpcClient:
    """Keeps one connection to the socket at `path`, with 10 ms between tries at first, later from 20 ms to 1 s."""

    def __init__(self, path: Path, decode: Callable[[bytes], Any], handler: ClientHandler, *, name: str) -> None:
        self._path = path
        self._decode = decode
        self._handler = handler
        self._name = name
        self._task: asyncio.Task[None] | None = None
        self._lost: asyncio.Event = asyncio.Event()
        self._connected: asyncio.Event = asyncio.Event()
        self.connection: Connection | None = None
        #: The peer has said something on this connection.
        self._heard = False

    def start(self) -> None:
        """Begin to connect; returns at once."""
        self._task = asyncio.get_running_loop().create_task(self._run(), name=f"rpc-{self._name}")
        self._task.add_done_callback(_raise_failure)

    async def connected(self) -> None:
        """Wait until the peer is there."""
        await self._connected.wait()

    async def close(self) -> None:
        """Stop reconnecting and close the connection."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        if self.connection is not None:
            self.connection.close()

    def on_messages(self, connection: Connection, messages: list[Any]) -> None:
        self._heard = True
        self._handler.on_messages(connection, messages)

    def on_closed(self, connection: Connection) -> None:
        self.connection = None
        self._connected.clear()
        self._lost.set()
        self._handler.on_closed(connection)

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        backoff_s = _BACKOFF_FIRST_S
        tell_at = 0.0
        quick_until = loop.time() + _QUICK_FOR_S
        while True:
            self._lost.clear()
            try:
                _, connection = await loop.create_unix_connection(
                    lambda: Connection(self._decode, self, name=self._name), str(self._path)
                )
            except OSError as error:
                if backoff_s >= _BACKOFF_MAX_S and loop.time() >= tell_at:
                    tell_at = loop.time() + _TELL_EVERY_S
                    _log.warning("%s is away (%s), trying again", self._name, error)
                if loop.time() < quick_until:
                    await asyncio.sleep(_QUICK_EVERY_S)
                    continue
                await asyncio.sleep(backoff_s)
                backoff_s = min(backoff_s * 2, _BACKOFF_MAX_S)
                continue
            if not connection.closed:
                self.connection = connection
                self._heard = False
                self._handler.on_connected(connection)
                self._connected.set()
                await self._lost.wait()
                if self._heard:
                    backoff_s = _BACKOFF_FIRST_S
                    quick_until = loop.time() + _QUICK_FOR_S
                    continue
            # A peer that ends each connection without a word (of another version, maybe) is not called without a pause.
            await asyncio.sleep(backoff_s)
            backoff_s = min(backoff_s * 2, _BACKOFF_MAX_S)


def _raise_failure(task: asyncio.Task[None]) -> None:
    """A handler failed as the peer came. Nobody would connect again, nor hear of it."""
    if not task.cancelled():
        task.result()


class RpcCaller:
    """Request and reply by `request_id` over a reconnecting client.

    Every request struct has a field `request_id`, which this class fills in; the reply carries it back.
    Messages whose `request_id` nobody waits for are given to `on_push`.
    """

    def __init__(
        self,
        path: Path,
        decode: Callable[[bytes], Any],
        *,
        name: str,
        on_push: Callable[[Any], None] | None = None,
        on_connected: Callable[[Connection], None] | None = None,
    ) -> None:
        self._client = RpcClient(path, decode, self, name=name)
        self._name = name
        self._waiting: dict[int, asyncio.Future[Any]] = {}
        self._next_id = 1
        self._on_push = on_push
        self._on_connected = on_connected

    def start(self) -> None:
        self._client.start()

    async def close(self) -> None:
        await self._client.close()

    @property
    def connection(self) -> Connection | None:
        return self._client.connection

    async def call(self, request: msgspec.Struct, *, timeout_s: float = 10.0) -> Any:
        """Send and wait for the reply. Raises UnavailableError when the peer is away, goes away, or is too slow."""
        try:
            async with asyncio.timeout(timeout_s):
                await self._client.connected()
                connection = self._client.connection
                if connection is None:
                    raise UnavailableError(f"{self._name} went away before the request was sent")
                request_id = self._next_id
                self._next_id += 1
                future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
                self._waiting[request_id] = future
                try:
                    request.request_id = request_id  # type: ignore[attr-defined]
                    connection.send(request)
                    return await future
                finally:
                    self._waiting.pop(request_id, None)
        except TimeoutError as error:
            raise UnavailableError(f"{self._name} did not answer within {timeout_s} s") from error

    def on_connected(self, connection: Connection) -> None:
        if self._on_connected is not None:
            self._on_connected(connection)

    def on_messages(self, connection: Connection, messages: list[Any]) -> None:
        for message in messages:
            future = self._waiting.get(getattr(message, "request_id", -1))
            if future is not None:
                if not future.done():
                    future.set_result(message)
            elif self._on_push is not None:
                self._on_push(message)

    def on_closed(self, connection: Connection) -> None:
        for future in self._waiting.values():
            if not future.done():
                future.set_exception(UnavailableError(f"{self._name} went away before it answered"))
