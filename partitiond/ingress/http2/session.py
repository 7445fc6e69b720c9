"""The client's frames -> streams with their requests; answers -> frames. Pure: no I/O.

Rules that always hold:
- a breach ends no more than RFC 9113 says, a stream or the connection; `receive` never raises for what a client sends;
- what a client may make us hold is bounded: streams, their windows, header blocks, answers to PING, resets;
- every stream that was told by `on_request` is answered, or told by `on_reset`, or `ended` is set.
"""

from __future__ import annotations

from typing import Final, Protocol

from partitiond.ingress.http2 import control
from partitiond.ingress.http2.faults import ConnectionFault, StreamFault
from partitiond.ingress.http2.fields import HeadDecoder, encode_head, read_head
from partitiond.ingress.http2.outflow import Outflow
from partitiond.ingress.http2.stream import Stream
from partitiond.invoker.http2 import frames as f

__all__ = ["Host", "Session"]

#: Requests of one connection that may wait at once: waiting for hours is what clients do here.
STREAMS_MAX: Final = 1000
#: What a stream may send before its body is asked for (that of RFC 9113), and while it is read.
_UNREAD_BYTES: Final = 65_535
_READ_BYTES: Final = 1 << 20
#: For all streams together; given back on receipt, for what is held is bounded by the streams' own windows.
_CONNECTION_BYTES: Final = 1 << 24
_HEADER_LIST_BYTES: Final = 65_536
#: When no more than this may come of a body that nobody reads, its client is told to stop.
_UNREAD_BYTES_MIN: Final = 16_384
#: CONTINUATION frames of one block, and their bytes (section 10.5).
_BLOCK_FRAMES_MAX: Final = 128
_BLOCK_BYTES_MAX: Final = 262_144
#: Requests that a client may take back, over those that it waits for: the attack known as rapid reset.
_RESETS_MAX: Final = 1000
_DRAINING: Final = b"draining"


class Host(Protocol):
    """Who serves the requests."""

    def on_request(self, stream: Stream) -> None:
        """A head has come; the body may follow."""

    def on_body(self, stream: Stream) -> None:
        """More of the body, or its end."""

    def on_reset(self, stream: Stream) -> None:
        """Nobody waits for an answer any more."""

    def wake(self) -> None:
        """There is something to write, or the session has ended: see `Session.take` and `Session.ended`."""


class Session:
    """One connection. `body_bytes_max`: of a request; what is over it is dropped (`Stream.too_long`)."""

    def __init__(self, host: Host, *, body_bytes_max: int) -> None:
        self._host = host
        self._body_bytes_max = body_bytes_max
        self._frames = f.FrameReader()
        self._decoder = HeadDecoder()
        self._window = _CONNECTION_BYTES
        self._settled = False
        self._highest_id = 0
        #: The header block being received: (stream id, flags, pieces).
        self._block: tuple[int, int, list[bytes]] | None = None
        self._resets = 0
        #: Streams that were answered before their body had ended, and what may still come of it. Most end by
        #: themselves, and clients (curl for one) take a reset for a failure, whatever was answered before it.
        self._unread: dict[int, int] = {}
        #: No stream above the highest is looked at any more.
        self._refusing = False
        self._client_leaves = False
        self.streams: dict[int, Stream] = {}
        self.out = Outflow(host.wake, self._on_sent)
        #: Why the connection is to be closed once all is written; "" is a good end, None is not yet.
        self.ended: str | None = None

    def open(self) -> None:
        """Our settings. A window is widened by WINDOW_UPDATE alone (section 6.9.2)."""
        self.out.put(
            f.settings(
                {
                    control.MAX_CONCURRENT_STREAMS: STREAMS_MAX,
                    control.INITIAL_WINDOW_SIZE: _UNREAD_BYTES,
                    control.MAX_HEADER_LIST_SIZE: _HEADER_LIST_BYTES,
                }
            )
            + f.window_update(0, _CONNECTION_BYTES - 65_535)
        )

    def receive(self, data: bytes) -> None:
        """Bytes behind the preface."""
        if self.ended is not None:
            return
        try:
            for kind, flags, stream_id, payload in self._frames.feed(data):
                try:
                    self._on_frame(kind, flags, stream_id, payload)
                except StreamFault as fault:
                    self._reset(stream_id, fault.code)
                if self.ended is not None:
                    return
            if self._frames.oversized:
                raise ConnectionFault(f.FRAME_SIZE_ERROR, f"frame of {self._frames.oversized} bytes")
        except ConnectionFault as fault:
            self.out.put(control.encode_goaway(self._highest_id, fault.code, str(fault)))
            self._end(str(fault))

    def read_body(self, stream: Stream) -> None:
        """Somebody wants it: let it come."""
        if stream.wanted or stream.complete:
            return
        stream.wanted = True
        if not stream.received and stream.head.headers.get("expect", "").lower() == "100-continue":
            self.out.put(f.frame(f.HEADERS, f.END_HEADERS, stream.id, encode_head(100, b"")))
        self._reopen(stream)

    def answer(self, stream: Stream, status: int, lines: bytes, body: bytes) -> None:
        """The whole answer. `lines`: header lines as of HTTP/1.1."""
        if self.streams.get(stream.id) is not stream:
            return
        stream.answered = True
        block = encode_head(status, lines)
        end = 0 if body else f.END_STREAM
        kind = f.HEADERS
        for at in range(0, len(block), f.FRAME_BYTES_MAX):
            piece = block[at : at + f.FRAME_BYTES_MAX]
            last = f.END_HEADERS if at + len(piece) == len(block) else 0
            self.out.put(f.frame(kind, last | end, stream.id, piece))
            kind, end = f.CONTINUATION, 0
        if body:
            self.out.send_body(stream, body)
        else:
            self._on_sent(stream)

    def announce_drain(self) -> None:
        """Ask for no new streams; those that are on their way are still taken, until `refuse_new`."""
        if self.ended is None and not self._refusing:
            self.out.put(control.encode_goaway(f.STREAM_ID_MAX, f.NO_ERROR) + f.frame(f.PING, 0, 0, _DRAINING))

    def refuse_new(self) -> None:
        """From now on no stream is taken; the end comes with that of the last one."""
        if self.ended is None and not self._refusing:
            self._refusing = True
            self.out.put(control.encode_goaway(self._highest_id, f.NO_ERROR))
            self._maybe_end()

    def _on_frame(self, kind: int, flags: int, stream_id: int, payload: bytes) -> None:
        if self._block is not None:
            if kind != f.CONTINUATION or stream_id != self._block[0]:
                raise ConnectionFault(f.PROTOCOL_ERROR, f"frame type {kind} inside a header block")
        elif not self._settled and (kind != f.SETTINGS or flags & f.ACK):
            raise ConnectionFault(f.PROTOCOL_ERROR, f"first frame is type {kind}, not SETTINGS")
        if kind == f.DATA:
            self._on_data(flags, stream_id, payload)
        elif kind == f.HEADERS:
            self._on_headers(flags, stream_id, payload)
        elif kind == f.CONTINUATION:
            self._on_continuation(flags, payload)
        elif kind in (f.WINDOW_UPDATE, f.RST_STREAM, f.PRIORITY):
            self._on_stream_control(kind, stream_id, payload)
        elif kind in (f.SETTINGS, f.PING, f.GOAWAY):
            if stream_id:
                raise ConnectionFault(f.PROTOCOL_ERROR, f"frame type {kind} on stream {stream_id}")
            self._on_connection_control(kind, flags, payload)
        elif kind == f.PUSH_PROMISE:
            raise ConnectionFault(f.PROTOCOL_ERROR, "PUSH_PROMISE from a client")
        # Unknown types are dropped (section 4.1).

    def _on_headers(self, flags: int, stream_id: int, payload: bytes) -> None:
        if not stream_id & 1:
            raise ConnectionFault(f.PROTOCOL_ERROR, f"HEADERS on stream {stream_id}")
        if flags & f.PADDED:
            payload = _unpad(payload)
        if flags & f.PRIORITY_FLAG:
            if len(payload) < 5:
                raise ConnectionFault(f.FRAME_SIZE_ERROR, "HEADERS too short for its priority")
            payload = payload[5:]
        if flags & f.END_HEADERS:
            self._on_block(flags, stream_id, payload)
        else:
            self._block = (stream_id, flags, [payload])

    def _on_continuation(self, flags: int, payload: bytes) -> None:
        if self._block is None:
            raise ConnectionFault(f.PROTOCOL_ERROR, "CONTINUATION outside a header block")
        stream_id, first_flags, pieces = self._block
        pieces.append(payload)
        if len(pieces) > _BLOCK_FRAMES_MAX or sum(map(len, pieces)) > _BLOCK_BYTES_MAX:
            raise ConnectionFault(f.ENHANCE_YOUR_CALM, "header block without an end")
        if flags & f.END_HEADERS:
            self._block = None
            self._on_block(first_flags, stream_id, b"".join(pieces))

    def _on_block(self, flags: int, stream_id: int, block: bytes) -> None:
        # Before anything else: the tables of both sides must stay the same.
        pairs = self._decoder.pairs(block)
        ends = bool(flags & f.END_STREAM)
        stream = self.streams.get(stream_id)
        if stream is not None:
            if stream.complete:
                raise StreamFault(f.STREAM_CLOSED, "HEADERS after END_STREAM")
            if not ends:
                raise StreamFault(f.PROTOCOL_ERROR, "trailers without END_STREAM")
            self._on_complete(stream)
            return
        if stream_id <= self._highest_id:
            # Trailers of a stream that is over already.
            self._unread.pop(stream_id, None)
            return
        if self._refusing:
            return
        self._highest_id = stream_id
        if len(self.streams) >= STREAMS_MAX:
            raise StreamFault(f.REFUSED_STREAM, "too many streams")
        head = read_head(pairs)
        if ends and head.length > 0:
            raise StreamFault(f.PROTOCOL_ERROR, "body is shorter than its content-length")
        stream = Stream(stream_id, head, recv_window=_UNREAD_BYTES, send_window=self.out.stream_window)
        stream.complete = ends
        self.streams[stream_id] = stream
        self._host.on_request(stream)

    def _on_data(self, flags: int, stream_id: int, payload: bytes) -> None:
        size = len(payload)
        self._take_window(size)
        stream = self.streams.get(stream_id)
        if stream is None:
            return self._drop_data(stream_id, flags, size)
        if stream.complete:
            raise StreamFault(f.STREAM_CLOSED, "DATA after END_STREAM")
        if flags & f.PADDED:
            payload = _unpad(payload)
        stream.recv_window -= size
        if stream.recv_window < 0:
            raise StreamFault(f.FLOW_CONTROL_ERROR, "DATA beyond the stream's window")
        stream.received += len(payload)
        if 0 <= stream.head.length < stream.received:
            raise StreamFault(f.PROTOCOL_ERROR, "body is longer than its content-length")
        if stream.received > self._body_bytes_max:
            stream.too_long = True
            stream.chunks.clear()
        elif payload:
            stream.chunks.append(payload)
        if flags & f.END_STREAM:
            self._on_complete(stream)
        else:
            self._reopen(stream)
            self._host.on_body(stream)
        return None

    def _drop_data(self, stream_id: int, flags: int, size: int) -> None:
        """Of a stream that is over."""
        left = self._unread.get(stream_id)
        if left is None:
            return self._check_not_idle(stream_id, f.DATA)
        if flags & f.END_STREAM:
            del self._unread[stream_id]
        else:
            self._unread[stream_id] = left - size
            if left - size < _UNREAD_BYTES_MIN:
                self._stop_body(stream_id)
        return None

    def _stop_body(self, stream_id: int) -> None:
        """Nobody will read the rest (section 8.1)."""
        self._unread.pop(stream_id, None)
        self.out.put(f.rst_stream(stream_id, f.NO_ERROR))

    def _on_complete(self, stream: Stream) -> None:
        if 0 <= stream.head.length != stream.received:
            raise StreamFault(f.PROTOCOL_ERROR, "body is shorter than its content-length")
        stream.complete = True
        self._host.on_body(stream)

    def _take_window(self, size: int) -> None:
        self._window -= size
        if self._window < 0:
            raise ConnectionFault(f.FLOW_CONTROL_ERROR, "DATA beyond the connection's window")
        if self._window < _CONNECTION_BYTES // 2:
            self.out.put(f.window_update(0, _CONNECTION_BYTES - self._window))
            self._window = _CONNECTION_BYTES

    def _reopen(self, stream: Stream) -> None:
        if stream.wanted and not stream.too_long and stream.recv_window < _READ_BYTES // 2:
            self.out.put(f.window_update(stream.id, _READ_BYTES - stream.recv_window))
            stream.recv_window = _READ_BYTES

    def _on_stream_control(self, kind: int, stream_id: int, payload: bytes) -> None:
        if kind == f.PRIORITY:
            # Deprecated and without effect (section 5.3.2), but its form is checked (section 6.3).
            if not stream_id:
                raise ConnectionFault(f.PROTOCOL_ERROR, "PRIORITY on stream 0")
            if len(payload) != 5:
                raise StreamFault(f.FRAME_SIZE_ERROR, f"PRIORITY of {len(payload)} bytes")
            return
        stream = self.streams.get(stream_id)
        if kind == f.RST_STREAM:
            control.decode_reset(payload)
            if stream is None:
                self._unread.pop(stream_id, None)
                return self._check_not_idle(stream_id, kind)
            self._resets += 1
            if self._resets > _RESETS_MAX:
                raise ConnectionFault(f.ENHANCE_YOUR_CALM, "too many requests taken back")
            return self._drop(stream)
        increment = control.decode_window_update(payload)
        if not stream_id:
            if not increment:
                raise ConnectionFault(f.PROTOCOL_ERROR, "WINDOW_UPDATE by 0")
            return self.out.grant_connection(increment)
        if stream is None:
            return self._check_not_idle(stream_id, kind)
        if not increment:
            raise StreamFault(f.PROTOCOL_ERROR, "WINDOW_UPDATE by 0")
        return self.out.grant_stream(stream, increment)

    def _on_connection_control(self, kind: int, flags: int, payload: bytes) -> None:
        if kind == f.PING:
            if len(payload) != 8:
                raise ConnectionFault(f.FRAME_SIZE_ERROR, f"PING of {len(payload)} bytes")
            if not flags & f.ACK:
                self.out.reply(f.frame(f.PING, f.ACK, 0, payload))
            elif payload == _DRAINING:
                # Whatever the client had sent before it knew has come.
                self.refuse_new()
        elif kind == f.GOAWAY:
            control.decode_goaway(payload)
            self._client_leaves = True
            self._maybe_end()
        elif flags & f.ACK:
            if payload:
                raise ConnectionFault(f.FRAME_SIZE_ERROR, "SETTINGS acknowledgement with a payload")
        else:
            self._settled = True
            for key, value in control.decode_settings(payload):
                if key == control.INITIAL_WINDOW_SIZE:
                    self.out.resize(list(self.streams.values()), value)
                elif key == control.MAX_FRAME_SIZE:
                    # No larger ones: streams would wait longer for their turn.
                    self.out.frame_bytes = min(value, 4 * f.FRAME_BYTES_MAX)
            self.out.reply(f.frame(f.SETTINGS, f.ACK, 0))

    def _check_not_idle(self, stream_id: int, kind: int) -> None:
        """A frame of a stream that is over is dropped; one that never was is a breach (section 5.1)."""
        if stream_id > self._highest_id and not (self._refusing and stream_id & 1):
            raise ConnectionFault(f.PROTOCOL_ERROR, f"frame type {kind} on idle stream {stream_id}")
        if not stream_id:
            raise ConnectionFault(f.PROTOCOL_ERROR, f"frame type {kind} on stream 0")

    def _on_sent(self, stream: Stream) -> None:
        """The answer is written to its end."""
        self._resets = max(0, self._resets - 1)
        del self.streams[stream.id]
        if not stream.complete:
            self._unread[stream.id] = stream.recv_window
            if stream.too_long or stream.recv_window < _UNREAD_BYTES_MIN:
                self._stop_body(stream.id)
            elif len(self._unread) > STREAMS_MAX:
                self._stop_body(next(iter(self._unread)))
        self._maybe_end()

    def _reset(self, stream_id: int, code: int) -> None:
        """The client broke a rule on this stream (section 5.4.2)."""
        self.out.put(f.rst_stream(stream_id, code))
        stream = self.streams.get(stream_id)
        if stream is not None:
            self._drop(stream)

    def _drop(self, stream: Stream) -> None:
        del self.streams[stream.id]
        self.out.forget(stream)
        self._host.on_reset(stream)
        self._maybe_end()

    def _maybe_end(self) -> None:
        if not self.streams and (self._refusing or self._client_leaves):
            self._end("")

    def _end(self, reason: str) -> None:
        if self.ended is None:
            self.ended = reason
            self._host.wake()


def _unpad(payload: bytes) -> bytes:
    """The payload of a padded frame without length and padding (section 6.1)."""
    if not payload or payload[0] >= len(payload):
        raise ConnectionFault(f.PROTOCOL_ERROR, "padding longer than its frame")
    return payload[1 : len(payload) - payload[0]]
