"""The peer's half of a connection: its frames become callbacks, and its breaches of RFC 9113 become errors.

Pure: no I/O. `receive` never raises for anything a peer can send.

Rules that always hold: a breach ends no more than the RFC says, a stream or the connection; once `failure` is
set every stream has been told and nothing more is read.
"""

from collections.abc import Callable
from typing import Final

from partitiond.invoker.http2 import frames as f
from partitiond.invoker.http2.control import Control
from partitiond.invoker.http2.errors import ConnectionFault, ErrorKind, StreamError, StreamFault
from partitiond.invoker.http2.hpack import BlockDecoder
from partitiond.invoker.http2.sender import Sender
from partitiond.invoker.http2.settings import PoolSettings
from partitiond.invoker.http2.stream import NOWHERE, SILENT, Stream

__all__ = ["Receiver"]

#: CONTINUATION frames of one block, and their bytes: a peer must not make us hold more (section 10.5).
_BLOCK_FRAMES_MAX: Final = 128
_BLOCK_BYTES_MAX: Final = 262_144


class Receiver:
    """See the module."""

    __slots__ = (
        "_block", "_block_flags", "_block_id", "_control", "_decoder", "_frames", "_guarded", "_report",
        "_sender", "_stream_low", "_stream_window", "_streams", "_window", "_window_full", "_window_low",
        "failure",
    )  # fmt: skip

    def __init__(
        self, sender: Sender, decoder: BlockDecoder, own: PoolSettings, report: Callable[[Exception], None]
    ) -> None:
        self._sender = sender
        self._control = Control(sender)
        self._streams = sender.streams
        self._decoder = decoder
        self._report = report
        self._frames = f.FrameReader()
        self._window = self._window_full = own.connection_window_bytes
        self._window_low = self._window_full // 2
        self._stream_window = own.stream_window_bytes
        self._stream_low = self._stream_window // 2
        #: The header block being received, by its pieces; None between blocks.
        self._block: list[bytes] | None = None
        self._block_id = 0
        self._block_flags = 0
        #: The order of frames matters now: before the first SETTINGS, and inside a header block.
        self._guarded = True
        #: Why the connection ended.
        self.failure: StreamError | None = None

    def receive(self, data: bytes) -> None:
        """Take bytes from the socket and act on every frame they complete."""
        if self.failure is not None:
            return
        reader = self._frames
        kind = 0
        try:
            for kind, flags, stream_id, payload in reader.feed(data):
                if self._guarded:
                    self._check_order(kind, flags, stream_id)
                try:
                    if kind == f.DATA:
                        self._on_data(flags, stream_id, payload)
                    elif kind == f.HEADERS:
                        self._on_headers(flags, stream_id, payload)
                    elif kind == f.CONTINUATION:
                        self._on_continuation(flags, stream_id, payload)
                    else:
                        self._control.on_frame(kind, flags, stream_id, payload)
                except StreamFault as breach:
                    self._end_stream(stream_id, breach)
                if self.failure is not None:
                    return
            if reader.oversized:
                raise self._oversized()
        except ConnectionFault as fault:
            self.fail(ErrorKind.PROTOCOL, str(fault), fault.code)
        except Exception as error:  # Ours: a handler's own error is caught where it is called.
            self._report(error)
            self.fail(ErrorKind.CLOSED, f"receiving frame type {kind} raised {error!r}", f.INTERNAL_ERROR)

    def fail(self, kind: ErrorKind, message: str, code: int | None = None) -> None:
        """End the connection: GOAWAY if there is a code for it, then an error to each open stream. Once."""
        if self.failure is not None:
            return
        self.failure = StreamError(kind, message, code=code, sent=True)
        self._sender.stop()
        if code is not None:
            self._sender.put(f.goaway(code, message))
        for stream in list(self._streams.values()):
            if stream.port is not NOWHERE:
                self._sender.fail(stream, StreamError(kind, message, code=code, sent=True))

    @property
    def settled(self) -> bool:
        """Whether the peer's first SETTINGS have come."""
        return self._control.settled

    @property
    def leaving(self) -> bool:
        """Whether the peer said that it will end the connection, with nothing wrong."""
        return self._control.leaving

    @property
    def inside_frame(self) -> bool:
        """Whether what came so far stops in the middle of a frame or a header block."""
        return bool(self._frames.tail) or self._block is not None

    def _check_order(self, kind: int, flags: int, stream_id: int) -> None:
        if self._block is not None:
            if kind != f.CONTINUATION or stream_id != self._block_id:
                raise ConnectionFault(f.PROTOCOL_ERROR, f"frame type {kind} inside a header block")
        elif self._control.settled:
            self._guarded = False
        elif kind != f.SETTINGS or flags & f.ACK:
            raise ConnectionFault(f.PROTOCOL_ERROR, f"first frame is type {kind}, not SETTINGS")

    def _oversized(self) -> ConnectionFault:
        if not self._control.settled and self._frames.tail.startswith(b"HTTP/"):
            return ConnectionFault(f.PROTOCOL_ERROR, "the peer answers in HTTP/1.x, not HTTP/2")
        size = self._frames.oversized
        return ConnectionFault(f.FRAME_SIZE_ERROR, f"frame of {size} bytes, over {f.FRAME_BYTES_MAX}")

    def _on_data(self, flags: int, stream_id: int, payload: bytes) -> None:
        size = len(payload)
        self._window -= size
        if self._window < self._window_low:
            self._reopen_window()
        stream = self._streams.get(stream_id)
        if stream is None:
            return self._sender.check_not_idle(stream_id, f.DATA)
        if flags & f.PADDED:
            payload = _unpad(payload)
        if stream.remote_done or not stream.responded:
            self._reject_data(stream)
        stream.recv_window -= size
        if stream.recv_window < self._stream_low:
            self._reopen_stream(stream, flags)
        if size != len(payload) and not stream.auto_consume:
            stream.consumed(size - len(payload))  # The owner never sees the padding.
        if stream.body_left >= 0:
            stream.body_left -= len(payload)
            if stream.body_left < 0:
                raise StreamFault(f.PROTOCOL_ERROR, "response body is longer than its content-length")
        if payload:
            try:
                stream.handler.on_data(payload)
            except Exception as error:
                self._sender.handler_raised(stream, error)
        if flags & f.END_STREAM:
            self._on_end(stream)
        return None

    def _reject_data(self, stream: Stream) -> None:
        if stream.remote_done:
            raise StreamFault(f.STREAM_CLOSED, "DATA after END_STREAM")
        raise StreamFault(f.PROTOCOL_ERROR, "DATA before the response head")

    def _reopen_window(self) -> None:
        if self._window < 0:
            raise ConnectionFault(f.FLOW_CONTROL_ERROR, "DATA beyond the connection's window")
        self._sender.put(f.window_update(0, self._window_full - self._window))
        self._window = self._window_full

    def _reopen_stream(self, stream: Stream, flags: int) -> None:
        if stream.recv_window < 0:
            raise StreamFault(f.FLOW_CONTROL_ERROR, "DATA beyond the stream's window")
        if stream.auto_consume and not flags & f.END_STREAM:
            self._sender.put(f.window_update(stream.id, self._stream_window - stream.recv_window))
            stream.recv_window = self._stream_window
            stream.recv_credit = 0

    def _on_headers(self, flags: int, stream_id: int, payload: bytes) -> None:
        if not stream_id & 1:
            self._sender.check_not_idle(stream_id, f.HEADERS)
        if flags & f.PADDED:
            payload = _unpad(payload)
        if flags & f.PRIORITY_FLAG:
            if len(payload) < 5:
                raise ConnectionFault(f.FRAME_SIZE_ERROR, "HEADERS too short for its priority")
            payload = payload[5:]
        if flags & f.END_HEADERS:
            self._on_block(flags, stream_id, payload)
        else:
            self._block = [payload]
            self._block_id = stream_id
            self._block_flags = flags
            self._guarded = True

    def _on_continuation(self, flags: int, stream_id: int, payload: bytes) -> None:
        block = self._block
        if block is None:
            raise ConnectionFault(f.PROTOCOL_ERROR, "CONTINUATION outside a header block")
        block.append(payload)
        if len(block) > _BLOCK_FRAMES_MAX or sum(map(len, block)) > _BLOCK_BYTES_MAX:
            raise ConnectionFault(f.ENHANCE_YOUR_CALM, "header block without an end")
        if flags & f.END_HEADERS:
            self._block = None
            self._on_block(self._block_flags, stream_id, b"".join(block))

    def _on_block(self, flags: int, stream_id: int, block: bytes) -> None:
        stream = self._streams.get(stream_id)
        if stream is None:
            return self._sender.check_not_idle(stream_id, f.HEADERS)
        if stream.remote_done:
            raise StreamFault(f.STREAM_CLOSED, "HEADERS after END_STREAM")
        status, headers, length = self._decoder.decode(block)
        if stream.responded:
            if status or not flags & f.END_STREAM:
                raise StreamFault(f.PROTOCOL_ERROR, "second response head, or trailers without END_STREAM")
            stream.trailers = headers
        elif status >= 200:
            stream.responded = True
            if not stream.bodiless and status not in (204, 304):
                stream.body_left = length
            try:
                stream.handler.on_response(status, headers)
            except Exception as error:
                self._sender.handler_raised(stream, error)
        elif not status or status == 101 or flags & f.END_STREAM:  # Sections 8.3.2, 8.6 and 8.1.
            raise StreamFault(f.PROTOCOL_ERROR, f"bad response head, status {status or 'missing'}")
        if flags & f.END_STREAM:
            self._on_end(stream)
        return None

    def _on_end(self, stream: Stream) -> None:
        if stream.port is NOWHERE:
            return  # Reset from inside the callback before.
        if stream.body_left > 0:
            raise StreamFault(f.PROTOCOL_ERROR, "response body is shorter than its content-length")
        stream.remote_done = True
        if stream.local_done:
            self._sender.forget(stream)
        handler, stream.handler = stream.handler, SILENT
        try:
            handler.on_end()
        except Exception as error:
            self._sender.handler_raised(stream, error)

    def _end_stream(self, stream_id: int, fault: StreamFault) -> None:
        """The peer broke a rule on this stream (section 5.4.2)."""
        stream = self._streams.get(stream_id)
        if stream is not None:
            self._sender.put(f.rst_stream(stream_id, fault.code))
            self._sender.fail(stream, StreamError(ErrorKind.PROTOCOL, str(fault), code=fault.code, sent=True))


def _unpad(payload: bytes) -> bytes:
    """The payload of a padded frame without length and padding (section 6.1)."""
    if not payload or payload[0] >= len(payload):
        raise ConnectionFault(f.PROTOCOL_ERROR, "padding longer than its frame")
    return payload[1 : len(payload) - payload[0]]
