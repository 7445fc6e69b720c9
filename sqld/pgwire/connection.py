"""One client's socket: messages in, bytes out, with back-pressure in both directions. Owns: the transport."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import cast

from pygwire import BackendConnection
from pygwire.exceptions import ProtocolError
from pygwire.messages import PGMessage

from shared.errors import RemoteProtocolError

__all__ = ["ClientConnection", "ConnectionLostError"]

#: The largest message that is taken: a query string with its parameters. Before startup, as PostgreSQL has it.
_MESSAGE_LIMIT = 32 * 1024 * 1024
_STARTUP_MESSAGE_LIMIT = 10_000
#: A client may send so much ahead of what is answered.
_UNREAD_LIMIT = 4 * 1024 * 1024
#: What is held for a client that reads slowly, before its query comes to a stop.
_UNSENT_LIMIT = 1024 * 1024


class ConnectionLostError(Exception):
    """The client is gone."""


class ClientConnection(asyncio.Protocol):
    """Gives the client's messages one by one. `on_made` starts the session, `on_lost` is called when it is gone."""

    def __init__(
        self,
        on_made: Callable[[ClientConnection], None],
        on_lost: Callable[[ClientConnection], None],
    ) -> None:
        self._on_made = on_made
        self._on_lost = on_lost
        # Strict refuses what asyncpg may do: a Query after Flush, without Sync between.
        self._wire = BackendConnection(strict=False)
        self._transport: asyncio.Transport | None = None
        self._unread = bytearray()
        #: Bytes of a message that is not whole yet.
        self._incomplete = 0
        self._message_limit = _STARTUP_MESSAGE_LIMIT
        self._arrived: asyncio.Event = asyncio.Event()
        self._drained: asyncio.Event = asyncio.Event()
        self._drained.set()
        self._out: list[bytes] = []
        self.lost = False
        #: Called with True when the client reads too slowly, with False when it reads again.
        self.on_pressure: Callable[[bool], None] | None = None

    async def next_message(self) -> PGMessage:
        """The next message. Raises ConnectionLostError at the end, RemoteProtocolError for what is none."""
        while True:
            data = bytes(self._unread)
            self._unread.clear()
            if self._transport is not None and not self.lost:
                self._transport.resume_reading()
            try:
                # One at a time: how the next is framed depends on how this one is answered.
                message = next(self._wire.receive(data), None)
            except ProtocolError as error:
                raise RemoteProtocolError(str(error)) from error
            except (ValueError, IndexError, UnicodeDecodeError) as error:
                raise RemoteProtocolError(f"unreadable message: {error}") from error
            if message is not None:
                self._incomplete = 0
                return message
            self._incomplete += len(data)
            if self._incomplete > self._message_limit:
                raise RemoteProtocolError(f"a message has more than {self._message_limit} bytes")
            if self.lost:
                raise ConnectionLostError
            self._arrived.clear()
            self.flush()
            await self._arrived.wait()

    def started(self) -> None:
        """The client is known: it may send large messages."""
        self._message_limit = _MESSAGE_LIMIT

    def send(self, *messages: PGMessage) -> None:
        """Queue messages; `flush` writes them."""
        for message in messages:
            self._out.append(self._wire.send(message))

    def send_raw(self, data: bytes) -> None:
        """Queue messages that are encoded already: a query's rows."""
        self._out.append(data)
        self.flush()

    def flush(self) -> None:
        """Write what is queued."""
        if self._out and self._transport is not None and not self.lost:
            self._transport.write(b"".join(self._out))
        self._out.clear()

    async def drained(self) -> None:
        """Wait until the client has read what was written, or is gone."""
        self.flush()
        await self._drained.wait()

    def close(self) -> None:
        """Write what is queued, then close."""
        self.flush()
        if self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        """Close at once."""
        if self._transport is not None:
            self._transport.abort()

    @property
    def peer(self) -> str:
        """Who it is, for the log."""
        name = None if self._transport is None else self._transport.get_extra_info("peername")
        return f"{name[0]}:{name[1]}" if isinstance(name, tuple) else "a local client"

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are none by inheritance.
        self._transport = cast(asyncio.Transport, transport)
        self._transport.set_write_buffer_limits(high=_UNSENT_LIMIT)
        self._on_made(self)

    def data_received(self, data: bytes) -> None:
        self._unread += data
        if len(self._unread) > _UNREAD_LIMIT and self._transport is not None:
            self._transport.pause_reading()
        self._arrived.set()

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost = True
        self._arrived.set()
        self._drained.set()
        self._on_lost(self)

    def pause_writing(self) -> None:
        self._drained.clear()
        if self.on_pressure is not None:
            self.on_pressure(True)

    def resume_writing(self) -> None:
        self._drained.set()
        if self.on_pressure is not None:
            self.on_pressure(False)
