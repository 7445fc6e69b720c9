"""An HTTP/2 client without TLS, on `h2`: whole requests, many at once, and frames as a test likes them."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from types import TracebackType

import h2.config
import h2.connection
import h2.events
import h2.settings

from partitiond.invoker.http2 import frames as f

__all__ = ["Http2Answer", "Http2Client"]

_DEADLINE_S = 20.0


@dataclass
class Http2Answer:
    """`reset`: the error code, when the stream was reset before or behind the answer. `status` 0: there was none."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    interim: list[int] = field(default_factory=list)
    reset: int | None = None


class Http2Client:
    """`async with Http2Client(port) as client`. Checks of what we send are off: tests send what clients should not."""

    def __init__(self, port: int, *, window_bytes: int = 1 << 24) -> None:
        self._port = port
        self._window_bytes = window_bytes
        self.h2 = h2.connection.H2Connection(
            h2.config.H2Configuration(
                client_side=True,
                header_encoding="latin-1",
                validate_outbound_headers=False,
                normalize_outbound_headers=False,
            )
        )
        self.answers: dict[int, Http2Answer] = {}
        self._done: dict[int, asyncio.Event] = {}
        self._frames = f.FrameReader()
        #: Error codes of GOAWAY frames.
        self.goaways: list[int] = []
        self.closed = asyncio.Event()
        #: Something came.
        self._progress = asyncio.Event()

    async def __aenter__(self) -> Http2Client:
        self.reader, self.writer = await asyncio.open_connection("127.0.0.1", self._port)
        self.h2.initiate_connection()
        self.h2.update_settings({h2.settings.SettingCodes.INITIAL_WINDOW_SIZE: self._window_bytes})
        if self._window_bytes > 65_535:
            self.h2.increment_flow_control_window(self._window_bytes - 65_535)
        self.flush()
        self._reading = asyncio.create_task(self._read())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.writer.close()
        self._reading.cancel()
        await asyncio.gather(self._reading, return_exceptions=True)

    def flush(self) -> None:
        """Send what h2 has made."""
        self.writer.write(self.h2.data_to_send())

    def open(self, method: str, path: str, headers: dict[str, str] | None = None, *, end: bool = True) -> int:
        """Begin a request -> its stream. Header values are text of one byte a character."""
        stream_id = self.h2.get_next_available_stream_id()
        pseudo = [(":method", method), (":scheme", "http"), (":authority", "test"), (":path", path)]
        fields = [*pseudo, *((headers or {}).items())]
        encoded = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in fields]
        self.answers[stream_id] = Http2Answer()
        self._done[stream_id] = asyncio.Event()
        self.h2.send_headers(stream_id, encoded, end_stream=end)
        self.flush()
        return stream_id

    async def send(self, stream_id: int, body: bytes, *, end: bool = True) -> None:
        """A body, as far as the windows go, and then the rest."""
        at = 0
        while at < len(body):
            room = min(self.h2.local_flow_control_window(stream_id), self.h2.max_outbound_frame_size)
            if self._done[stream_id].is_set():
                return
            if not room:
                self._progress.clear()
                await asyncio.wait_for(self._progress.wait(), _DEADLINE_S)
                continue
            piece = body[at : at + room]
            at += len(piece)
            self.h2.send_data(stream_id, piece)
            self.flush()
        if end:
            self.h2.send_data(stream_id, b"", end_stream=True)
            self.flush()

    async def answer(self, stream_id: int) -> Http2Answer:
        """The answer, once it is whole, or reset, or the connection has ended."""
        await asyncio.wait_for(self._done[stream_id].wait(), _DEADLINE_S)
        return self.answers[stream_id]

    async def request(
        self, method: str, path: str, headers: dict[str, str] | None = None, body: bytes | None = None
    ) -> Http2Answer:
        """A whole request and its answer."""
        stream_id = self.open(method, path, headers, end=not body)
        if body:
            await self.send(stream_id, body)
        return await self.answer(stream_id)

    async def until_closed(self) -> None:
        """The server has closed the connection."""
        await asyncio.wait_for(self.closed.wait(), _DEADLINE_S)

    async def _read(self) -> None:
        try:
            while data := await self.reader.read(65_536):
                for event in self.h2.receive_data(self._without_goaways(data)):
                    self._on_event(event)
                self.flush()
                self._progress.set()
        except ConnectionError:
            pass
        finally:
            self.closed.set()
            self._progress.set()
            for done in self._done.values():
                done.set()

    def _without_goaways(self, data: bytes) -> bytes:
        """h2 takes one for the end of all; here answers may follow."""
        kept = []
        for kind, flags, stream_id, payload in self._frames.feed(data):
            if kind == f.GOAWAY:
                self.goaways.append(int.from_bytes(payload[4:8], "big"))
            else:
                kept.append(f.frame(kind, flags, stream_id, payload))
        return b"".join(kept)

    def _on_event(self, event: h2.events.Event) -> None:
        match event:
            case h2.events.InformationalResponseReceived():
                self.answers[event.stream_id].interim.append(int(dict(event.headers)[":status"]))
            case h2.events.ResponseReceived():
                answer = self.answers[event.stream_id]
                answer.headers = {str(name): str(value) for name, value in event.headers}
                answer.status = int(answer.headers.pop(":status"))
            case h2.events.DataReceived():
                self.answers[event.stream_id].body += event.data
                self.h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
            case h2.events.StreamEnded():
                self._done[event.stream_id].set()
            case h2.events.StreamReset():
                self.answers[event.stream_id].reset = int(event.error_code)
                self._done[event.stream_id].set()
            case _:
                pass
