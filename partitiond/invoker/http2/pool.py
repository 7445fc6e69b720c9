"""Connections to one deployment authority, shared by its requests.

Owns the connections, the task that makes the next one, and the line of waiting requests.

Rules that always hold: at most one connection is being made at a time; a request waits only while every
connection is full or being made; the line is served in order of arrival.
"""

import asyncio
import ssl

from partitiond.invoker.http2.connection import Connection
from partitiond.invoker.http2.errors import ErrorKind, StreamError
from partitiond.invoker.http2.frames import NO_ERROR
from partitiond.invoker.http2.hpack import BlockDecoder
from partitiond.invoker.http2.request import Origin, RequestHead
from partitiond.invoker.http2.sender import Sender
from partitiond.invoker.http2.settings import PoolSettings
from partitiond.invoker.http2.stream import Stream, StreamHandler
from partitiond.invoker.http2.waiting import WaitingLine
from shared.descriptors import shortage
from shared.transport.tls import client_tls, tls_problem
from shared.turn import Turn

__all__ = ["Pool"]


class Pool:
    """See the module. For https, `ssl_context` offers h2 by ALPN; None: one that trusts the system's authorities."""

    def __init__(
        self,
        origin: Origin,
        *,
        settings: PoolSettings = PoolSettings(),  # noqa: B008  (frozen)
        ssl_context: ssl.SSLContext | None = None,
        turn: Turn | None = None,
    ) -> None:
        self.origin = origin
        self._settings = settings
        self._tls = (ssl_context or client_tls("", "h2")) if origin.scheme == "https" else None
        self._turn = turn or Turn()
        self._origin_block = origin.block()
        self._decoder = BlockDecoder(settings.header_list_bytes_max)
        self._line = WaitingLine()
        #: Connections that take streams, oldest first: filling them in order lets the newest fall idle.
        self._ready: list[Connection] = []
        #: Every connection whose socket is not closed yet.
        self._all: set[Connection] = set()
        self._connecting: asyncio.Task[None] | None = None
        #: No attempt to add a connection before this time of the loop's clock.
        self._grow_not_before = 0.0
        self._closed = False
        self._spread_max = min(settings.spread_connections, settings.connections_max)
        self._wide_max = min(settings.wide_connections, settings.connections_max)

    @property
    def waiting(self) -> int:
        """Requests in the queue."""
        return len(self._line)

    @property
    def connections(self) -> int:
        """Connections that take new streams."""
        return len(self._ready)

    def request(
        self,
        head: RequestHead,
        handler: StreamHandler,
        body: bytes = b"",
        *,
        end: bool = False,
    ) -> Stream:
        """Start a request now, or when a connection has room; `end` closes it after `body`.

        Never raises for I/O and calls nobody back before it returns; errors come by `handler.on_error`. If
        the stream is not `writable` afterwards, `on_writable` follows as after a `send` that returned False.
        """
        block = head.before + self._origin_block + head.after
        stream = Stream(handler, self._line, bodiless=head.method == "HEAD")
        sender = self._emptiest() if not self._line else None
        if sender is not None:
            if body:
                sender.open(stream, block)
                sender.send(stream, body, end)
            else:
                stream.ending = end
                sender.open(stream, block)
            self._maybe_spread(sender)
            return stream
        self._line.send(stream, body, end)
        self._line.join(stream, block)
        if self._closed:
            asyncio.get_running_loop().call_soon(self._fail_line, ErrorKind.CLOSED, "the pool is closed")
        else:
            self._maybe_grow()
        return stream

    def _emptiest(self) -> Sender | None:
        """Of the connections with room the one with the fewest open streams; of equals the oldest, so that the newest
        falls idle. None: all are full."""
        found: Sender | None = None
        fewest = 0
        for connection in self._ready:
            sender = connection.sender
            count = len(sender.streams)
            if count < sender.limit and (found is None or count < fewest):
                found, fewest = sender, count
        return found

    async def close(self) -> None:
        """Refuse what waits, end what runs, close every connection, and wait until the sockets are closed."""
        self._closed = True
        if self._connecting is not None:
            self._connecting.cancel()
            await asyncio.wait([self._connecting])
        self._fail_line(ErrorKind.CLOSED, "the pool was closed")
        connections = list(self._all)
        for connection in connections:
            connection.fail(ErrorKind.CLOSED, "the pool was closed", NO_ERROR)
        for connection in connections:
            await connection.gone

    # ---- growing

    def _maybe_grow(self) -> None:
        """Make one more connection if requests wait and the limit allows it."""
        if self._line and len(self._ready) < self._settings.connections_max:
            self._try_grow()

    def _maybe_spread(self, sender: Sender) -> None:
        """Make one more connection beside the emptiest one if that has much to do, or holds bodies back."""
        most = 0
        if sender.held_back:
            most = self._wide_max
        elif len(sender.streams) >= self._settings.spread_streams:
            most = self._spread_max
        if len(self._ready) < most:
            self._try_grow()

    def _try_grow(self) -> None:
        """Unless one is being made, or failed just now while others work: those have events that lead here again."""
        if self._connecting is not None or self._closed:
            return
        loop = asyncio.get_running_loop()
        if not self._ready or loop.time() >= self._grow_not_before:
            self._connecting = loop.create_task(self._grow(), name=f"connect {self.origin}")

    async def _grow(self) -> None:
        try:
            await self._connect()
        except Exception as error:
            self._connecting = None
            self._connect_failed(error)
        else:
            self._connecting = None
            self._maybe_grow()

    async def _connect(self) -> None:
        """Returns when the peer has sent its SETTINGS; raises whatever went wrong."""
        step = "connection"
        try:
            async with asyncio.timeout(self._settings.connect_timeout_s):
                connection = await self._open()
                step = "SETTINGS from the peer"
                await self._settle(connection)
        except TimeoutError:
            raise TimeoutError(f"no {step} within {self._settings.connect_timeout_s:g} s") from None

    async def _open(self) -> Connection:
        connection = Connection(self._settings, self._decoder, self._turn, self._on_change)
        try:
            await asyncio.get_running_loop().create_connection(
                lambda: connection,
                self.origin.host,
                self.origin.port,
                ssl=self._tls,
                server_hostname=self.origin.host if self._tls else None,
            )
        except BaseException as error:
            connection.given_up(error)
            raise
        return connection

    async def _settle(self, connection: Connection) -> None:
        try:
            if not connection.gone.done():
                self._all.add(connection)
            await connection.ready
            if connection.receiver.failure is not None:
                raise connection.receiver.failure
        finally:
            if not connection.receiver.settled:
                connection.close()

    def _connect_failed(self, error: Exception) -> None:
        if self._ready:  # Those that wait still have a chance; and the failure may be a limit of the peer's.
            self._grow_not_before = asyncio.get_running_loop().time() + self._settings.connect_retry_s
            return
        reason = error.message if isinstance(error, StreamError) else tls_problem(error) or str(error) or repr(error)
        self._fail_line(ErrorKind.CONNECT, f"cannot connect to {self.origin}: {shortage(reason)}")

    def _fail_line(self, kind: ErrorKind, message: str) -> None:
        for raised in self._line.fail_all(kind, message):
            asyncio.get_running_loop().call_exception_handler(
                {"message": "HTTP/2 stream handler raised", "exception": raised}
            )

    # ---- serving

    def _on_change(self, connection: Connection) -> None:
        """A connection became ready, has free slots, takes no more streams, or is gone."""
        sender = connection.sender
        if connection.gone.done():
            self._all.discard(connection)
        if sender.draining:
            if connection in self._ready:
                self._ready.remove(connection)
            if connection.idle:
                connection.close()
        elif connection.receiver.settled and connection not in self._ready:
            self._ready.append(connection)
        while self._line and len(sender.streams) < sender.limit:
            stream, block = self._line.take()
            sender.open(stream, block)
            if sender.pump(stream):
                sender.drained(stream)
        self._maybe_grow()
