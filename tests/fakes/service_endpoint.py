"""Streams without a network: what an attempt sends is kept, and the test plays the service. Not for daemons."""

from __future__ import annotations

from partitiond.invoker.http2.errors import ErrorKind, StreamError
from partitiond.invoker.http2.frames import REFUSED_STREAM
from partitiond.invoker.http2.message import Headers
from partitiond.invoker.http2.request import RequestHead
from partitiond.invoker.http2.stream import StreamHandler
from partitiond.invoker.protocol.header import FrameReader, frame
from shared.protocol.message_types import ACK_FLAG

__all__ = ["FakeEndpoint", "FakeStream", "ask_ack", "join"]


def join(*messages: tuple[int, bytes]) -> bytes:
    """Frames of (type, protobuf)."""
    return b"".join(frame(message_type, raw) for message_type, raw in messages)


def ask_ack(data: bytes) -> bytes:
    """The one frame of `data` with the flag that asks for a CommandAck."""
    return data[:2] + ACK_FLAG.to_bytes(2, "big") + data[4:]


class FakeStream:
    """One request. `sent` has what the runtime sent; `full` True makes `send` ask for patience."""

    def __init__(self, head: RequestHead, handler: StreamHandler, body: bytes, *, end: bool, full: bool) -> None:
        self.head = head
        self.handler = handler
        self.sent = body
        self.closed = end
        self.was_reset = False
        self.full = full
        self.auto_consume = True
        self.given_back = 0
        self.widened = 0
        self.waiting_bytes = 0

    @property
    def writable(self) -> bool:
        return not self.full

    def consumed(self, n: int) -> None:
        self.given_back += n

    def widen(self, n: int) -> None:
        self.widened += n

    def send(self, data: bytes, *, end: bool = False) -> bool:
        assert not self.closed or not data, "data behind the end of the request"
        if not self.was_reset:
            self.sent += data
            self.closed |= end
        return not self.full

    def close_request(self) -> None:
        self.closed = True

    def reset(self) -> None:
        self.was_reset = True

    # For tests

    @property
    def messages(self) -> list[tuple[int, bytes]]:
        """What was sent, as messages."""
        reader = FrameReader(1 << 30)
        messages = [(message_type, raw) for message_type, _, raw in reader.feed(self.sent)]
        assert not reader.pending_bytes
        return messages

    def answer(self, status: int = 200, **headers: str) -> FakeStream:
        """The response head; by default the right one."""
        fields = {"content-type": dict(self.head.headers)["accept"]}
        fields |= {name.replace("_", "-"): value for name, value in headers.items()}
        if not self.was_reset:
            self.handler.on_response(status, Headers(fields.items()))
        return self

    def say(self, *messages: tuple[int, bytes]) -> FakeStream:
        return self.data(join(*messages))

    def data(self, data: bytes) -> FakeStream:
        if not self.was_reset:
            self.handler.on_data(data)
        return self

    def end(self) -> None:
        if not self.was_reset:
            self.handler.on_end()

    def fail(self, kind: ErrorKind = ErrorKind.CLOSED, message: str = "gone", code: int | None = None) -> None:
        if kind is ErrorKind.REFUSED and code is None:
            code = REFUSED_STREAM
        if not self.was_reset:
            self.handler.on_error(StreamError(kind, message, code=code, sent=True))


class FakeEndpoint:
    """An Endpoint whose streams the test plays."""

    def __init__(self) -> None:
        self.streams: list[FakeStream] = []
        self.full = False
        self.closed = False

    def request(self, head: RequestHead, handler: StreamHandler, body: bytes = b"", *, end: bool = False) -> FakeStream:
        stream = FakeStream(head, handler, body, end=end, full=self.full)
        self.streams.append(stream)
        return stream

    async def close(self) -> None:
        self.closed = True
