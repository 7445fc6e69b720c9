"""Sockets and HTTP: bytes of a request -> `handlers` -> bytes of the answer. Owns: the listening sockets.

aiohttp parses and keeps connections; the answer is one write of bytes made here, since its response objects
cost as much as the rest of a request.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import time
from email.utils import formatdate
from http import HTTPStatus
from pathlib import Path
from typing import Any

from aiohttp import web

from partitiond.ingress import replies
from partitiond.ingress.errors import IngressError, unavailable
from partitiond.ingress.handlers import RequestHandler
from partitiond.ingress.replies import Answer
from shared.errors import ConfigError
from shared.refusal import Refusal

__all__ = ["HttpServer"]

_KEEP_ALIVE_S = 75.0
_LINE_BYTES_MAX = 64 * 1024
#: Path and headers travel in the record beside the body; logd leaves 64 KiB for all that is not body.
_HEAD_BYTES_MAX = 60_000
_BACKLOG = 1024
_CORS = (
    b"vary: origin, access-control-request-method, access-control-request-headers\r\n"
    b"access-control-allow-credentials: true\r\n"
)
_STATUS_LINES: dict[int, bytes] = {
    status: f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\n".encode() for status in HTTPStatus
}


class HttpServer:
    """HTTP/1.1 with keep-alive on a TCP port and on a Unix socket."""

    def __init__(self, handler: RequestHandler, *, body_bytes_max: int, connections_max: int = 1 << 30) -> None:
        """`connections_max`: clients beyond these are told to come again, each in the second that it may stay."""
        self._handler = handler
        self._body_bytes_max = body_bytes_max
        self._loop = asyncio.get_running_loop()
        self._date = b""
        self._date_second = 0
        self._listeners: list[asyncio.AbstractServer] = []
        self._connections_max = connections_max
        self._server = _CountingServer(
            self._handle,  # type: ignore[arg-type]
            request_factory=self._make_request,
            handler_cancellation=True,
            access_log=None,
            auto_decompress=False,
            keepalive_timeout=_KEEP_ALIVE_S,
            max_line_size=_LINE_BYTES_MAX,
            max_field_size=_LINE_BYTES_MAX,
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

    async def close(self, *, drain_s: float) -> None:
        """Stop accepting, give requests in flight `drain_s` seconds, then close every connection."""
        for listener in self._listeners:
            listener.close()
        self._server.pre_shutdown()
        await self._server.shutdown(drain_s)

    def _accept(self) -> asyncio.Protocol:
        if self._server.count < self._connections_max:
            return self._server()
        answer = replies.error(unavailable("too many connections: no file descriptor is left for more clients"))
        end = b"connection: close\r\ncontent-length: %d\r\n\r\n" % len(answer.body)
        return Refusal(b"".join((_STATUS_LINES[answer.status], answer.headers, end, answer.body)))

    def _make_request(self, message: Any, payload: Any, protocol: Any, writer: Any, task: Any) -> _Request:
        return _Request(message, payload, protocol, writer, task, self._loop, body_bytes_max=self._body_bytes_max)

    async def _handle(self, request: _Request) -> _Response:
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
        if length is not None and int(length) > self._body_bytes_max:
            answer = replies.too_large()
        elif head_bytes > _HEAD_BYTES_MAX:
            answer = replies.error(IngressError(431, f"path and headers are over {_HEAD_BYTES_MAX} bytes"))
        else:
            answer = await self._handler.answer(request.method, target, headers, request.read_body)
        return _Response(self._encode(request, headers.get("origin"), answer), request.keep_alive)

    def _encode(self, request: _Request, origin: str | None, answer: Answer) -> bytes:
        parts = [_STATUS_LINES.get(answer.status) or b"HTTP/1.1 %d Other\r\n" % answer.status, answer.headers]
        if answer.cors:
            parts.append(_CORS)
            if origin is not None:
                parts.append(b"access-control-allow-origin: %b\r\n" % origin.encode("latin-1"))
        if not request.keep_alive:
            parts.append(b"connection: close\r\n")
        elif request.version.minor == 0:
            parts.append(b"connection: keep-alive\r\n")
        now = int(time.time())
        if now != self._date_second:
            self._date_second = now
            self._date = f"date: {formatdate(now, usegmt=True)}\r\n".encode()
        parts.append(self._date)
        parts.append(b"content-length: %d\r\n\r\n" % len(answer.body))
        if request.method != "HEAD":
            parts.append(answer.body)
        return b"".join(parts)


class _CountingServer(web.Server):
    """Knows how many connections it has."""

    count = 0

    def connection_made(self, handler: Any, transport: Any) -> None:
        self.count += 1
        super().connection_made(handler, transport)

    def connection_lost(self, handler: Any, exc: BaseException | None = None) -> None:
        self.count -= 1
        super().connection_lost(handler, exc)


class _Request(web.BaseRequest):
    """Reads its body with our words for what goes wrong."""

    ATTRS = web.BaseRequest.ATTRS | {"body_bytes_max"}

    def __init__(self, *parts: Any, body_bytes_max: int) -> None:
        super().__init__(*parts, client_max_size=body_bytes_max)
        self.body_bytes_max = body_bytes_max

    @property
    def target(self) -> str:
        """Path and query as they were sent, also when the request names the whole URL."""
        raw = self.raw_path
        return raw if raw[:1] == "/" else self.rel_url.raw_path_qs

    async def read_body(self) -> bytes:
        content = self.content
        if content.is_eof():
            # All of it came with the headers: the usual case.
            body = content.read_nowait(-1)
            if len(body) <= self.body_bytes_max:
                return body
            raise _body_too_long()
        if self.headers.get("expect", "").lower() == "100-continue":
            await self.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        try:
            body = await self.read()
            # aiohttp would keep it as long as the request.
            self._read_bytes = None
            return body
        except web.HTTPRequestEntityTooLarge as error:
            raise _body_too_long() from error


def _remove_stale(path: Path) -> None:
    with contextlib.suppress(FileNotFoundError):
        path.unlink()


def _body_too_long() -> IngressError:
    return IngressError(413, "cannot read body: it is over the limit (setting `request_bytes_limit`)")


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
