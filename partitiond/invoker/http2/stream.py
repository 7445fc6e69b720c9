"""One request and its response, as its owner sees them.

Pure: no I/O.

Rules that always hold: exactly one of `on_end` and `on_error` is called, once, and nothing after it; after
`reset` nothing is called; no callback runs inside a call of the owner's.
"""

from collections import deque
from typing import Final, Protocol

from partitiond.invoker.http2.errors import StreamError
from partitiond.invoker.http2.frames import CANCEL
from partitiond.invoker.http2.message import Headers

__all__ = ["Stream", "StreamHandler", "StreamPort"]


class StreamHandler(Protocol):
    """What the owner of a stream implements. A callback that raises ends its stream with INTERNAL_ERROR."""

    def on_response(self, status: int, headers: Headers) -> None:
        """The final response head; 1xx heads are passed over."""

    def on_data(self, data: bytes) -> None:
        """A piece of the response body, never empty. See `Stream.consumed` for back-pressure."""

    def on_end(self) -> None:
        """The peer ended its side. While ours is open the stream keeps its slot: close or reset it."""

    def on_error(self, error: StreamError) -> None:
        """The stream is over without a complete response."""

    def on_writable(self) -> None:
        """What waited after `send` returned False is written, and the request is still open."""


class StreamPort(Protocol):
    """What a stream is bound to at the time: the pool's queue, a connection's sender, or nothing."""

    def send(self, stream: "Stream", data: bytes, end: bool) -> bool:
        """See `Stream.send`."""

    def reset(self, stream: "Stream", code: int) -> None:
        """See `Stream.reset`."""

    def consumed(self, stream: "Stream", n: int) -> None:
        """See `Stream.consumed`."""

    def widen(self, stream: "Stream", n: int) -> None:
        """See `Stream.widen`."""


class _Nothing:
    """Port of a stream that is over, and handler of one that has nothing more to tell."""

    def send(self, stream: "Stream", data: bytes, end: bool) -> bool:
        return True

    def reset(self, stream: "Stream", code: int) -> None: ...

    def consumed(self, stream: "Stream", n: int) -> None: ...

    def widen(self, stream: "Stream", n: int) -> None: ...

    def on_response(self, status: int, headers: Headers) -> None: ...

    def on_data(self, data: bytes) -> None: ...

    def on_end(self) -> None: ...

    def on_error(self, error: StreamError) -> None: ...

    def on_writable(self) -> None: ...


#: Takes the handler's place at `on_end`, `on_error` and `reset`: silence costs no test on any path, and no
#: cycle between a handler and its stream is left to the garbage collector.
SILENT: Final[StreamHandler] = _Nothing()
NOWHERE: Final[StreamPort] = _Nothing()


class Stream:
    """Handle of one request. Made by `Pool.request`; the fields below `trailers` belong to this package."""

    __slots__ = (
        "auto_consume", "backlog", "bodiless", "body_left", "ending", "handler", "id", "local_done", "owed",
        "port", "recv_credit", "recv_full", "recv_window", "remote_done", "responded", "send_window", "trailers",
    )  # fmt: skip

    def __init__(self, handler: StreamHandler, port: StreamPort, *, bodiless: bool) -> None:
        #: Give response bytes back to the peer's window on receipt. False: the owner calls `consumed`.
        self.auto_consume = True
        #: Trailer fields of the response, set before `on_end`.
        self.trailers: Headers | None = None
        self.handler = handler
        self.port = port
        #: RFC 9113 stream id; 0 while queued.
        self.id = 0
        #: Request body not yet written. Invariant: non-empty only while queued or listed in `Sender.blocked`.
        self.backlog: deque[bytes | memoryview] | None = None
        #: `send` returned False, so the owner is owed an `on_writable`.
        self.owed = False
        #: The owner has closed the request / END_STREAM is written / END_STREAM is received.
        self.ending = False
        self.local_done = False
        self.remote_done = False
        #: The final response head is received.
        self.responded = False
        #: No body can follow, whatever content-length says (response to HEAD).
        self.bodiless = bodiless
        #: What content-length leaves to come, or -1.
        self.body_left = -1
        self.send_window = 0
        #: What the peer may send now, and what it may when all is consumed.
        self.recv_window = 0
        self.recv_full = 0
        #: Consumed, but not yet given back to the peer.
        self.recv_credit = 0

    @property
    def writable(self) -> bool:
        """Whether nothing of the request body waits here."""
        return not self.backlog

    @property
    def waiting_bytes(self) -> int:
        """Bytes of the request body that wait here."""
        return sum(map(len, self.backlog)) if self.backlog else 0

    def send(self, data: bytes, *, end: bool = False) -> bool:
        """Write or queue a piece of the request body; `end` closes the request with it.

        False: some of it waits for the peer's flow control. More is taken, but better after `on_writable`.
        Does nothing once the stream is over.
        """
        return self.port.send(self, data, end)

    def close_request(self) -> None:
        """Half-close: the request ends after what was sent. Again: nothing."""
        if not self.ending:
            self.port.send(self, b"", True)

    def reset(self, code: int = CANCEL) -> None:
        """Abandon both halves. No callback follows. Again, or once the stream is over: nothing."""
        self.handler = SILENT
        self.port.reset(self, code)

    def consumed(self, n: int) -> None:
        """Let the peer send `n` more bytes; for `auto_consume` False, no more than were received."""
        self.port.consumed(self, n)

    def widen(self, n: int) -> None:
        """For good, let the peer send so many bytes more before they are consumed."""
        self.port.widen(self, n)

    def keep(self, data: bytes) -> None:
        """Put a piece of the body behind what waits already."""
        if self.backlog is None:
            self.backlog = deque()
        self.backlog.append(data)
