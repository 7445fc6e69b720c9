"""The listening sockets of the ingress, and who is connected. Owns: both, and one timer for all.

What a connection speaks is told by its first bytes (`door`); both versions of HTTP end in the same `answering`.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import Final, cast

from partitiond.ingress.answering import Answering
from partitiond.ingress.door import Door
from partitiond.ingress.errors import unavailable
from partitiond.ingress.handlers import RequestHandler
from partitiond.ingress.http1.connection import Http1Connection
from partitiond.ingress.http1.encoding import encode
from partitiond.ingress.http2.connection import Http2Connection
from shared.errors import ConfigError
from shared.refusal import Refusal

__all__ = ["HttpServer"]

_KEEP_ALIVE_S: Final = 75.0
_TICK_S: Final = 1.0
_BACKLOG: Final = 1024
#: What answers may take to be written once nobody waits any longer.
_LAST_WRITES_S: Final = 1.0
#: For the loop to tell connections that they are closed.
_LAST_CLOSES_S: Final = 0.1

_Connection = Door | Http1Connection | Http2Connection


class HttpServer:
    """HTTP/1.1 with keep-alive, and HTTP/2 without TLS, on a TCP port and on a Unix socket."""

    def __init__(self, handler: RequestHandler, *, body_bytes_max: int, connections_max: int = 1 << 30) -> None:
        """`connections_max`: clients beyond these are told to come again, each in the second that it may stay."""
        self._answering = Answering(handler.answer, body_bytes_max=body_bytes_max)
        self._body_bytes_max = body_bytes_max
        self._loop = asyncio.get_running_loop()
        self._listeners: list[asyncio.AbstractServer] = []
        self._connections_max = connections_max
        self._connections: set[_Connection] = set()
        #: Ticks while there is somebody of HTTP/1.1.
        self._timer: asyncio.TimerHandle | None = None
        self._empty = asyncio.Event()

    async def listen_tcp(self, host: str, port: int) -> int:
        """-> the port. Raises ConfigError when it cannot be had."""
        try:
            listener = await self._loop.create_server(self._accept, host, port, backlog=_BACKLOG, reuse_address=True)
        except OSError as error:
            reason = "is in use" if error.errno == errno.EADDRINUSE else f"cannot be listened on ({error.strerror})"
            raise ConfigError(
                f"ingress_port {port} on {host} {reason}: stop what uses it, or choose another with "
                "`--ingress-port` (setting `ingress_port`)"
            ) from error
        self._listeners.append(listener)
        bound: int = listener.sockets[0].getsockname()[1]
        return bound

    async def listen_unix(self, path: Path) -> None:
        """Mode 0600. A socket file that a killed process left behind is replaced."""
        _remove_stale(path)
        mask = os.umask(0o177)
        try:
            self._listeners.append(await self._loop.create_unix_server(self._accept, str(path), backlog=_BACKLOG))
        finally:
            os.umask(mask)

    async def close(self, *, drain_s: float, abandon: Callable[[], None] = lambda: None) -> None:
        """Stop accepting, give requests in flight `drain_s` seconds, then close every connection.

        `abandon`: called when those are over; whoever still waits is answered then, and has a moment to read it.
        """
        for listener in self._listeners:
            listener.close()
        for connection in list(self._connections):
            if isinstance(connection, Door):
                connection.close()
            else:
                connection.drain()
        if not await self._emptied(drain_s):
            abandon()
            await self._emptied(_LAST_WRITES_S)
        for connection in list(self._connections):
            connection.close()
        await self._emptied(_LAST_CLOSES_S)
        if self._timer is not None:
            self._timer.cancel()

    async def _emptied(self, within_s: float) -> bool:
        """Whether no connection is left."""
        if self._connections:
            self._empty.clear()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._empty.wait(), within_s)
        return not self._connections

    def _accept(self) -> asyncio.Protocol:
        if len(self._connections) < self._connections_max:
            door = Door(self._opened, within_s=_KEEP_ALIVE_S, on_lost=self._on_lost)
            self._connections.add(door)
            return door
        refusal = unavailable("too many connections: no file descriptor is left for more clients")
        return Refusal(encode(self._answering.refusal(refusal), minor=1, keep_alive=False))

    def _opened(self, door: Door, is_http2: bool) -> asyncio.Protocol:
        connection: Http1Connection | Http2Connection
        if is_http2:
            connection = Http2Connection(
                self._answering.answer,
                body_bytes_max=self._body_bytes_max,
                keep_alive_s=_KEEP_ALIVE_S,
                on_lost=self._on_lost,
            )
        else:
            connection = Http1Connection(
                self._answering,
                body_bytes_max=self._body_bytes_max,
                keep_alive_ticks=int(_KEEP_ALIVE_S / _TICK_S),
                on_lost=self._on_lost,
            )
            if self._timer is None:
                self._timer = self._loop.call_later(_TICK_S, self._tick)
        self._connections.discard(door)
        self._connections.add(connection)
        return cast(asyncio.Protocol, connection)

    def _on_lost(self, connection: _Connection) -> None:
        self._connections.discard(connection)
        if not self._connections:
            self._empty.set()

    def _tick(self) -> None:
        watched = [each for each in self._connections if isinstance(each, Http1Connection)]
        for connection in watched:
            connection.on_tick()
        self._timer = self._loop.call_later(_TICK_S, self._tick) if watched else None


def _remove_stale(path: Path) -> None:
    with contextlib.suppress(FileNotFoundError):
        path.unlink()
