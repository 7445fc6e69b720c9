"""One socket to a peer, as an asyncio protocol.

Owns the transport and one timer. All knowledge of HTTP/2 is in `sender` and `receiver`; this module moves
their bytes: writes are joined for each turn of the event loop, or part of it (`Turn`).
"""

import asyncio
import random
import ssl
from collections.abc import Callable
from typing import cast

from partitiond.invoker.http2.errors import ErrorKind
from partitiond.invoker.http2.frames import NO_ERROR, PING, frame
from partitiond.invoker.http2.hpack import BlockDecoder
from partitiond.invoker.http2.receiver import Receiver
from partitiond.invoker.http2.sender import Sender
from partitiond.invoker.http2.settings import PoolSettings
from shared.turn import Turn

__all__ = ["Connection"]

#: How long a closing socket may take to write out its last bytes.
_CLOSE_TIMEOUT_S = 1.0
_PING_DATA = b"everlog\0"


class Connection(asyncio.Protocol):
    """See the module. `on_change` is called when slots may be free, and when it is of no more use."""

    def __init__(
        self, settings: PoolSettings, decoder: BlockDecoder, turn: Turn, on_change: Callable[["Connection"], None]
    ) -> None:
        self._settings = settings
        self._turn = turn
        self._on_change = on_change
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._paused = False
        self._closing = False
        self.sender = Sender(settings, self._wake, self._report)
        self.receiver = Receiver(self.sender, decoder, settings, self._report)
        #: Done when the peer's first SETTINGS have come, or never will: then `receiver.failure` says why.
        self.ready: asyncio.Future[None] = self._loop.create_future()
        #: Done when the socket is closed.
        self.gone: asyncio.Future[None] = self._loop.create_future()
        # Keep-alive, in steps of the timer: whether anything came since the last; since when nothing did.
        self._heard = False
        self._silent_since = self._idle_since = self._pinged_at = 0.0
        self._idle_next_id = self.sender.next_id
        self._ping_after_s = settings.ping_after_s * (1 + settings.ping_jitter * random.random())
        self._step_s = min(settings.ping_after_s, settings.ping_timeout_s, settings.idle_close_s) / 4
        self._timer: asyncio.TimerHandle | None = None

    # ---- called by the event loop

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is none by inheritance.
        tls: ssl.SSLObject | None = transport.get_extra_info("ssl_object")
        if tls is not None and tls.selected_alpn_protocol() != "h2":
            chosen = tls.selected_alpn_protocol() or "nothing"
            text = f"the peer agreed to {chosen} by ALPN, not to h2: if it speaks HTTP/1.1 only, register it anew"
            self.fail(ErrorKind.CONNECT, text)
            return
        self._silent_since = self._idle_since = self._loop.time()
        self._timer = self._loop.call_later(self._step_s, self._step)
        self.sender.preface()

    def data_received(self, data: bytes) -> None:
        self._heard = True
        self.receiver.receive(data)
        if self.sender.freed:
            self._changed()

    def eof_received(self) -> bool:
        return False  # Close: HTTP/2 has no use for half-closed connections.

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._cancel_timer()
        receiver = self.receiver
        if receiver.leaving and not receiver.inside_frame:
            receiver.fail(ErrorKind.LEFT, "the peer ended the connection, as it had said, without an answer")
        else:
            where = " in the middle of a frame" if receiver.inside_frame else ""
            receiver.fail(ErrorKind.CLOSED, f"the connection was lost{where}: {exc or 'closed by the peer'}")
        if not self.gone.done():
            self.gone.set_result(None)
        self._changed()

    def pause_writing(self) -> None:
        self._paused = True
        self.sender.budget = 0

    def resume_writing(self) -> None:
        self._paused = False
        self._flush()

    # ---- called by the pool

    @property
    def idle(self) -> bool:
        """Whether no stream is open."""
        return not self.sender.streams

    def fail(self, kind: ErrorKind, message: str, code: int | None = None) -> None:
        """End the connection: GOAWAY if a code is given, an error to every open stream, close."""
        self.receiver.fail(kind, message, code)
        self._changed()

    def given_up(self, error: BaseException) -> None:
        """Who asked the event loop for it does not wait any more. uvloop closes the socket then, and tells nobody
        (`create_connection`, cancelled behind `connection_made`); asyncio calls `connection_lost` besides."""
        if self._transport is not None:
            self.connection_lost(ConnectionAbortedError(f"given up: {error!r}"))

    def close(self) -> None:
        """Write what is to be written, then close the socket. Streams that are open get an error."""
        if self._closing:
            return
        self._closing = True
        if self.receiver.failure is None:
            self.receiver.fail(ErrorKind.CLOSED, "the connection was closed", NO_ERROR)
        if self._transport is not None:
            self._transport.write(self.sender.take())
            self._transport.close()
            self._cancel_timer()
            self._timer = self._loop.call_later(_CLOSE_TIMEOUT_S, self._transport.abort)

    # ---- inside

    def _wake(self) -> None:
        self._turn.add(self._flush)

    def _flush(self) -> None:
        if self._paused or self._closing or self._transport is None:
            return  # Paused: what gathers stays in the sender until `resume_writing`.
        data = self.sender.take()
        if data:
            self._transport.write(data)
        if not self._paused:
            self.sender.refill()
        if self.sender.freed:
            self._changed()

    def _changed(self) -> None:
        self.sender.freed = False
        failure = self.receiver.failure
        if not self.ready.done() and (failure is not None or self.receiver.settled):
            self.ready.set_result(None)
        self._on_change(self)
        if failure is not None:
            self.close()

    def _step(self) -> None:
        """Keep-alive and idle close, to the precision of a step; the only timer of a connection."""
        now = self._loop.time()
        settings = self._settings
        self._timer = self._loop.call_later(self._step_s, self._step)
        if self._heard:
            self._heard = False
            self._silent_since = now
            self._pinged_at = 0.0
        elif self._pinged_at:
            if now - self._pinged_at >= settings.ping_timeout_s:
                self.fail(ErrorKind.TIMEOUT, f"no answer to PING within {settings.ping_timeout_s:g} s")
                return
        elif now - self._silent_since >= self._ping_after_s and self.receiver.settled:
            self._pinged_at = now
            self.sender.put(frame(PING, 0, 0, _PING_DATA))
        if self.sender.streams or self.sender.next_id != self._idle_next_id:
            self._idle_next_id = self.sender.next_id
            self._idle_since = now
        elif now - self._idle_since >= settings.idle_close_s and self.receiver.settled:
            self.sender.stop()
            self._changed()

    def _cancel_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _report(self, error: Exception) -> None:
        """A callback of a stream's owner raised: our fault, for the loop's exception handler to log."""
        self._loop.call_exception_handler({"message": "HTTP/2 stream handler raised", "exception": error})
