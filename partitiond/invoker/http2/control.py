"""Frames that steer: SETTINGS, WINDOW_UPDATE, PING, GOAWAY, RST_STREAM, and two that a client must not obey.

Pure: no I/O.
"""

from collections.abc import Callable

from partitiond.invoker.http2 import frames as f
from partitiond.invoker.http2.errors import ConnectionFault, ErrorKind, StreamError, StreamFault
from partitiond.invoker.http2.sender import Sender
from partitiond.invoker.http2.settings import decode_settings
from partitiond.invoker.http2.stream import NOWHERE

__all__ = ["Control"]


class Control:
    """Acts on the steering frames of one connection; raises ConnectionFault and StreamFault for breaches."""

    __slots__ = ("_of_connection", "_of_stream", "_sender", "leaving", "settled")

    def __init__(self, sender: Sender) -> None:
        self._sender = sender
        #: The peer's first SETTINGS have come.
        self.settled = False
        #: The peer will end the connection, and nothing is wrong with it.
        self.leaving = False
        # Frames of other types, unknown ones among them, are dropped (RFC 9113 section 4.1).
        self._of_connection: dict[int, Callable[[int, bytes], None]] = {
            f.SETTINGS: self._on_settings,
            f.PING: self._on_ping,
            f.GOAWAY: self._on_goaway,
        }
        self._of_stream: dict[int, Callable[[int, bytes], None]] = {
            f.WINDOW_UPDATE: self._on_window_update,
            f.RST_STREAM: self._on_rst_stream,
            f.PRIORITY: self._on_priority,
            f.PUSH_PROMISE: self._on_push_promise,
        }

    def on_frame(self, kind: int, flags: int, stream_id: int, payload: bytes) -> None:
        """Act on one frame that is neither DATA nor part of a header block."""
        of_stream = self._of_stream.get(kind)
        if of_stream is not None:
            of_stream(stream_id, payload)
            return
        of_connection = self._of_connection.get(kind)
        if of_connection is not None:
            if stream_id:
                raise ConnectionFault(f.PROTOCOL_ERROR, f"frame type {kind} on stream {stream_id}")
            of_connection(flags, payload)

    def _on_window_update(self, stream_id: int, payload: bytes) -> None:
        if len(payload) != 4:
            raise ConnectionFault(f.FRAME_SIZE_ERROR, f"WINDOW_UPDATE of {len(payload)} bytes")
        increment = int.from_bytes(payload, "big") & f.WINDOW_MAX
        if not stream_id:
            if not increment:
                raise ConnectionFault(f.PROTOCOL_ERROR, "WINDOW_UPDATE by 0")
            return self._sender.grant_connection(increment)
        stream = self._sender.streams.get(stream_id)
        if stream is None:
            return self._sender.check_not_idle(stream_id, f.WINDOW_UPDATE)
        if not increment:
            raise StreamFault(f.PROTOCOL_ERROR, "WINDOW_UPDATE by 0")
        stream.send_window += increment
        if stream.send_window > f.WINDOW_MAX:
            raise StreamFault(f.FLOW_CONTROL_ERROR, "stream window over 2^31-1")
        if stream.backlog and self._sender.pump(stream):
            self._sender.drained(stream)
        return None

    def _on_rst_stream(self, stream_id: int, payload: bytes) -> None:
        if len(payload) != 4:
            raise ConnectionFault(f.FRAME_SIZE_ERROR, f"RST_STREAM of {len(payload)} bytes")
        stream = self._sender.streams.get(stream_id)
        if stream is None:
            return self._sender.check_not_idle(stream_id, f.RST_STREAM)
        code = int.from_bytes(payload, "big")
        kind = ErrorKind.REFUSED if code == f.REFUSED_STREAM else ErrorKind.RESET
        message = f"the peer reset the stream ({f.error_name(code)})"
        # After a complete response the owner has had its `on_end` and hears nothing (section 8.1).
        self._sender.fail(stream, StreamError(kind, message, code=code, sent=True))
        return None

    def _on_settings(self, flags: int, payload: bytes) -> None:
        if flags & f.ACK:
            if payload:
                raise ConnectionFault(f.FRAME_SIZE_ERROR, "SETTINGS acknowledgement with a payload")
            return
        pairs = decode_settings(payload)
        if not self.settled:
            self.settled = True
            self._sender.settle()
        self._sender.reply(f.frame(f.SETTINGS, f.ACK, 0))
        self._sender.apply(pairs)

    def _on_ping(self, flags: int, payload: bytes) -> None:
        if len(payload) != 8:
            raise ConnectionFault(f.FRAME_SIZE_ERROR, f"PING of {len(payload)} bytes")
        if not flags & f.ACK:  # Of an answer nothing is needed but that something came: see `connection`.
            self._sender.reply(f.frame(f.PING, f.ACK, 0, payload))

    def _on_goaway(self, flags: int, payload: bytes) -> None:
        if len(payload) < 8:
            raise ConnectionFault(f.FRAME_SIZE_ERROR, f"GOAWAY of {len(payload)} bytes")
        last = int.from_bytes(payload[:4], "big") & f.STREAM_ID_MAX
        code = int.from_bytes(payload[4:8], "big")
        debug = f", {payload[8:208]!r}" if len(payload) > 8 else ""
        message = f"the peer is going away without processing the request ({f.error_name(code)}{debug})"
        self._sender.stop()
        if code == f.NO_ERROR:
            # Hypercorn says PROTOCOL_ERROR behind it, about whatever was on its way.
            self.leaving = True
        for stream in list(self._sender.streams.values()):
            if stream.id > last and stream.port is not NOWHERE:
                self._sender.fail(stream, StreamError(ErrorKind.REFUSED, message, code=code, sent=True))
        if self._sender.streams:
            # Hypercorn answers nothing after its GOAWAY, and closes the socket only when it hears from us again.
            self._sender.put(f.frame(f.PING, 0, 0, bytes(8)))

    def _on_priority(self, stream_id: int, payload: bytes) -> None:
        """Deprecated and without effect (section 5.3.2), but its form is checked (section 6.3)."""
        if not stream_id:
            raise ConnectionFault(f.PROTOCOL_ERROR, "PRIORITY on stream 0")
        if len(payload) != 5:
            raise StreamFault(f.FRAME_SIZE_ERROR, f"PRIORITY of {len(payload)} bytes")

    def _on_push_promise(self, stream_id: int, payload: bytes) -> None:
        raise ConnectionFault(f.PROTOCOL_ERROR, "PUSH_PROMISE although push is off")
