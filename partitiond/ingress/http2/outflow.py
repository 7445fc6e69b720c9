"""Answers cut to what the client's windows allow. Pure: no I/O.

What is to be written gathers until `take()`; `wake` is called once when it stops being empty.

Rules that always hold: DATA never exceeds the stream's window, the connection's window or the client's frame size
(RFC 9113 sections 5.2 and 4.2); a stream that waits for a window is in `blocked`; streams take turns.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from partitiond.ingress.http2.faults import ConnectionFault, StreamFault
from partitiond.ingress.http2.stream import Stream
from partitiond.invoker.http2.frames import (
    DATA,
    END_STREAM,
    ENHANCE_YOUR_CALM,
    FLOW_CONTROL_ERROR,
    FRAME_BYTES_MAX,
    WINDOW_MAX,
    frame_header,
)

__all__ = ["Outflow"]

#: Bytes of bodies gathered before they are handed to the socket: bounds memory where the client's windows are huge.
_BUDGET_BYTES: Final = 262_144
#: Answers to PING and SETTINGS held for a client that does not read them.
_REPLIES_MAX: Final = 1000


class Outflow:
    """`sent`: told of each stream whose answer is written to its end."""

    def __init__(self, wake: Callable[[], None], sent: Callable[[Stream], None]) -> None:
        self._wake = wake
        self._sent = sent
        self._parts: list[bytes | memoryview] = []
        self._scheduled = False
        self._replies = 0
        self._window = 65_535
        self._budget = _BUDGET_BYTES
        #: The largest payload that the client takes, and the window of its new streams.
        self.frame_bytes = FRAME_BYTES_MAX
        self.stream_window = 65_535
        #: In order of waiting; a dict as an ordered set.
        self.blocked: dict[Stream, None] = {}

    def put(self, data: bytes) -> None:
        """Write whole frames, in order with all others."""
        self._parts.append(data)
        if not self._scheduled:
            self._scheduled = True
            self._wake()

    def reply(self, data: bytes) -> None:
        """Write an answer that the client can demand at will. Raises ConnectionFault if it asks but does not read."""
        self._replies += 1
        if self._replies > _REPLIES_MAX:
            raise ConnectionFault(ENHANCE_YOUR_CALM, "PING or SETTINGS without reading the answers")
        self.put(data)

    def take(self) -> bytes:
        """Everything gathered; the next `put` wakes again."""
        data = b"".join(self._parts)
        self._parts.clear()
        self._scheduled = False
        self._replies = 0
        return data

    def refill(self) -> None:
        """The socket takes more."""
        self._budget = _BUDGET_BYTES
        self._drain()

    def send_body(self, stream: Stream, body: bytes) -> None:
        """To the end of the stream; its head was put before."""
        stream.answer = memoryview(body)
        self.blocked[stream] = None
        self._pump(stream)

    def forget(self, stream: Stream) -> None:
        """It was reset: nothing more is sent on it."""
        self.blocked.pop(stream, None)

    def grant_connection(self, increment: int) -> None:
        """WINDOW_UPDATE of the connection. Raises ConnectionFault (section 6.9.1)."""
        self._window += increment
        if self._window > WINDOW_MAX:
            raise ConnectionFault(FLOW_CONTROL_ERROR, "connection window over 2^31-1")
        self._drain()

    def grant_stream(self, stream: Stream, increment: int) -> None:
        """WINDOW_UPDATE of a stream. Raises StreamFault (section 6.9.1)."""
        stream.send_window += increment
        if stream.send_window > WINDOW_MAX:
            raise StreamFault(FLOW_CONTROL_ERROR, "stream window over 2^31-1")
        self._pump(stream)

    def resize(self, streams: list[Stream], window: int) -> None:
        """SETTINGS_INITIAL_WINDOW_SIZE: holds for what is open too (section 6.9.2). Raises ConnectionFault."""
        change = window - self.stream_window
        self.stream_window = window
        for stream in streams:
            stream.send_window += change
            if stream.send_window > WINDOW_MAX:
                raise ConnectionFault(FLOW_CONTROL_ERROR, "stream window over 2^31-1")
        self._drain()

    def _pump(self, stream: Stream) -> None:
        """This one alone: a look at all the others for each update would be the client's to command."""
        while stream in self.blocked and self._write_piece(stream):
            pass

    def _drain(self) -> None:
        """One frame a stream in turn, until nothing more may go."""
        progress = bool(self.blocked)
        while progress and self._window > 0 and self._budget > 0:
            progress = False
            for stream in list(self.blocked):
                progress = self._write_piece(stream) or progress

    def _write_piece(self, stream: Stream) -> bool:
        """False: a window is shut."""
        rest = stream.answer
        room = min(stream.send_window, self._window, self.frame_bytes, self._budget)
        if room <= 0:
            return False
        piece, stream.answer = rest[:room], rest[room:]
        size = len(piece)
        ends = not stream.answer
        stream.send_window -= size
        self._window -= size
        self._budget -= size
        self.put(frame_header(size, DATA, END_STREAM if ends else 0, stream.id))
        self._parts.append(piece)
        if ends:
            del self.blocked[stream]
            self._sent(stream)
        return True
