"""Our half of a connection: the table of open streams, their beginnings and ends, and what the peer allows.

Pure: no I/O.

Rules that always hold: ids rise and are never used again (RFC 9113 section 5.1.1); a stream that is over is
in neither `streams` nor `blocked`, and its port is NOWHERE.
"""

from collections.abc import Callable
from typing import Final

from partitiond.invoker.http2.errors import ConnectionFault, ErrorKind, StreamError
from partitiond.invoker.http2.frames import (
    CONTINUATION,
    END_HEADERS,
    END_STREAM,
    FLOW_CONTROL_ERROR,
    HEADERS,
    INTERNAL_ERROR,
    PREFACE,
    PROTOCOL_ERROR,
    STREAM_ID_MAX,
    WINDOW_MAX,
    frame_header,
    rst_stream,
    settings,
    window_update,
)
from partitiond.invoker.http2.outflow import PIECE_BYTES, Outflow
from partitiond.invoker.http2.settings import (
    ENABLE_PUSH,
    HEADER_TABLE_SIZE,
    INITIAL_WINDOW_SIZE,
    MAX_CONCURRENT_STREAMS,
    MAX_FRAME_SIZE,
    MAX_HEADER_LIST_SIZE,
    PoolSettings,
)
from partitiond.invoker.http2.stream import NOWHERE, SILENT, Stream

__all__ = ["Sender"]

#: The largest DATA we send although the peer may take more, so that streams alternate.
_FRAME_BYTES_SENT_MAX: Final = 65_535
#: What each window is before SETTINGS and WINDOW_UPDATE (section 6.9.2).
_WINDOW_BYTES_AT_START: Final = 65_535


class Sender(Outflow):
    """See the module."""

    __slots__ = (
        "_initial_window", "_report", "_settings", "draining", "freed", "limit", "next_id", "streams",
    )  # fmt: skip

    def __init__(
        self,
        settings: PoolSettings,
        wake: Callable[[], None],
        report: Callable[[Exception], None],
    ) -> None:
        super().__init__(wake)
        self._settings = settings
        self._report = report
        self._initial_window = _WINDOW_BYTES_AT_START
        #: Open streams by id; the receiver looks them up here.
        self.streams: dict[int, Stream] = {}
        #: Open streams allowed at this time; 0 before the peer's SETTINGS and once draining.
        self.limit = 0
        #: No new streams on this connection, for good.
        self.draining = False
        #: A slot may have become free, or the connection useless, since the pool last set this to False.
        self.freed = False
        self.next_id = 1

    def preface(self) -> None:
        """The client's connection preface (RFC 9113 section 3.4) with our settings and window."""
        own = self._settings
        values = {
            HEADER_TABLE_SIZE: 0,
            ENABLE_PUSH: 0,
            INITIAL_WINDOW_SIZE: own.stream_window_bytes,
            MAX_HEADER_LIST_SIZE: own.header_list_bytes_max,
        }
        self.put(PREFACE + settings(values))
        if own.connection_window_bytes > _WINDOW_BYTES_AT_START:
            self.put(window_update(0, own.connection_window_bytes - _WINDOW_BYTES_AT_START))

    # ---- streams

    def open(self, stream: Stream, block: bytes) -> None:
        """Bind `stream` to the next id and write its HEADERS; its backlog, if any, follows by `pump`."""
        stream_id = self.next_id
        self.next_id = stream_id + 2
        if stream_id + 2 > STREAM_ID_MAX:
            self.stop()  # Section 5.1.1: ids cannot be used again; the pool makes another connection.
        stream.id = stream_id
        stream.port = self
        stream.send_window = self._initial_window
        stream.recv_window = stream.recv_full = self._settings.stream_window_bytes
        self.streams[stream_id] = stream
        flags = 0
        if stream.ending and not stream.backlog:
            stream.local_done = True
            flags = END_STREAM
        if len(block) <= self.frame_bytes:
            self._parts.append(frame_header(len(block), HEADERS, flags | END_HEADERS, stream_id))
            self.put(block)
        else:
            self._open_long(stream_id, block, flags)

    def _open_long(self, stream_id: int, block: bytes, flags: int) -> None:
        """HEADERS and CONTINUATION frames with nothing between them (section 6.10)."""
        size = self.frame_bytes
        kind = HEADERS
        for at in range(0, len(block), size):
            piece = block[at : at + size]
            if at + size >= len(block):
                flags |= END_HEADERS
            self.put(frame_header(len(piece), kind, flags, stream_id) + piece)
            kind = CONTINUATION
            flags = 0

    def reset(self, stream: Stream, code: int) -> None:
        """See `Stream.reset`."""
        self.forget(stream)
        self.put(rst_stream(stream.id, code))

    def consumed(self, stream: Stream, n: int) -> None:
        """See `Stream.consumed`. Small amounts are given back together, by half a window at least."""
        full = stream.recv_full
        credit = stream.recv_credit + n
        assert 0 <= n <= full - stream.recv_window - stream.recv_credit, "consumed more than was received"
        if credit * 2 >= full and not stream.remote_done:
            self.put(window_update(stream.id, credit))
            stream.recv_window += credit
            credit = 0
        stream.recv_credit = credit

    def widen(self, stream: Stream, n: int) -> None:
        """See `Stream.widen`."""
        if not stream.remote_done:
            stream.recv_full += n
            stream.recv_window += n
            self.put(window_update(stream.id, n))

    # ---- ends

    def forget(self, stream: Stream) -> None:
        """The stream is closed on both sides, or abandoned: free its slot."""
        del self.streams[stream.id]
        stream.port = NOWHERE
        if stream.backlog:
            self.blocked.pop(stream, None)
            stream.backlog = None
        self.freed = True

    def fail(self, stream: Stream, error: StreamError) -> None:
        """Forget the stream and tell its owner why."""
        self.forget(stream)
        handler, stream.handler = stream.handler, SILENT
        try:
            handler.on_error(error)
        except Exception as raised:
            self._report(raised)

    def handler_raised(self, stream: Stream | None, error: Exception) -> None:
        """A callback failed, which is a fault on our side: report it, and end its stream only."""
        self._report(error)
        if stream is not None and stream.port is self:
            self.put(rst_stream(stream.id, INTERNAL_ERROR))
            message = f"the handler of the stream raised {error!r}"
            self.fail(stream, StreamError(ErrorKind.CLOSED, message, code=INTERNAL_ERROR, sent=True))

    def check_not_idle(self, stream_id: int, kind: int) -> None:
        """A frame came for no open stream: late ones of a closed stream are legal and dropped (section 5.1).

        Raises ConnectionFault if the stream was never opened.
        """
        if not stream_id & 1 or stream_id >= self.next_id:
            raise ConnectionFault(PROTOCOL_ERROR, f"frame type {kind} on idle stream {stream_id}")

    def stop(self) -> None:
        """Take no new streams; those that are open go on."""
        self.limit = 0
        self.draining = True
        self.freed = True

    # ---- what the peer allows

    def apply(self, pairs: list[tuple[int, int]]) -> None:
        """The peer's SETTINGS, in order (section 6.5.3); ConnectionFault for a window beyond 2^31-1."""
        for key, value in pairs:
            if key == MAX_FRAME_SIZE:
                self.frame_bytes = min(value, _FRAME_BYTES_SENT_MAX)
            elif key == MAX_CONCURRENT_STREAMS:
                self._limit_streams(value)
            elif key == INITIAL_WINDOW_SIZE:
                self._resize_windows(value - self._initial_window)
                self._initial_window = value
                self.piece_bytes = max(1, min(PIECE_BYTES, value // 4))

    def settle(self) -> None:
        """The peer's first SETTINGS have come: streams may open, by our limit until `apply` has another."""
        self._limit_streams(self._settings.streams_per_connection)

    def _limit_streams(self, peer_limit: int) -> None:
        if not self.draining:
            self.limit = min(self._settings.streams_per_connection, peer_limit)
            self.freed = True

    def _resize_windows(self, change: int) -> None:
        """Section 6.9.2: applies to open streams too, and may make their windows negative."""
        for stream in self.streams.values():
            stream.send_window += change
            if stream.send_window > WINDOW_MAX:
                raise ConnectionFault(FLOW_CONTROL_ERROR, "SETTINGS lift a stream window over 2^31-1")
        if change > 0 and self.blocked:
            self.drain()
