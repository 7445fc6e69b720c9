"""One request over HTTP/2, for what metad asks of deployments. Owns: one connection for the time of the call.

The invoker has its own, faster client; daemons do not import one another, and this one is asked seldom.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import Sequence
from typing import NamedTuple

import jh2.events
from jh2.config import H2Configuration
from jh2.connection import H2Connection
from jh2.exceptions import ProtocolError

from metad.registry.address import Address
from metad.registry.errors import DiscoveryError
from shared.errors import RemoteProtocolError, UnavailableError
from shared.transport.tls import tls_problem

__all__ = ["Response", "http2_call", "open_connection"]

_READ_BYTES = 64 * 1024


class Response(NamedTuple):
    """Header names are lower-case; of a repeated one the first counts."""

    status: int
    headers: dict[str, str]
    body: bytes


async def open_connection(
    address: Address, context: ssl.SSLContext | None
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Connect, with TLS when a context is given. Raises UnavailableError."""
    try:
        return await asyncio.open_connection(
            address.host, address.port, ssl=context, server_hostname=address.host if context else None
        )
    except (OSError, OverflowError) as error:
        raise UnavailableError(f"cannot connect to {address.uri}: {tls_problem(error) or error}") from error


async def http2_call(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    address: Address,
    *,
    method: str,
    path: str,
    headers: Sequence[tuple[str, str]],
    body: bytes,
    bytes_limit: int,
) -> Response:
    """Send the request on a fresh connection, whose end is the end of this call. Trailers are dropped.

    Raises UnavailableError (the peer went away or refused), RemoteProtocolError (it does not speak HTTP/2) or
    DiscoveryError (it answers more than `bytes_limit`).
    """
    exchange = _Exchange(address, method=method, path=path, headers=headers, body=body, bytes_limit=bytes_limit)
    try:
        writer.write(exchange.opening())
        while not exchange.complete:
            data = await reader.read(_READ_BYTES)
            if not data:
                raise UnavailableError(f"{address.uri} closed the connection before it answered")
            writer.write(exchange.feed(data))
        return exchange.response()
    except OSError as error:
        raise UnavailableError(f"{address.uri} went away: {error}") from error
    except ProtocolError as error:
        raise RemoteProtocolError(f"{address.uri} does not speak HTTP/2: {error}") from error
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


class _Exchange:
    """The protocol of one request: bytes in, bytes out."""

    def __init__(
        self,
        address: Address,
        *,
        method: str,
        path: str,
        headers: Sequence[tuple[str, str]],
        body: bytes,
        bytes_limit: int,
    ) -> None:
        self._uri = address.uri
        self._request = [
            (":method", method),
            (":scheme", address.scheme),
            (":authority", address.authority.rpartition("@")[2]),
            (":path", path),
            *headers,
        ]
        self._bytes_limit = bytes_limit
        # Checks of what we send are off: users may add headers that a strict client would not send.
        self._h2 = H2Connection(H2Configuration(client_side=True, validate_outbound_headers=False))
        self._stream = 0
        #: Of the request's body what is not sent yet: the peer's windows say how much it takes at once.
        self._unsent = memoryview(body)
        self._heard = False
        self._status = 0
        self._headers: dict[str, str] = {}
        self._body = bytearray()
        self.complete = False

    def opening(self) -> bytes:
        self._h2.initiate_connection()
        self._stream = self._h2.get_next_available_stream_id()
        fields = [(name.encode(), value.encode()) for name, value in self._request]
        self._h2.send_headers(self._stream, fields, not self._unsent)
        self._send_more()
        return bytes(self._h2.data_to_send())

    def feed(self, data: bytes) -> bytes:
        if not self._heard and data.startswith(b"HTTP/1"):
            raise RemoteProtocolError(f"{self._uri} answers in HTTP/1.1")
        self._heard = True
        for event in self._h2.receive_data(data):
            match event:
                case jh2.events.ResponseReceived():
                    self._take_head(event.headers)
                case jh2.events.DataReceived():
                    self._take_data(event)
                case jh2.events.StreamEnded():
                    self.complete = True
                case jh2.events.StreamReset() | jh2.events.ConnectionTerminated() if not self.complete:
                    raise UnavailableError(f"{self._uri} refused the request (HTTP/2 error {event.error_code})")
                case _:
                    pass
        if not self.complete:
            self._send_more()
        return bytes(self._h2.data_to_send())

    def _send_more(self) -> None:
        while self._unsent:
            size = min(self._h2.local_flow_control_window(self._stream), self._h2.max_outbound_frame_size)
            if size <= 0:
                return
            piece, self._unsent = self._unsent[:size], self._unsent[size:]
            self._h2.send_data(self._stream, bytes(piece), not self._unsent)

    def response(self) -> Response:
        assert self.complete
        return Response(self._status, self._headers, bytes(self._body))

    def _take_head(self, headers: Sequence[tuple[bytes, bytes]]) -> None:
        for name, value in headers:
            self._headers.setdefault(_text(name), _text(value))
        status = self._headers.pop(":status", "")
        if not status.isdecimal():
            raise RemoteProtocolError(f"{self._uri} answered without a status")
        self._status = int(status)

    def _take_data(self, event: jh2.events.DataReceived) -> None:
        self._body += event.data
        if len(self._body) > self._bytes_limit:
            raise DiscoveryError("META0013", f"{self._uri} answered more than {self._bytes_limit} bytes")
        if event.flow_controlled_length:
            self._h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)


def _text(value: bytes | str) -> str:
    return value if isinstance(value, str) else value.decode("latin-1")
