"""Requests for which no connection has room yet, in order of arrival.

Pure: no I/O.
"""

from partitiond.invoker.http2.errors import ErrorKind, StreamError
from partitiond.invoker.http2.stream import NOWHERE, SILENT, Stream

__all__ = ["WaitingLine"]


class WaitingLine:
    """The port of queued streams: keeps their bodies in order until a connection takes them."""

    __slots__ = ("_blocks",)

    def __init__(self) -> None:
        #: The encoded head of each waiting stream; a dict, so that a reset takes out any of them at once.
        self._blocks: dict[Stream, bytes] = {}

    def __len__(self) -> int:
        return len(self._blocks)

    def join(self, stream: Stream, block: bytes) -> None:
        """Put a stream at the end of the line."""
        self._blocks[stream] = block

    def take(self) -> tuple[Stream, bytes]:
        """Remove the first stream, with its head; the line is not empty."""
        stream = next(iter(self._blocks))
        return stream, self._blocks.pop(stream)

    def fail_all(self, kind: ErrorKind, message: str) -> list[Exception]:
        """Tell every owner that its request will not be sent. Returns what their callbacks raised."""
        raised: list[Exception] = []
        blocks, self._blocks = self._blocks, {}
        for stream in blocks:
            handler, stream.handler = stream.handler, SILENT
            if stream.port is not NOWHERE:  # Else reset by a callback before.
                stream.port = NOWHERE
                try:
                    handler.on_error(StreamError(kind, message, sent=False))
                except Exception as error:
                    raised.append(error)
        return raised

    # ---- the port (see `stream.StreamPort`)

    def send(self, stream: Stream, data: bytes, end: bool) -> bool:
        """Queue a piece of the body."""
        assert not stream.ending, "body sent after the request was closed"
        stream.ending = end
        if data:
            stream.keep(data)
            stream.owed = True
        return not stream.backlog

    def reset(self, stream: Stream, code: int) -> None:
        """Leave the line; the peer never hears of it."""
        self._blocks.pop(stream, None)
        stream.port = NOWHERE
        stream.backlog = None

    def consumed(self, stream: Stream, n: int) -> None:
        """Nothing was received yet."""
        assert n == 0, "consumed more than was received"

    def widen(self, stream: Stream, n: int) -> None:
        """It has no window yet."""
