"""What a connection is about to write: whole frames, and request bodies as far as the peer's windows allow.

Pure: no I/O. What is to be written gathers until `take()`; `wake` is called once when it stops being empty.

Rules that always hold: DATA never exceeds the stream's window, the connection's window or the peer's frame
size (RFC 9113 sections 5.2 and 4.2); frames of one stream leave in order; a stream that waits for a window is
in `blocked`.
"""

from collections.abc import Callable
from typing import Final

from partitiond.invoker.http2.errors import ConnectionFault
from partitiond.invoker.http2.frames import (
    DATA,
    ENHANCE_YOUR_CALM,
    FLOW_CONTROL_ERROR,
    FRAME_BYTES_MAX,
    WINDOW_MAX,
    frame_header,
)
from partitiond.invoker.http2.stream import Stream

__all__ = ["Outflow"]

#: Body bytes gathered before they are handed to the socket: bounds memory where the peer's windows are huge.
BUDGET_BYTES: Final = 262_144
#: See `Outflow.piece_bytes`: little against the windows of all peers, so that no peer waits for us with so little.
PIECE_BYTES: Final = 4096
#: Answers to PING and SETTINGS held for a peer that does not read them.
_REPLIES_MAX: Final = 1000


class Outflow:
    """See the module. The base of `Sender`, which adds the table of streams."""

    __slots__ = (
        "_last", "_last_at", "_last_behind", "_last_bytes", "_parts", "_replies", "_scheduled", "_wake", "blocked",
        "budget", "frame_bytes", "piece_bytes", "window",
    )  # fmt: skip

    def __init__(self, wake: Callable[[], None]) -> None:
        self._wake = wake
        self._parts: list[bytes | memoryview] = []
        self._scheduled = False
        self._replies = 0
        #: Whose DATA was written last, at which part its frame begins, which is the first behind it, and its payload.
        #: What the stream writes next is of the same frame, if nothing came between: a peer takes one frame of many
        #: messages for less than many frames.
        self._last: Stream | None = None
        self._last_at = 0
        self._last_behind = 0
        self._last_bytes = 0
        #: In order of waiting; a dict as an ordered set.
        self.blocked: dict[Stream, None] = {}
        #: The peer's window for the connection, and the rest of `BUDGET_BYTES`; 0 while the socket is full.
        self.window = 65_535
        self.budget = BUDGET_BYTES
        #: The largest DATA payload.
        self.frame_bytes = FRAME_BYTES_MAX
        #: The smallest part of a body that is sent while more of it waits.
        self.piece_bytes = PIECE_BYTES

    def forget(self, stream: Stream) -> None:
        """Both sides of the stream are done."""
        raise NotImplementedError

    def handler_raised(self, stream: Stream, error: Exception) -> None:
        """A callback failed."""
        raise NotImplementedError

    @property
    def held_back(self) -> bool:
        """Bodies wait for the window of the connection."""
        return bool(self.blocked) and self.window < self.frame_bytes

    def put(self, data: bytes) -> None:
        """Write whole frames, in order with all others."""
        self._parts.append(data)
        if not self._scheduled:
            self._scheduled = True
            self._wake()

    def reply(self, data: bytes) -> None:
        """Write an answer the peer can demand at will; ConnectionFault if it asks but does not read."""
        self._replies += 1
        if self._replies > _REPLIES_MAX:
            raise ConnectionFault(ENHANCE_YOUR_CALM, "PING or SETTINGS without reading the answers")
        self.put(data)

    def take(self) -> bytes:
        """Everything gathered; the next `put` wakes again."""
        data = b"".join(self._parts)
        self._parts.clear()
        self._last = None
        self._scheduled = False
        self._replies = 0
        return data

    def refill(self) -> None:
        """The socket takes more: go on with bodies that waited for it."""
        self.budget = BUDGET_BYTES
        if self.blocked:
            self.drain()

    def send(self, stream: Stream, data: bytes, end: bool) -> bool:
        """See `Stream.send`."""
        size = len(data)
        if not size and not end:
            return not stream.backlog
        assert not stream.ending, "body sent after the request was closed"
        if (
            size <= stream.send_window
            and size <= self.window
            and size <= self.budget
            and size <= self.frame_bytes
            and not stream.backlog
        ):
            self._write_data(stream, data, size, end)
            return True
        stream.ending = end
        if size or not stream.backlog:
            stream.keep(data)
        self.blocked[stream] = None
        if self.pump(stream):
            return True
        stream.owed = True
        return False

    def _write_data(self, stream: Stream, data: bytes | memoryview, size: int, end: bool) -> None:
        stream.send_window -= size
        self.window -= size
        self.budget -= size
        parts = self._parts
        if stream is self._last and len(parts) == self._last_behind and self._last_bytes + size <= self.frame_bytes:
            self._last_bytes += size
            parts[self._last_at] = frame_header(self._last_bytes, DATA, end, stream.id)
        else:
            self._last = stream
            self._last_at = len(parts)
            self._last_bytes = size
            parts.append(frame_header(size, DATA, end, stream.id))  # END_STREAM is 1, as True is.
        if size:
            parts.append(data)
        self._last_behind = len(parts)
        if not self._scheduled:
            self._scheduled = True
            self._wake()
        if end:
            stream.ending = True
            stream.local_done = True
            if stream.remote_done:
                self.forget(stream)

    def _write_piece(self, stream: Stream) -> bool:
        """One DATA frame from the backlog; False if a window is shut, or hardly open: a peer that gives back frame by
        frame what it reads would be sent ever smaller ones (the silly window of RFC 9293 section 3.8.6.2)."""
        backlog = stream.backlog
        assert backlog
        piece = backlog[0]
        size = len(piece)
        room = max(0, min(stream.send_window, self.window, self.frame_bytes))
        if self.budget < (size if size < room else room):
            return False  # A whole frame, once the socket has taken what is before it.
        if size > room:
            if room < self.piece_bytes:
                return False
            view = memoryview(piece)
            backlog[0] = view[room:]
            self._write_data(stream, view[:room], room, False)
        else:  # An empty piece is END_STREAM alone, which needs no window (section 6.9.1).
            backlog.popleft()
            self._write_data(stream, piece, size, stream.ending and not backlog)
        return True

    def pump(self, stream: Stream) -> bool:
        """Write the backlog as far as the windows go; True if nothing is left. Calls nobody back."""
        while stream.backlog and self._write_piece(stream):
            pass
        if stream.backlog:
            self.blocked[stream] = None
            return False
        self.blocked.pop(stream, None)
        return True

    def drain(self) -> None:
        """The connection's window or the socket opened: one frame a stream in turn, until one is shut."""
        progress = True
        while progress and self.window > 0 and self.budget > 0:
            progress = False
            for stream in list(self.blocked):
                if stream not in self.blocked:
                    continue  # Reset by a callback of a stream before it.
                if self._write_piece(stream):
                    progress = True
                if not stream.backlog:
                    self.blocked.pop(stream, None)
                    self.drained(stream)

    def drained(self, stream: Stream) -> None:
        """Tell the owner, if it was told to wait, that nothing waits any more."""
        if stream.owed and not stream.ending:
            stream.owed = False
            try:
                stream.handler.on_writable()
            except Exception as error:
                self.handler_raised(stream, error)

    def grant_connection(self, increment: int) -> None:
        """WINDOW_UPDATE of the connection; ConnectionFault beyond the largest window (section 6.9.1)."""
        self.window += increment
        if self.window > WINDOW_MAX:
            raise ConnectionFault(FLOW_CONTROL_ERROR, "connection window over 2^31-1")
        if self.blocked:
            self.drain()
