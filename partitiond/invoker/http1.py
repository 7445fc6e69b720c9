"""HTTP/1.1 behind the same face as the HTTP/2 pool, for deployments that ask for it. Owns: an aiohttp session.

The request is sent whole, then the response is read: request-response mode only.
"""

from __future__ import annotations

import asyncio
import io

import aiohttp
from yarl import URL

from partitiond.invoker.http2.errors import ErrorKind, StreamError
from partitiond.invoker.http2.message import Headers
from partitiond.invoker.http2.request import RequestHead
from partitiond.invoker.http2.stream import StreamHandler

__all__ = ["Http1Endpoint"]

_CONNECT_TIMEOUT_S = 10.0
#: Of one line of a response's head; as much as HTTP/2 takes for all of it.
_HEAD_LINE_BYTES_MAX = 65_536


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
        stream = _Http1Stream(self, head, handler)
        stream.send(body, end=end)
        return stream

    async def close(self) -> None:
        """End what runs and close the connections."""
        for task in list(self._tasks):
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
        if self._session is not None:
            await self._session.close()

    def exchange(self, stream: _Http1Stream) -> asyncio.Task[None]:
        """The whole request is known: send it and read the response."""
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
                self._session = aiohttp.ClientSession(
                    connector=connector, timeout=timeout, auto_decompress=False, max_field_size=_HEAD_LINE_BYTES_MAX
                )
            async with self._session.request(
                head.method,
                URL(self._origin + head.path, encoded=True),
                headers=head.headers,
                data=io.BytesIO(b"".join(stream.body)),
                allow_redirects=False,
            ) as response:
                sent = True
                items = [(name.lower(), value) for name, value in response.headers.items()]
                handler.on_response(response.status, Headers(items))
                while not stream.dropped and (data := await response.content.readany()):
                    handler.on_data(data)
        except aiohttp.ClientConnectorError as error:
            failure = StreamError(ErrorKind.CONNECT, str(error), sent=False)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            failure = StreamError(ErrorKind.CLOSED, _text_of(error), sent=True)
        except asyncio.CancelledError:
            failure = StreamError(ErrorKind.CLOSED, "the pool was closed", sent=sent)
        else:
            if not stream.dropped:
                handler.on_end()
            return
        if not stream.dropped:
            handler.on_error(failure)


def _text_of(error: Exception) -> str:
    """For people: aiohttp shows its own objects, or the request."""
    if isinstance(error, aiohttp.ServerDisconnectedError):
        return "the service closed the connection before a whole response head"
    if isinstance(error, aiohttp.ClientResponseError):
        return f"the response is no HTTP/1.1: {error.message.partition(chr(10))[0].rstrip(':')}"
    return str(error) or type(error).__name__


class _Http1Stream:
    """See http2.stream.Stream. Sends when the request is closed."""

    def __init__(self, endpoint: Http1Endpoint, head: RequestHead, handler: StreamHandler) -> None:
        self._endpoint = endpoint
        self.head = head
        self.handler = handler
        self.body: list[bytes] = []
        #: The owner wants to hear no more.
        self.dropped = False
        self._task: asyncio.Task[None] | None = None

    def send(self, data: bytes, *, end: bool = False) -> bool:
        if self._task is None and not self.dropped:
            self.body.append(data)
            if end:
                self._task = self._endpoint.exchange(self)
        return True

    def close_request(self) -> None:
        self.send(b"", end=True)

    def reset(self) -> None:
        self.dropped = True
        if self._task is not None:
            self._task.cancel()
