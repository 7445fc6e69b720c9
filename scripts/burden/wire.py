"""The server side of HTTP/2 (RFC 9113), as much as a service needs that must be able to misbehave. Owns: its sockets.

An SDK reads what comes as fast as it can. Here the handler says how fast: `Exchange.credit` is what it gives back of
the window, so that a handler can be slow or deaf while its neighbours on the connection are served.
"""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Awaitable, Callable
from typing import cast

from jh2.hpack import Decoder

__all__ = ["Exchange", "ServerConnection", "message"]

_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_FRAME = struct.Struct(">BHBBI")
_MESSAGE = struct.Struct(">HHI")
_DATA, _HEADERS, _RST, _SETTINGS, _PING, _WINDOW = 0, 1, 3, 4, 6, 8
_END_STREAM, _END_HEADERS, _ACK = 1, 4, 1
#: What the runtime may send on one stream, and on the connection, before it is read.
STREAM_WINDOW = 64 * 1024
_CONNECTION_WINDOW = 1 << 30


def message(kind: int, raw: bytes = b"") -> bytes:
    """A message of the service protocol with its header."""
    return _MESSAGE.pack(kind, 0, len(raw)) + raw


def _frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    return _FRAME.pack(len(payload) >> 16, len(payload) & 0xFFFF, kind, flags, stream) + payload


class Exchange:
    """One request and its response. `credit`: give what is read back to the runtime at once."""

    def __init__(self, connection: ServerConnection, stream: int, path: str, content_type: str) -> None:
        self.path = path
        self.content_type = content_type
        self.credit = True
        #: Bytes that came in all.
        self.received = 0
        self._connection = connection
        self._stream = stream
        self._data = bytearray()
        self._news = asyncio.Event()
        self.window = 65_535
        self.closed = False

    async def read(self) -> tuple[int, bytes] | None:
        """The next message: (type, protobuf). None: the request is closed."""
        while True:
            if len(self._data) >= 8:
                kind, _, length = _MESSAGE.unpack_from(self._data)
                if len(self._data) >= 8 + length:
                    raw = bytes(self._data[8 : 8 + length])
                    del self._data[: 8 + length]
                    return kind, raw
            if self.closed:
                return None
            self._news.clear()
            await self._news.wait()

    def give_back(self, count: int) -> None:
        """Let the runtime send so many bytes more."""
        self._connection.write(_frame(_WINDOW, 0, self._stream, count.to_bytes(4, "big")))

    def respond(self, status: int = 200) -> None:
        """The response head."""
        block = b"\x88" if status == 200 else b"\x08\x03" + str(status).encode()
        kind = self.content_type.encode()
        block += b"\x00\x0ccontent-type" + bytes([len(kind)]) + kind
        self._connection.write(_frame(_HEADERS, _END_HEADERS, self._stream, block))

    async def write(self, data: bytes, *, end: bool = False) -> None:
        """As fast as the runtime's windows and the socket allow."""
        at = 0
        while at < len(data) or end:
            room = min(self.window, self._connection.window, 16_384, len(data) - at)
            if at < len(data) and room <= 0:
                await self._connection.opened()
                continue
            last = end and at + room == len(data)
            self.window -= room
            self._connection.window -= room
            self._connection.write(_frame(_DATA, int(last), self._stream, data[at : at + room]))
            at += room
            if last:
                return
            await self._connection.drained()

    def on_data(self, data: bytes, *, end: bool) -> None:
        self.received += len(data)
        self._data += data
        self.closed |= end
        self._news.set()
        if self.credit and data:
            self.give_back(len(data))


class ServerConnection(asyncio.Protocol):
    """One connection; `serve` is run for each request."""

    def __init__(self, serve: Callable[[Exchange], Awaitable[None]]) -> None:
        self._serve = serve
        self._decoder = Decoder()
        self._buffer = b""
        self._begun = False
        self._exchanges: dict[int, Exchange] = {}
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._initial = 65_535
        self.window = 65_535
        self._opened = asyncio.Event()
        self._writable = asyncio.Event()
        self._writable.set()

    def write(self, data: bytes) -> None:
        if not self._transport.is_closing():
            self._transport.write(data)

    async def opened(self) -> None:
        """Wait until a window opens."""
        self._opened.clear()
        await self._opened.wait()

    async def drained(self) -> None:
        await self._writable.wait()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        settings = struct.pack(">HIHIHI", 3, 2000, 4, STREAM_WINDOW, 1, 0)
        self.write(_frame(_SETTINGS, 0, 0, settings))
        self.write(_frame(_WINDOW, 0, 0, (_CONNECTION_WINDOW - 65_535).to_bytes(4, "big")))

    def connection_lost(self, exc: Exception | None) -> None:
        for task in self._tasks.values():
            task.cancel()

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()

    def data_received(self, data: bytes) -> None:
        data = self._buffer + data
        at = 0
        if not self._begun:
            if len(data) < len(_PREFACE):
                self._buffer = data
                return
            assert data.startswith(_PREFACE)
            at, self._begun = len(_PREFACE), True
        while len(data) - at >= 9:
            high, low, kind, flags, stream = _FRAME.unpack_from(data, at)
            end = at + 9 + (high << 16 | low)
            if end > len(data):
                break
            self._on_frame(kind, flags, stream, data[at + 9 : end])
            at = end
        self._buffer = data[at:]

    def _on_frame(self, kind: int, flags: int, stream: int, payload: bytes) -> None:
        if kind == _DATA:
            if payload:
                self.write(_frame(_WINDOW, 0, 0, len(payload).to_bytes(4, "big")))
            exchange = self._exchanges.get(stream)
            if exchange is not None:
                exchange.on_data(payload, end=bool(flags & _END_STREAM))
        elif kind == _HEADERS:
            self._on_request(stream, dict(self._decoder.decode(payload)), end=bool(flags & _END_STREAM))
        elif kind == _WINDOW:
            self._on_window(stream, int.from_bytes(payload, "big"))
        elif kind == _SETTINGS and not flags & _ACK:
            for key, value in struct.iter_unpack(">HI", payload):
                if key == 4:
                    self._initial = value
            self.write(_frame(_SETTINGS, _ACK, 0))
        elif kind == _PING and not flags & _ACK:
            self.write(_frame(_PING, _ACK, 0, payload))
        elif kind == _RST and stream in self._tasks:
            self._tasks[stream].cancel()

    def _on_request(self, stream: int, headers: dict[str, str], *, end: bool) -> None:
        exchange = Exchange(self, stream, headers[":path"], headers.get("content-type", ""))
        exchange.window = self._initial
        exchange.closed = end
        self._exchanges[stream] = exchange
        task = asyncio.get_running_loop().create_task(self._run(exchange))
        self._tasks[stream] = task
        task.add_done_callback(lambda _: self._forget(stream))

    async def _run(self, exchange: Exchange) -> None:
        await self._serve(exchange)

    def _forget(self, stream: int) -> None:
        del self._exchanges[stream], self._tasks[stream]

    def _on_window(self, stream: int, count: int) -> None:
        if stream == 0:
            self.window += count
        elif stream in self._exchanges:
            self._exchanges[stream].window += count
        self._opened.set()
