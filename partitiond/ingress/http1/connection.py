"""One HTTP/1.1 connection of a client. Owns: its socket.

Rules that always hold:
- requests are answered one at a time, in order, each with one write;
- a client that does not read is not read from, nor is one that sends requests faster than they are answered, or a
  body that nobody has asked for;
- a request whose client goes away is cancelled;
- behind what is no HTTP comes one last answer, and what is still sent is read for a while, lest the kernel takes that
  answer back.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any, Final, Protocol, cast

from partitiond.ingress.answering import Head
from partitiond.ingress.errors import IngressError, bad_request, body_too_long
from partitiond.ingress.handlers import ReadBody
from partitiond.ingress.http1.encoding import CONTINUE, encode
from partitiond.ingress.http1.reader import Reader
from partitiond.ingress.http1.request import Request
from partitiond.ingress.http1.stepper import Stepper
from partitiond.ingress.replies import Answered

__all__ = ["Answerer", "Http1Connection"]

_log = logging.getLogger(__name__)
#: Of a body that nobody has asked for, or will.
_UNREAD_BYTES_MAX: Final = 64 * 1024
#: How long the rest of a request that is answered may take to come; ticks.
_LINGER_TICKS: Final = 10


class Answerer(Protocol):
    """Who makes the answers: `answering.Answering`."""

    def answer(self, head: Head, read_body: ReadBody) -> Coroutine[Any, Any, Answered]: ...

    def refusal(self, refusal: IngressError) -> Answered: ...


class Http1Connection:
    """`on_lost`: told once, at the end. `keep_alive_ticks`: how many calls of `on_tick` a client may be silent.

    It has the methods of `asyncio.Protocol`, and is none, so that it can be compiled.
    """

    def __init__(
        self,
        answerer: Answerer,
        *,
        body_bytes_max: int,
        keep_alive_ticks: int,
        on_lost: Callable[[Http1Connection], None],
    ) -> None:
        self._answerer = answerer
        self._body_bytes_max = body_bytes_max
        self._keep_alive_ticks = keep_alive_ticks
        self._on_lost = on_lost
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._reader = Reader(body_bytes_max=body_bytes_max)
        self._requests = self._reader.requests
        self._stepper = Stepper(self._loop, self._on_answered)
        #: The request that is being answered.
        self._current: Request | None = None
        #: One that is answered, and not yet wholly here.
        self._lingering: Request | None = None
        self._waiter: asyncio.Future[None] | None = None
        #: In `_go_on`: who answers at once is not to call it again.
        self._going_on = False
        self._draining = False
        #: The client does not read.
        self._write_paused = False
        self._read_paused = False
        #: The client sends no more.
        self._eof = False
        #: The last answer is written: what comes is dropped.
        self._ended = False
        self._silent_ticks = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are none of asyncio's classes, though they do what those promise.
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        if self._ended:
            return
        self._reader.feed(data)
        if self._lingering is None:
            self._silent_ticks = 0
        elif self._lingering.complete:
            if not self._lingering.keep_alive and self._transport is not None:
                # So it says at its very end, in a trailer.
                self._transport.close()
                return
            self._lingering = None
        elif self._lingering.broken is not None:
            self.close()
            return
        current = self._current
        if current is None:
            self._go_on()
        elif self._waiter is not None:
            if (current.complete or current.too_long or current.broken is not None) and not self._waiter.done():
                self._waiter.set_result(None)
        elif self._requests or not current.complete:
            self._hold()

    def eof_received(self) -> bool:
        """The client sends no more: it is gone, as far as we can tell, and the transport closes.

        Who is in the midst of a body hears what is wrong, if it still listens.
        """
        waiter = self._waiter
        if waiter is None or waiter.done():
            return False
        self._eof = True
        self._reader.end()
        waiter.set_result(None)
        return True

    def pause_writing(self) -> None:
        self._write_paused = True
        self._hold()

    def resume_writing(self) -> None:
        self._write_paused = False
        self._silent_ticks = 0
        if self._current is None:
            self._go_on()
        self._hold()

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._ended = True
        self._stepper.cancel()
        self._reader.close()
        self._on_lost(self)

    def drain(self) -> None:
        """Close if idle, else behind the answer."""
        self._draining = True
        if self._current is None and self._transport is not None:
            self._transport.close()

    def close(self) -> None:
        """Close now, whatever waits."""
        if self._transport is not None:
            self._transport.abort()

    def on_tick(self) -> None:
        """Once a second or so: time-outs without a timer each. A request may wait for hours, and its client with it."""
        if self._transport is None or self._write_paused:
            return
        if self._ended or self._lingering is not None:
            self._silent_ticks += 1
            if self._silent_ticks > _LINGER_TICKS:
                self._transport.abort()
        elif self._current is None:
            self._silent_ticks += 1
            if self._silent_ticks > self._keep_alive_ticks:
                self._transport.close()

    def _go_on(self) -> None:
        """Begin the next request, if it is its turn."""
        if self._going_on:
            return
        self._going_on = True
        requests = self._requests
        while self._current is None and not (self._ended or self._write_paused):
            fault = self._reader.fault
            if not requests:
                if fault is not None and self._lingering is None:
                    self._refuse(fault)
                break
            request = requests.popleft()
            if fault is not None and request.broken is not None:
                self._refuse(fault)
                break
            self._current = request
            self._stepper.start(self._answerer.answer(request, self._read_body))
        self._going_on = False
        if requests or self._read_paused:
            self._hold()

    async def _read_body(self) -> bytes:
        """Raises IngressError when it is over the limit, or cannot be read."""
        request = self._current
        assert request is not None, "a body of no request"
        if not request.complete:
            await self._whole_body(request)
        if request.too_long:
            raise body_too_long()
        if request.broken is not None:
            raise bad_request(400, f"its body breaks off: {request.broken}")
        return request.take_body()

    async def _whole_body(self, request: Request) -> None:
        if not request.continued:
            request.continued = True
            if not request.received and self._transport is not None:
                self._transport.write(CONTINUE)
        while not (request.complete or request.too_long or request.broken is not None):
            self._waiter = self._loop.create_future()
            self._hold()
            try:
                await self._waiter
            finally:
                self._waiter = None

    def _on_answered(self, answered: Answered | None) -> None:
        request = self._current
        assert request is not None, "an answer to no request"
        self._current = None
        self._silent_ticks = 0
        transport = self._transport
        if transport is None or transport.is_closing():
            return
        if answered is None:
            # Not by us, for its client is still here: what it waited for was given up.
            transport.abort()
            return
        keep_alive = request.keep_alive and not self._draining
        if not request.complete and (
            request.broken is not None
            # It may send the body or not: nobody knows where its next request begins.
            or not request.continued
            # There is no end to it that is worth waiting for.
            or max(request.length, request.received) > self._body_bytes_max
        ):
            keep_alive = False
        transport.write(
            encode(answered, minor=request.minor, keep_alive=keep_alive, head_only=request.method == "HEAD")
        )
        if not keep_alive:
            self._end(transport, in_time=request.complete or self._eof)
            return
        if not request.complete:
            request.unread = True
            request.chunks.clear()
            self._lingering = request
        self._go_on()

    def _refuse(self, fault: IngressError) -> None:
        """The last answer of a connection whose bytes are no request."""
        assert self._transport is not None
        _log.debug("connection ends: %s", fault.message)
        self._transport.write(encode(self._answerer.refusal(fault), minor=1, keep_alive=False))
        self._end(self._transport, in_time=False)

    def _end(self, transport: asyncio.Transport, *, in_time: bool) -> None:
        """The last answer is written. `in_time`: the client has nothing more to send."""
        self._ended = True
        self._requests.clear()
        if in_time:
            transport.close()
            return
        self._hold()
        transport.write_eof()

    def _hold(self) -> None:
        """Read on, or do not."""
        transport = self._transport
        if transport is None or transport.is_closing():
            return
        current = self._current
        if self._ended:
            hold = False
        elif self._eof:
            return
        elif self._write_paused or self._requests:
            hold = True
        else:
            # Of others the end is waited for, or that they go away.
            hold = (
                current is not None
                and not current.complete
                and self._waiter is None
                and current.received > _UNREAD_BYTES_MAX
            )
        if hold != self._read_paused:
            self._read_paused = hold
            if hold:
                transport.pause_reading()
            else:
                transport.resume_reading()
