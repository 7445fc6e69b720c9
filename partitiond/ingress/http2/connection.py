"""One HTTP/2 connection of a client. Owns: its socket, and a task for each request.

A client that does not read is not read from; what waits for it is bounded by `session` and `outflow`.
"""

from __future__ import annotations

import asyncio
import functools
import logging
from collections.abc import Awaitable, Callable
from typing import cast

from partitiond.ingress.answering import Head
from partitiond.ingress.errors import body_too_long
from partitiond.ingress.handlers import ReadBody
from partitiond.ingress.http2.session import Session
from partitiond.ingress.http2.stream import Stream
from partitiond.ingress.replies import Answered

__all__ = ["Http2Connection"]

_log = logging.getLogger(__name__)
#: A client that does not answer the PING of a drain is believed to have heard of it after this time.
_DRAIN_PING_S = 1.0


_Answer = Callable[[Head, ReadBody], Awaitable[Answered]]


class Http2Connection(asyncio.Protocol):
    """`answer` never raises but CancelledError; `on_lost`: told once, at the end. The preface was read before."""

    def __init__(
        self,
        answer: _Answer,
        *,
        body_bytes_max: int,
        keep_alive_s: float,
        on_lost: Callable[[Http2Connection], None],
    ) -> None:
        self._answer = answer
        self._keep_alive_s = keep_alive_s
        self._on_lost = on_lost
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._paused = False
        self._flushing = False
        self._active_at = self._loop.time()
        self._idle: asyncio.TimerHandle | None = None
        self._session = Session(self, body_bytes_max=body_bytes_max)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._idle = self._loop.call_later(self._keep_alive_s, self._on_idle)
        self._session.open()

    def data_received(self, data: bytes) -> None:
        self._active_at = self._loop.time()
        self._session.receive(data)

    def pause_writing(self) -> None:
        self._paused = True
        if self._transport is not None:
            self._transport.pause_reading()

    def resume_writing(self) -> None:
        self._paused = False
        if self._transport is not None and not self._transport.is_closing():
            self._transport.resume_reading()
            self._session.out.refill()
            self._flush()

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        if self._idle is not None:
            self._idle.cancel()
        for stream in self._session.streams.values():
            stream.task.cancel()
        self._on_lost(self)

    def drain(self) -> None:
        """Take no new requests; close once those that are here are answered."""
        self._session.announce_drain()
        self._loop.call_later(_DRAIN_PING_S, self._session.refuse_new)

    def close(self) -> None:
        """Close now, whatever waits."""
        if self._transport is not None:
            self._transport.abort()

    def on_request(self, stream: Stream) -> None:
        stream.task = self._loop.create_task(self._serve(stream))

    def on_body(self, stream: Stream) -> None:
        waiter = stream.waiter
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    def on_reset(self, stream: Stream) -> None:
        stream.task.cancel()

    def wake(self) -> None:
        if not self._flushing:
            self._flushing = True
            self._loop.call_soon(self._flush)

    async def _serve(self, stream: Stream) -> None:
        answered = await self._answer(stream.head, functools.partial(self._read_body, stream))
        self._active_at = self._loop.time()
        body = b"" if stream.head.method == "HEAD" else answered.body
        self._session.answer(stream, answered.status, answered.lines, body)

    async def _read_body(self, stream: Stream) -> bytes:
        """Raises IngressError when it is over the limit."""
        self._session.read_body(stream)
        while not (stream.complete or stream.too_long):
            stream.waiter = self._loop.create_future()
            await stream.waiter
        if stream.too_long:
            raise body_too_long()
        body = b"".join(stream.chunks)
        stream.chunks.clear()
        return body

    def _flush(self) -> None:
        self._flushing = False
        transport = self._transport
        if transport is None or transport.is_closing():
            return
        ended = self._session.ended
        if self._paused:
            if ended:
                # It broke the rules and does not read.
                transport.abort()
            return
        transport.write(self._session.out.take())
        if ended is not None:
            if ended:
                _log.debug("connection ends: %s", ended)
            transport.close()
        elif not self._paused:
            # The socket took all: the next part, and others have their turn before it.
            self._session.out.refill()

    def _on_idle(self) -> None:
        left = self._active_at + self._keep_alive_s - self._loop.time()
        if left <= 0:
            left = self._keep_alive_s
            if not self._session.streams:
                self._session.refuse_new()
        self._idle = self._loop.call_later(left, self._on_idle)
