"""HTTP/1.1 behind the same face as the HTTP/2 pool, for deployments that ask for it. Owns: an aiohttp session.

The request is sent before the response is read: request-response mode only. A body that comes in one piece has a
content-length; a longer one is chunked, and asked for piece by piece as the service takes it. Connections are kept for
the next request, as `Http1Settings` says.
"""

from __future__ import annotations

import asyncio
import ssl
from collections import deque
from collections.abc import AsyncIterator
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import aiohttp
from yarl import URL

from partitiond.invoker.http2.errors import ErrorKind, StreamError
from partitiond.invoker.http2.message import Headers
from partitiond.invoker.http2.request import RequestHead
from partitiond.invoker.http2.stream import StreamHandler
from shared.descriptors import shortage
from shared.transport.tls import tls_problem

__all__ = ["Http1Endpoint", "Http1Settings"]

#: Of one line of a response's head; as much as HTTP/2 takes for all of it.
_HEAD_LINE_BYTES_MAX = 65_536
#: Of a response, what may be read before it is consumed.
_UNCONSUMED_BYTES_MAX = 256 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Http1Settings:
    """What one endpoint may use, and how long it waits."""

    #: Connections at one time, each with one request; beyond it requests wait. As many as an HTTP/2 pool has streams.
    connections_max: int = 2048
    #: A connection without a request is closed after this time. Many servers close theirs after 5 to 75 s.
    idle_close_s: float = 60.0
    #: From the start of a connection attempt to the end of the TLS handshake.
    connect_timeout_s: float = 10.0


class Http1Endpoint:
    """Requests to one origin, `http://host:port`. How many run at once is the invoker's to bound.

    For https, `ssl_context` offers no HTTP but 1.1 by ALPN.
    """

    def __init__(
        self,
        origin: str,
        *,
        settings: Http1Settings = Http1Settings(),
        ssl_context: ssl.SSLContext | None = None,
    ) -> None:
        self._origin = origin
        self._settings = settings
        self._tls = ssl_context
        self._session: aiohttp.ClientSession | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    def request(
        self, head: RequestHead, handler: StreamHandler, body: bytes = b"", *, end: bool = False
    ) -> _Http1Stream:
        """See http2.pool.Pool.request."""
        return _Http1Stream(self, head, handler, body, end=end)

    async def close(self) -> None:
        """End what runs and close the connections."""
        for task in list(self._tasks):
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
        if self._session is not None:
            await self._session.close()

    def exchange(self, stream: _Http1Stream) -> asyncio.Task[None]:
        """Send the request and read the response."""
        task = asyncio.get_running_loop().create_task(self._exchange(stream))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _exchange(self, stream: _Http1Stream) -> None:
        handler = stream.handler
        facts = SimpleNamespace(reused=False, sent=False)
        whole = stream.whole_body()
        try:
            try:
                await self._ask(stream, stream.pieces() if whole is None else whole, facts)
            except (aiohttp.ServerDisconnectedError, ConnectionResetError):
                # The service closed a kept connection while we took it up: no answer of its says so.
                if stream.answered or not facts.reused or whole is None:
                    raise
                await self._ask(stream, whole, facts)
        except aiohttp.ClientConnectorError as error:
            reason = shortage(tls_problem(error) or str(error))
            failure = StreamError(ErrorKind.CONNECT, f"cannot connect to {self._origin}: {reason}", sent=False)
        except aiohttp.ConnectionTimeoutError:
            text = f"no connection to {self._origin} within {self._settings.connect_timeout_s:g} s"
            failure = StreamError(ErrorKind.CONNECT, text, sent=False)
        except aiohttp.ClientResponseError as error:
            failure = StreamError(ErrorKind.PROTOCOL, _text_of(error), sent=True)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            failure = StreamError(ErrorKind.CLOSED, _text_of(error), sent=True)
        except asyncio.CancelledError:
            failure = StreamError(ErrorKind.CLOSED, "the pool was closed", sent=facts.sent)
        else:
            if not stream.dropped:
                handler.on_end()
            return
        if not stream.dropped:
            handler.on_error(failure)

    async def _ask(self, stream: _Http1Stream, body: bytes | AsyncIterator[bytes], facts: SimpleNamespace) -> None:
        head = stream.head
        async with self._opened().request(
            head.method,
            URL(self._origin + head.path, encoded=True),
            headers=head.headers,
            data=body,
            allow_redirects=False,
            trace_request_ctx=facts,
        ) as response:
            stream.answered = True
            items = [(name.lower(), value) for name, value in response.headers.items()]
            stream.handler.on_response(response.status, Headers(items))
            while not stream.dropped and (data := await response.content.readany()):
                stream.handler.on_data(data)
                await stream.wait_consumed(len(data))

    def _opened(self) -> aiohttp.ClientSession:
        """The session, made at the first request."""
        if self._session is None:
            settings = self._settings
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(
                    limit=settings.connections_max,
                    keepalive_timeout=settings.idle_close_s,
                    ssl=self._tls if self._tls is not None else True,
                ),
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=settings.connect_timeout_s),
                auto_decompress=False,
                max_field_size=_HEAD_LINE_BYTES_MAX,
                # We decompress nothing, so it must not be asked for; and HTTP/2 has no name of ours either.
                skip_auto_headers=("Accept-Encoding", "User-Agent"),
                trace_configs=[_watch()],
            )
        return self._session


def _watch() -> aiohttp.TraceConfig:
    """Notes in the facts of a request whether its connection is a kept one, and whether anything was sent."""
    config = aiohttp.TraceConfig()

    async def reused(session: aiohttp.ClientSession, context: SimpleNamespace, _: Any) -> None:
        context.trace_request_ctx.reused = True

    async def made(session: aiohttp.ClientSession, context: SimpleNamespace, _: Any) -> None:
        context.trace_request_ctx.reused = False

    async def sent(session: aiohttp.ClientSession, context: SimpleNamespace, _: Any) -> None:
        context.trace_request_ctx.sent = True

    config.on_connection_reuseconn.append(reused)
    config.on_connection_create_end.append(made)
    config.on_request_headers_sent.append(sent)
    return config


def _text_of(error: Exception) -> str:
    """For people: aiohttp shows its own objects, or the request."""
    if isinstance(error, aiohttp.ServerDisconnectedError):
        return "the service closed the connection before a whole response head"
    if isinstance(error, aiohttp.ClientResponseError):
        return f"the response is no HTTP/1.1: {error.message.partition(chr(10))[0].rstrip(':')}"
    return str(error) or type(error).__name__


class _Http1Stream:
    """See http2.stream.Stream."""

    def __init__(
        self, endpoint: Http1Endpoint, head: RequestHead, handler: StreamHandler, body: bytes, *, end: bool
    ) -> None:
        self.head = head
        self.handler = handler
        #: The owner has closed the request.
        self.ended = end
        #: The response has begun.
        self.answered = False
        #: The owner wants to hear no more.
        self.dropped = False
        self.auto_consume = True
        #: Of a body that is known from the start nothing waits for the owner's sake.
        self._whole = body if end else b""
        self._waiting: deque[bytes] = deque() if end else deque([body])
        self._news = asyncio.Event()
        self._unconsumed = 0
        self._consumed = asyncio.Event()
        self._task = endpoint.exchange(self)

    @property
    def writable(self) -> bool:
        return not self._waiting

    @property
    def waiting_bytes(self) -> int:
        return sum(map(len, self._waiting))

    def send(self, data: bytes, *, end: bool = False) -> bool:
        """Never at once: the body is taken by the task that writes it."""
        if not self.ended and not self.dropped:
            self.ended = end
            if data:
                self._waiting.append(data)
            self._news.set()
        return not self._waiting

    def close_request(self) -> None:
        self.send(b"", end=True)

    def reset(self) -> None:
        self.dropped = True
        self._task.cancel()

    def consumed(self, n: int) -> None:
        self._unconsumed -= n
        self._consumed.set()

    def widen(self, n: int) -> None:
        """There are no windows."""

    def whole_body(self) -> bytes | None:
        """All of it, if it is known now."""
        if not self.ended:
            return None
        body = b"".join((self._whole, *self._waiting))
        self._waiting.clear()
        return body

    async def pieces(self) -> AsyncIterator[bytes]:
        """The body, each piece once the one before is written to the socket's buffer."""
        while True:
            while self._waiting:
                yield self._waiting.popleft()
            if self.ended or self.dropped:
                return
            self._news.clear()
            self.handler.on_writable()
            if not self._waiting and not self.ended:
                await self._news.wait()

    async def wait_consumed(self, count: int) -> None:
        """The response goes on once the owner has dealt with what it has."""
        if self.auto_consume:
            return
        self._unconsumed += count
        while self._unconsumed > _UNCONSUMED_BYTES_MAX and not self.dropped:
            self._consumed.clear()
            await self._consumed.wait()
