"""Sockets and HTTP: bytes of a request -> `handlers` -> bytes of the answer. Owns: the listening sockets.

aiohttp parses HTTP/1.1 and keeps its connections; the answer is one write of bytes made here, since its response
objects cost as much as the rest of a request. HTTP/2 is in `http2`, and ends in the same place.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import os
import time
from collections.abc import Callable
from email.utils import formatdate
from http import HTTPStatus
from pathlib import Path
from typing import Any

from aiohttp import web
from aiohttp.http_exceptions import LineTooLong

from partitiond.ingress import replies
from partitiond.ingress.door import Door
from partitiond.ingress.errors import IngressError, bad_request, body_too_long, failed, unavailable
from partitiond.ingress.handlers import ReadBody, RequestHandler
from partitiond.ingress.http2.connection import Answered, Http2Connection
from partitiond.ingress.http2.fields import RequestHead
from partitiond.ingress.replies import Answer
from shared.errors import ConfigError
from shared.refusal import Refusal

__all__ = ["HttpServer"]

_log = logging.getLogger(__name__)
_KEEP_ALIVE_S = 75.0
_LINE_BYTES_MAX = 64 * 1024
_HEADERS_MAX = 128
#: Path and headers travel in the record beside the body; logd leaves 64 KiB for all that is not body.
_HEAD_BYTES_MAX = 60_000
_BACKLOG = 1024
#: What answers may take to be written once nobody waits any longer.
_LAST_WRITES_S = 1.0
#: aiohttp takes 0 for without end.
_NOW_S = 0.01
_CORS = (
    b"vary: origin, access-control-request-method, access-control-request-headers\r\n"
    b"access-control-allow-credentials: true\r\n"
)
_STATUS_LINES: dict[int, bytes] = {
    status: f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\n".encode() for status in HTTPStatus
}


class HttpServer:
    """HTTP/1.1 with keep-alive, and HTTP/2 without TLS, on a TCP port and on a Unix socket."""

    def __init__(self, handler: RequestHandler, *, body_bytes_max: int, connections_max: int = 1 << 30) -> None:
        """`connections_max`: clients beyond these are told to come again, each in the second that it may stay."""
        self._handler = handler
        self._body_bytes_max = body_bytes_max
        self._loop = asyncio.get_running_loop()
        self._date = b""
        self._usual_lines = b""
        self._date_second = 0
        self._listeners: list[asyncio.AbstractServer] = []
        self._connections_max = connections_max
        #: Connections of any kind, and those among them that aiohttp does not know.
        self._count = 0
        self._others: set[Door | Http2Connection] = set()
        self._draining = False
        self._empty = asyncio.Event()
        self._server = _Http1Server(
            self._handle,
            on_lost=self._on_lost,
            refuse=self._refuse,
            request_factory=self._make_request,
            handler_cancellation=True,
            access_log=None,
            auto_decompress=False,
            keepalive_timeout=_KEEP_ALIVE_S,
            max_line_size=_LINE_BYTES_MAX,
            max_field_size=_LINE_BYTES_MAX,
            max_headers=_HEADERS_MAX,
        )

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
        self._draining = True
        self._server.drain()
        for other in list(self._others):
            if isinstance(other, Http2Connection):
                other.drain()
            else:
                other.close()
        if not await self._emptied(drain_s):
            abandon()
            await self._emptied(_LAST_WRITES_S)
        for other in list(self._others):
            other.close()
        await self._server.shutdown(_NOW_S)

    async def _emptied(self, within_s: float) -> bool:
        """Whether no connection is left."""
        if self._count:
            self._empty.clear()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._empty.wait(), within_s)
        return not self._count

    def _accept(self) -> asyncio.Protocol:
        if self._count < self._connections_max:
            self._count += 1
            door = Door(self._opened, within_s=_KEEP_ALIVE_S, on_lost=self._on_other_lost)
            self._others.add(door)
            return door
        answer = replies.error(unavailable("too many connections: no file descriptor is left for more clients"))
        end = b"connection: close\r\ncontent-length: %d\r\n\r\n" % len(answer.body)
        return Refusal(b"".join((_STATUS_LINES[answer.status], answer.headers, end, answer.body)))

    def _opened(self, door: Door, is_http2: bool) -> asyncio.Protocol:
        self._others.discard(door)
        if not is_http2:
            return self._server()
        connection = Http2Connection(
            self._answer_http2,
            body_bytes_max=self._body_bytes_max,
            keep_alive_s=_KEEP_ALIVE_S,
            on_lost=self._on_other_lost,
        )
        self._others.add(connection)
        return connection

    def _on_other_lost(self, other: Door | Http2Connection) -> None:
        self._others.discard(other)
        self._on_lost()

    def _on_lost(self) -> None:
        self._count -= 1
        if not self._count:
            self._empty.set()

    def _make_request(self, message: Any, payload: Any, protocol: Any, writer: Any, task: Any) -> _Request:
        return _Request(message, payload, protocol, writer, task, self._loop, body_bytes_max=self._body_bytes_max)

    async def _handle(self, request: _Request) -> _Response:
        if request.version.major != 1:
            # aiohttp takes HTTP/0.9 and HTTP/2.0 for what it knows, and a request line that names no version.
            return self._refuse(request, bad_request(400, "not HTTP/1.1, and not the preface of HTTP/2"))
        headers: dict[str, str] = {}
        target = request.target
        # The path may be in the record twice: as it is, and as the key that is part of it.
        head_bytes = 2 * len(target)
        for raw_name, raw_value in request.raw_headers:
            head_bytes += len(raw_name) + len(raw_value)
            name = raw_name.decode("latin-1").lower()
            if name not in headers:
                headers[name] = raw_value.decode("latin-1")
            elif name == "tracestate":
                # The one list that proxies are known to cut into several fields (W3C Trace Context, section 3.3.1.1).
                headers[name] += "," + raw_value.decode("latin-1")
        length = headers.get("content-length")
        answer = self._unfit(0 if length is None else int(length), head_bytes)
        if answer is None:
            answer = await self._handler.answer(request.method, target, headers, request.read_body)
        keep_alive = request.keep_alive and not (self._draining or request.broken)
        return _Response(self._encode(request, headers.get("origin"), answer, keep_alive), keep_alive)

    async def _answer_http2(self, head: RequestHead, read_body: ReadBody) -> Answered:
        answer = self._unfit(head.length, head.head_bytes)
        if answer is None:
            try:
                answer = await self._handler.answer(head.method, head.target, head.headers, read_body)
            except Exception:
                _log.exception("a request failed: %s %.200s", head.method, head.target)
                answer = replies.error(failed())
        length = b"content-length: %d\r\n" % len(answer.body)
        lines = answer.headers + self._shared_lines(head.headers.get("origin"), answer) + length
        return Answered(answer.status, lines, answer.body)

    def _unfit(self, length: int, head_bytes: int) -> Answer | None:
        """What is refused before anybody looks at what it asks for."""
        if length > self._body_bytes_max:
            return replies.too_large()
        if head_bytes > _HEAD_BYTES_MAX:
            return replies.error(IngressError(431, f"path and headers are over {_HEAD_BYTES_MAX} bytes"))
        return None

    def _encode(self, request: web.BaseRequest, origin: str | None, answer: Answer, keep_alive: bool) -> bytes:
        status_line = _STATUS_LINES.get(answer.status) or b"HTTP/1.1 %d Other\r\n" % answer.status
        parts = [status_line, answer.headers, self._shared_lines(origin, answer)]
        if not keep_alive:
            parts.append(b"connection: close\r\n")
        elif request.version.minor == 0:
            parts.append(b"connection: keep-alive\r\n")
        parts.append(b"content-length: %d\r\n\r\n" % len(answer.body))
        if request.method != "HEAD":
            parts.append(answer.body)
        return b"".join(parts)

    def _shared_lines(self, origin: str | None, answer: Answer) -> bytes:
        """What every answer has: CORS, and the time."""
        now = int(time.time())
        if now != self._date_second:
            self._date_second = now
            self._date = f"date: {formatdate(now, usegmt=True)}\r\n".encode()
            self._usual_lines = _CORS + self._date
        if not answer.cors:
            return self._date
        if origin is None:
            return self._usual_lines
        return self._usual_lines + b"access-control-allow-origin: %b\r\n" % origin.encode("latin-1")

    def _refuse(self, request: web.BaseRequest, refusal: IngressError) -> _Response:
        """The last answer of a connection whose bytes are no request."""
        answer = replies.error(refusal)._replace(cors=False)
        return _Response(self._encode(request, None, answer, False), False)


class _Http1Server(web.Server):
    """Makes connections that tell errors in our words, and leave when they are idle."""

    def __init__(
        self,
        handler: Any,
        *,
        on_lost: Callable[[], None],
        refuse: Callable[[web.BaseRequest, IngressError], web.StreamResponse],
        **options: Any,
    ) -> None:
        super().__init__(handler, **options)
        self._on_lost = on_lost
        self.refuse = refuse

    def __call__(self) -> web.RequestHandler:
        return _Connection(self, loop=self._loop, **self._kwargs)

    def connection_lost(self, handler: Any, exc: BaseException | None = None) -> None:
        super().connection_lost(handler, exc)
        self._on_lost()

    def drain(self) -> None:
        """Close who is idle; the others close behind their next answer, and go on sending what belongs to it."""
        for connection in self.connections:
            assert isinstance(connection, _Connection)
            connection.close_if_idle()


class _Connection(web.RequestHandler):
    """One connection of HTTP/1.1."""

    __slots__ = ()

    def close_if_idle(self) -> None:
        # It waits only while no request is here. aiohttp would stop reading the others too, whatever they still send.
        if self._waiter is not None and not self._waiter.done():
            self.force_close()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """In place of aiohttp's pages: it was no HTTP, or the fault is ours."""
        server = self._manager
        if request.writer.output_size > 0 or server is None:
            raise ConnectionResetError("nobody reads it, or the answer has begun and another one cannot follow")
        if status >= 500:
            _log.error("a request failed: %s", request, exc_info=exc)
            refusal = failed()
        elif isinstance(exc, LineTooLong):
            refusal = bad_request(431, f"a line of its head is over {_LINE_BYTES_MAX} bytes")
        elif "Too many headers" in (message or ""):
            refusal = bad_request(431, f"it has more than {_HEADERS_MAX} headers")
        else:
            refusal = bad_request(status, _first_line(message or "not HTTP/1.1"))
        assert isinstance(server, _Http1Server)
        return server.refuse(request, refusal)


def _first_line(text: str) -> str:
    """Of what the parser says; behind it come the bytes that it stopped at."""
    return text.strip().partition("\n")[0].rstrip(":")


class _Request(web.BaseRequest):
    """Reads its body with our words for what goes wrong."""

    ATTRS = web.BaseRequest.ATTRS | {"body_bytes_max", "broken"}

    def __init__(self, *parts: Any, body_bytes_max: int) -> None:
        super().__init__(*parts, client_max_size=body_bytes_max)
        self.body_bytes_max = body_bytes_max
        #: Where the next request begins is not known.
        self.broken = False

    @property
    def target(self) -> str:
        """Path and query as they were sent, also when the request names the whole URL."""
        raw = self.raw_path
        return raw if raw[:1] == "/" and "#" not in raw else self.rel_url.raw_path_qs

    async def read_body(self) -> bytes:
        content = self.content
        if content.is_eof():
            # All of it came with the headers: the usual case.
            body = content.read_nowait(-1)
            if len(body) <= self.body_bytes_max:
                return body
            raise body_too_long()
        if self.headers.get("expect", "").lower() == "100-continue":
            await self.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        try:
            body = await self.read()
            # aiohttp would keep it as long as the request.
            self._read_bytes = None
            return body
        except web.HTTPRequestEntityTooLarge as error:
            raise body_too_long() from error
        except web.RequestPayloadError as error:
            self.broken = True
            raise bad_request(400, f"its body breaks off: {_first_line(str(error))}") from error


def _remove_stale(path: Path) -> None:
    with contextlib.suppress(FileNotFoundError):
        path.unlink()


class _Response(web.StreamResponse):
    """An answer whose bytes are ready."""

    def __init__(self, data: bytes, keep_alive: bool) -> None:
        super().__init__()
        self._data = data
        self._stays_open = keep_alive

    @property
    def keep_alive(self) -> bool | None:
        return self._stays_open

    async def prepare(self, request: web.BaseRequest) -> None:
        await request.writer.write(self._data)

    async def write_eof(self, data: bytes = b"") -> None:
        pass
