"""HTTP/1.1 behind the same face as the HTTP/2 pool, for deployments that ask for it. Owns: an aiohttp session.

The request is sent before the response is read: request-response mode only. A body that comes in one piece has a
content-length; a longer one is chunked, and asked for piece by piece as the service takes it.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator

import aiohttp
from yarl import URL

from partitiond.invoker.http2.errors import ErrorKind, StreamError
from partitiond.invoker.http2.message import Headers
from partitiond.invoker.http2.request import RequestHead
from partitiond.invoker.http2.stream import StreamHandler

__all__ = ["Http1Endpoint"]

_CONNECT_TIMEOUT_S = 10.0
#: Of a response, what may be read before it is consumed.
_UNCONSUMED_BYTES_MAX = 256 * 1024


class Http1Endpoint:
    """Requests to one origin, `http://host:port`. How many run at once is the invoker's to bound."""

    def __init__(self, origin: str) -> None:
        self._origin = origin
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
        head = stream.head
        handler = stream.handler
        sent = False
        try:
            if self._session is None:
                timeout = aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_TIMEOUT_S)
                connector = aiohttp.TCPConnector(limit=0)
                self._session = aiohttp.ClientSession(connector=connector, timeout=timeout, auto_decompress=False)
            async with self._session.request(
                head.method,
                URL(self._origin + head.path, encoded=True),
                headers=head.headers,
                data=stream.first if stream.ended else stream.pieces(),
                allow_redirects=False,
            ) as response:
                sent = True
                items = [(name.lower(), value) for name, value in response.headers.items()]
                handler.on_response(response.status, Headers(items))
                while not stream.dropped and (data := await response.content.readany()):
                    handler.on_data(data)
                    await stream.wait_consumed(len(data))
        except aiohttp.ClientConnectorError as error:
            failure = StreamError(ErrorKind.CONNECT, str(error), sent=False)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            failure = StreamError(ErrorKind.CLOSED, str(error) or type(error).__name__, sent=True)
        except asyncio.CancelledError:
            failure = StreamError(ErrorKind.CLOSED, "the pool was closed", sent=sent)
        else:
            if not stream.dropped:
                handler.on_end()
            return
        if not stream.dropped:
            handler.on_error(failure)


class _Http1Stream:
    """See http2.stream.Stream."""

    def __init__(
        self, endpoint: Http1Endpoint, head: RequestHead, handler: StreamHandler, body: bytes, *, end: bool
    ) -> None:
        self.head = head
        self.handler = handler
        self.first = body
        #: The owner has closed the request.
        self.ended = end
        #: The owner wants to hear no more.
        self.dropped = False
        self.auto_consume = True
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
