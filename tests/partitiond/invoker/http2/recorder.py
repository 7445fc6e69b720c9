"""A stream handler that remembers what it was told, and a client half without sockets."""

import asyncio
from collections.abc import Callable

from hpack import Encoder
from hyperframe.frame import Frame, HeadersFrame, SettingsFrame

from partitiond.invoker.http2.errors import StreamError
from partitiond.invoker.http2.hpack import BlockDecoder
from partitiond.invoker.http2.message import Headers
from partitiond.invoker.http2.receiver import Receiver
from partitiond.invoker.http2.request import Origin, RequestHead
from partitiond.invoker.http2.sender import Sender
from partitiond.invoker.http2.settings import PoolSettings
from partitiond.invoker.http2.stream import NOWHERE, Stream

HEAD = RequestHead("POST", "/invoke/Greeter/greet", (("content-type", "application/octet-stream"),))
BLOCK = HEAD.before + Origin("http", "peer", 9080).block() + HEAD.after
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"


class Recorder:
    """Holds the order of callbacks; fails at once when the contract of `StreamHandler` is broken."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.status = 0
        self.headers = Headers()
        self.body = b""
        self.error: StreamError | None = None
        self._over = False
        self._news: asyncio.Event | None = None
        self.when_called: Callable[[str], None] = lambda call: None

    def _call(self, name: str) -> None:
        assert not self._over, f"{name} after {self.calls[-1]}"
        self._over = name in ("end", "error")
        self.calls.append(name)
        if self._news is not None:
            self._news.set()
        self.when_called(name)

    def on_response(self, status: int, headers: Headers) -> None:
        assert "response" not in self.calls
        self.status, self.headers = status, headers
        self._call("response")

    def on_data(self, data: bytes) -> None:
        assert data
        assert "response" in self.calls
        self.body += data
        self._call("data")

    def on_end(self) -> None:
        self._call("end")

    def on_error(self, error: StreamError) -> None:
        assert error.message
        self.error = error
        self._call("error")

    def on_writable(self) -> None:
        self._call("writable")

    @property
    def over(self) -> bool:
        return self._over

    async def until(self, condition: Callable[["Recorder"], bool]) -> "Recorder":
        """Wait until a callback makes `condition` true."""
        while not condition(self):
            self._news = asyncio.Event()
            await self._news.wait()
        return self

    async def until_body(self, body: bytes) -> None:
        """Wait until exactly this body has come, or the stream is over."""
        await self.until(lambda r: r.over or r.body == body)

    async def until_longer(self, size: int) -> None:
        """Wait until more than so many bytes have come, or the stream is over."""
        await self.until(lambda r: r.over or len(r.body) > size)

    async def until_called(self, name: str, count: int) -> None:
        """Wait until a callback was called so often."""
        await self.until(lambda r: r.calls.count(name) >= count)

    async def done(self) -> "Recorder":
        """Wait for the end or the error."""
        return await self.until(lambda r: r.over)


class PureClient:
    """Sender and receiver of one connection, their bytes in the test's hands."""

    def __init__(self, settings: PoolSettings | None = None, *, settle: bool = True, **peer: int) -> None:
        settings = settings or PoolSettings()
        self.wakes = 0
        self.reported: list[Exception] = []
        self.sender = Sender(settings, self._wake, self.reported.append)
        decoder = BlockDecoder(settings.header_list_bytes_max)
        self.receiver = Receiver(self.sender, decoder, settings, self.reported.append)
        self.sender.preface()
        self.taken = self.sender.take()
        if settle:
            self.receive(SettingsFrame(0, {getattr(SettingsFrame, key): value for key, value in peer.items()}))
            self.frames()

    def _wake(self) -> None:
        self.wakes += 1

    def receive(self, *frames: Frame | bytes) -> None:
        self.receiver.receive(b"".join(f if isinstance(f, bytes) else f.serialize() for f in frames))

    def open(self, *, end: bool = False, method: str = "POST") -> tuple[Stream, Recorder]:
        recorder = Recorder()
        stream = Stream(recorder, NOWHERE, bodiless=method == "HEAD")
        stream.ending = end
        self.sender.open(stream, BLOCK)
        return stream, recorder

    def frames(self) -> list[Frame]:
        """What the client wrote since the last time, read by another implementation."""
        return parse_frames(self.sender.take())


def parse_frames(data: bytes) -> list[Frame]:
    """Whole frames only."""
    frames = []
    while data:
        frame, length = Frame.parse_frame_header(memoryview(data[:9]))
        assert len(data) >= 9 + length
        frame.parse_body(memoryview(data[9 : 9 + length]))
        frames.append(frame)
        data = data[9 + length :]
    return frames


def block(*fields: tuple[str, str]) -> bytes:
    """A header block without dynamic table, by another implementation."""
    encoder = Encoder()
    encoder.header_table_size = 0
    return encoder.encode(fields)


def response(stream_id: int, *fields: tuple[str, str], status: str = "200", flags: tuple[str, ...] = ()) -> Frame:
    """A whole response head as one HEADERS frame."""
    frame = HeadersFrame(stream_id, block((":status", status), *fields))
    for flag in ("END_HEADERS", *flags):
        frame.flags.add(flag)
    return frame
