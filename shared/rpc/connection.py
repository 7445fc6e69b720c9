"""One peer on a Unix socket: reads frames, joins the writes of a loop turn, keeps its buffers bounded.

Rules that always hold:
- messages leave in the order of `send`, many of one loop turn in one write, but no more than a page of them: the peer
  begins with those while we make the others;
- a frame that cannot be read ends the connection with a log line, and nothing else;
- `on_closed` is called exactly once, after the last `on_messages`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import Any, Protocol, cast

import msgspec

from shared.errors import RemoteProtocolError
from shared.rpc.frames import FrameReader

__all__ = ["Connection", "MessageHandler"]

_log = logging.getLogger(__name__)
#: What waits for the end of a turn is written when it is this much. Under load all processes of a node would else take
#: turns, each with all calls at once; pieces half as large cost more than they gain.
_EAGER_BYTES = 4096
#: So much is not copied once more to be one piece.
_JOINED_BYTES = 64 * 1024
_encode = msgspec.msgpack.Encoder().encode


class MessageHandler(Protocol):
    """What a daemon does with its peer's messages. All calls come from the loop's thread."""

    def on_messages(self, connection: Connection, messages: list[Any]) -> None: ...

    def on_closed(self, connection: Connection) -> None: ...


class Connection(asyncio.Protocol):
    """A framed msgpack connection. `decode` turns one frame into a message (a msgspec Decoder's `decode`)."""

    def __init__(self, decode: Callable[[bytes], Any], handler: MessageHandler, *, name: str) -> None:
        self._decode = decode
        self._handler = handler
        self.name = name
        self._reader = FrameReader()
        self._transport: asyncio.Transport | None = None
        self._loop = asyncio.get_running_loop()
        self._out: list[bytes] = []
        self._out_bytes = 0
        self._flush_scheduled = False
        self._closed = False
        self._paused = False
        self._holds = 0
        self._on_paused: Callable[[bool], None] | None = None
        self._drained: asyncio.Event = asyncio.Event()
        self._drained.set()

    @property
    def closed(self) -> bool:
        """True once no more can be sent; messages sent after that are dropped."""
        return self._closed

    @property
    def paused(self) -> bool:
        """True while the peer reads too slowly: senders of streams should wait for `drained`."""
        return self._paused

    def watch_paused(self, callback: Callable[[bool], None]) -> None:
        """Call back with each change of `paused`."""
        self._on_paused = callback

    async def drained(self) -> None:
        """Wait until the peer has caught up, or the connection is closed."""
        await self._drained.wait()

    def hold(self, *, on: bool) -> None:
        """Read no more from the peer: its writes then back up until it is `paused` itself. Each hold is undone once;
        the peer is read again when all are."""
        self._holds += 1 if on else -1
        assert self._holds >= 0, "undone more often than done"
        transport = self._transport
        if transport is None or self._closed or transport.is_closing():
            return
        if on and self._holds == 1:
            transport.pause_reading()
        elif not on and self._holds == 0:
            transport.resume_reading()

    def send(self, message: msgspec.Struct) -> None:
        """Queue one message; it is written at the end of this loop turn at the latest."""
        self.send_encoded(_encode(message))

    def send_encoded(self, payload: bytes) -> None:
        """Queue a message that is encoded already."""
        if self._closed:
            return
        self._out.append(len(payload).to_bytes(4, "big"))
        self._out.append(payload)
        self._queued(len(payload))

    def send_pieces(self, pieces: Sequence[bytes]) -> None:
        """Queue a message that is encoded already, and not joined, for it is large."""
        if self._closed:
            return
        size = sum(map(len, pieces))
        self._out.append(size.to_bytes(4, "big"))
        self._out += pieces
        self._queued(size)

    def _queued(self, size: int) -> None:
        self._out_bytes += size
        if self._out_bytes >= _EAGER_BYTES:
            self._write_out()
        elif not self._flush_scheduled:
            self._flush_scheduled = True
            self._loop.call_soon(self._flush)

    def close(self) -> None:
        """Write what is queued, then close."""
        if self._closed:
            return
        self._flush()
        if self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        """Close at once; what is queued is lost."""
        if self._transport is not None:
            self._transport.abort()

    def _flush(self) -> None:
        self._flush_scheduled = False
        self._write_out()

    def _write_out(self) -> None:
        if self._transport is None:
            # Not connected yet: `connection_made` writes it.
            return
        if self._out and not self._closed:
            if self._out_bytes < _JOINED_BYTES:
                self._transport.write(b"".join(self._out))
            else:
                self._transport.writelines(self._out)
        self._out.clear()
        self._out_bytes = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are none of asyncio's classes, though they do what those promise.
        self._transport = cast(asyncio.Transport, transport)
        self._transport.set_write_buffer_limits(high=4 * 1024 * 1024)
        if self._out:
            self._flush()

    def data_received(self, data: bytes) -> None:
        try:
            frames = self._reader.feed(data)
            messages = [self._decode(frame) for frame in frames]
        except (RemoteProtocolError, msgspec.MsgspecError, UnicodeDecodeError) as error:
            _log.error("%s: closing the connection, unreadable frame: %s", self.name, error)
            self.abort()
            return
        if not messages:
            return
        try:
            self._handler.on_messages(self, messages)
        except OSError as failure:
            # The loop would take it for a failure of this very socket: close it, and tell nobody.
            report = RuntimeError(f"{self.name}: a message could not be handled: {failure}")
            # mypyc forgets what a `raise … from` says.
            report.__cause__ = failure
            raise report from failure

    def connection_lost(self, exc: Exception | None) -> None:
        self._closed = True
        self._out.clear()
        self._drained.set()
        if self._reader.pending_bytes:
            _log.warning("%s: the peer went away in the middle of a frame", self.name)
        self._handler.on_closed(self)

    def pause_writing(self) -> None:
        self._paused = True
        self._drained.clear()
        if self._on_paused is not None:
            self._on_paused(True)

    def resume_writing(self) -> None:
        self._paused = False
        self._drained.set()
        if self._on_paused is not None:
            self._on_paused(False)
