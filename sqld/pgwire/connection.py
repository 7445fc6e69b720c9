"""One client's socket: messages in, bytes out, with back-pressure in both directions. Owns: the transport."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable
from typing import cast

from pygwire.messages import PGMessage

from shared.errors import RemoteProtocolError
from sqld.pgwire.frames import MESSAGE_LIMIT, Frames
from sqld.pgwire.tls import ALPN, ServerTls, TlsStream

__all__ = ["ClientConnection", "ConnectionLostError", "Intake"]

#: A client may send so much ahead of what is answered.
_UNREAD_LIMIT = 4 * 1024 * 1024
#: What is held for a client that reads slowly, before its query comes to a stop.
_UNSENT_LIMIT = 1024 * 1024
#: What is held of large messages that are not whole, of all clients together.
_LARGE_LIMIT = 128 * 1024 * 1024
_LINGER_S = 1.0
#: The first byte of a TLS connection; no startup packet is as long as to begin with it.
_TLS_HANDSHAKE = 0x16
#: A client whose host is gone is noticed after two minutes.
_KEEPALIVE = (("TCP_KEEPIDLE", 60), ("TCP_KEEPINTVL", 15), ("TCP_KEEPCNT", 4))


class ConnectionLostError(Exception):
    """The client is gone."""


class Intake:
    """What all connections together hold of messages over `_UNREAD_LIMIT` that are not whole yet."""

    def __init__(self) -> None:
        self._held: dict[ClientConnection, int] = {}

    def hold(self, connection: ClientConnection, count: int) -> bool:
        """False: there is no room for so many bytes of that one."""
        self._held.pop(connection, None)
        if count > _UNREAD_LIMIT:
            self._held[connection] = count
        return count <= _UNREAD_LIMIT or sum(self._held.values()) <= _LARGE_LIMIT


class ClientConnection(asyncio.Protocol):
    """Gives the client's messages one by one. `on_made` starts the session, `on_lost` is called when it is gone."""

    def __init__(
        self,
        on_made: Callable[[ClientConnection], None],
        on_lost: Callable[[ClientConnection], None],
        *,
        tls: ServerTls | None,
        intake: Intake,
    ) -> None:
        self._on_made = on_made
        self._on_lost = on_lost
        self._server_tls = tls
        self._intake = intake
        self._frames = Frames()
        self._tls: TlsStream | None = None
        self._transport: asyncio.Transport | None = None
        self._paused = False
        self._untouched = True
        self._direct_tls = False
        self._closing = False
        #: Why nothing more can be read.
        self._broken: RemoteProtocolError | None = None
        self._arrived: asyncio.Event = asyncio.Event()
        self._drained: asyncio.Event = asyncio.Event()
        self._drained.set()
        self._out: list[bytes] = []
        self.lost = False
        #: Called with True when the client reads too slowly, with False when it reads again.
        self.on_pressure: Callable[[bool], None] | None = None

    async def next_startup(self) -> PGMessage:
        """The next message of those before authentication; errors as `next_message`."""
        return await self._next(self._frames.next_startup)

    async def next_password(self, kind: type[PGMessage]) -> PGMessage:
        """The answer to a request to authenticate, or Terminate; errors as `next_message`."""
        return await self._next(lambda: self._frames.next_password(kind))

    async def next_message(self) -> PGMessage:
        """The next message.

        Raises MalformedMessageError for one that is wrong in itself, RemoteProtocolError when nothing can be read any
        more, and ConnectionLostError at the end.
        """
        return await self._next(self._frames.next)

    async def _next(self, take: Callable[[], PGMessage | None]) -> PGMessage:
        while True:
            message = take()
            if message is not None:
                return message
            if self._broken is not None:
                raise self._broken
            if self.lost:
                raise ConnectionLostError
            self._arrived.clear()
            self.flush()
            self._read_on()
            await self._arrived.wait()

    def coming(self) -> str:
        """The letter of the message behind the last one, as far as it has come."""
        return self._frames.peek()

    def started(self) -> None:
        """The client is known: it may send large messages."""
        self._frames.limit = MESSAGE_LIMIT

    def start_tls(self) -> None:
        """What was sent last agreed to TLS. Raises RemoteProtocolError when the client did not wait for it."""
        assert self._server_tls is not None
        self.flush()
        if self._frames.held:
            # Somebody in between may have put it there, for us to take it for the client's.
            raise RemoteProtocolError("received unencrypted data after the request for TLS")
        self._tls = TlsStream(self._server_tls.context)

    @property
    def encrypted(self) -> bool:
        """Over TLS."""
        return self._tls is not None

    @property
    def endpoint(self) -> bytes | None:
        """What SCRAM may bind to: the certificate of this connection."""
        return self._server_tls.endpoint if self._tls is not None and self._server_tls is not None else None

    def send(self, *messages: PGMessage) -> None:
        """Queue messages; `flush` writes them."""
        self._out += [message.to_wire() for message in messages]

    def send_raw(self, data: bytes) -> None:
        """Queue messages that are encoded already: a query's rows."""
        self._out.append(data)
        self.flush()

    def flush(self) -> None:
        """Write what is queued."""
        if self._out and self._transport is not None and not self.lost:
            data = b"".join(self._out)
            self._transport.write(data if self._tls is None else self._tls.send(data))
        self._out.clear()

    async def drained(self) -> None:
        """Wait until the client has read what was written, or is gone."""
        if self._drained.is_set() and self._frames.held:
            # More was asked for already: the answers go together.
            return
        self.flush()
        await self._drained.wait()

    def close(self) -> None:
        """Write what is queued, then close. What the client still sends is read for a moment and forgotten: a socket
        that is closed over unread bytes takes back what was written last, and with it the reason."""
        self.flush()
        if self._closing or self._transport is None or self.lost or self._transport.is_closing():
            return
        self._closing = True
        if self._tls is not None:
            self._transport.write(self._tls.closing())
        with contextlib.suppress(OSError, RuntimeError):
            self._transport.write_eof()
        self._read_on()
        self.lost = True
        self._arrived.set()
        self._drained.set()
        asyncio.get_running_loop().call_later(_LINGER_S, self._transport.close)

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
        _keep_alive(self._transport.get_extra_info("socket"))
        self._on_made(self)

    def data_received(self, data: bytes) -> None:
        if self._closing or self._broken is not None:
            return
        try:
            self._frames.feed(self._plain(data))
            self._check_held()
        except RemoteProtocolError as error:
            self._broken = error
        self._arrived.set()

    def _plain(self, data: bytes) -> bytes:
        if self._untouched:
            self._untouched = False
            if data[0] == _TLS_HANDSHAKE and self._server_tls is not None:
                self._direct_tls = True
                self._tls = TlsStream(self._server_tls.context)
        if self._tls is None:
            return data
        was_established = self._tls.established
        try:
            plain = self._tls.receive(data)
        finally:
            if self._transport is not None:
                self._transport.write(self._tls.outgoing())
        if self._tls.established and not was_established and self._direct_tls and self._tls.alpn != ALPN:
            raise RemoteProtocolError(f"direct TLS without ALPN {ALPN!r}: this is the port of PostgreSQL clients")
        return plain

    def _check_held(self) -> None:
        held = self._frames.held
        if held > max(_UNREAD_LIMIT, self._frames.wanted()) and self._transport is not None:
            self._paused = True
            self._transport.pause_reading()
        if not self._intake.hold(self, held):
            raise RemoteProtocolError("too many clients send large messages at once")

    def _read_on(self) -> None:
        self._intake.hold(self, self._frames.held)
        if self._paused and self._transport is not None:
            self._paused = False
            self._transport.resume_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost = True
        self._intake.hold(self, 0)
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


def _keep_alive(opened: socket.socket | None) -> None:
    if opened is None:
        return
    # Not each system has all of these.
    with contextlib.suppress(OSError, AttributeError):
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for name, value in _KEEPALIVE:
            opened.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
