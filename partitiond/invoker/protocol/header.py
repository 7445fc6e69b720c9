"""Frames of the service protocol <-> messages. Pure: no I/O.

A frame is u16 type, u16 flags, u32 length (big-endian), then that many bytes of protobuf. Bytes come in any
pieces; a message is handed out once it is whole.
"""

from __future__ import annotations

from struct import Struct

__all__ = ["HEADER", "FrameReader", "frame"]

HEADER = Struct(">HHI")
HEADER_BYTES = HEADER.size


def frame(message_type: int, raw: bytes) -> bytes:
    """One message with its header; the runtime sets no flags."""
    return HEADER.pack(message_type, 0, len(raw)) + raw


class FrameReader:
    """Bytes of one response in, whole messages out.

    Once `oversized` is set the reader is dead: what follows a refused message is never looked at.
    """

    __slots__ = ("_have", "_limit", "_need", "_parts", "oversized", "whole")

    def __init__(self, message_bytes_limit: int) -> None:
        self._limit = message_bytes_limit
        #: Invariant: the parts together hold `_have` bytes and begin with a header; empty when `_have` is 0.
        self._parts: list[bytes] = []
        self._have = 0
        #: Bytes that must be there before a look at the parts can yield anything.
        self._need = HEADER_BYTES
        #: Messages handed out so far.
        self.whole = 0
        #: (message type, length) of the message that was over the limit.
        self.oversized: tuple[int, int] | None = None

    @property
    def pending_bytes(self) -> int:
        """Bytes of a message that is not whole yet."""
        return self._have

    @property
    def awaited_bytes(self) -> int:
        """Size of the message that is not whole yet; 0 between messages."""
        return self._need if self._have else 0

    def feed(self, data: bytes) -> list[tuple[int, int, bytes]]:
        """(type, flags, protobuf) of each message that is whole now. Sets `oversized` instead of raising, so
        that messages before the refused one are not lost."""
        if self._have:
            # Pieces of a large message are joined once, when all are there: joining at each would be quadratic.
            self._parts.append(data)
            self._have += len(data)
            if self._have < self._need:
                return []
            data = b"".join(self._parts)
            self._parts.clear()
            self._have = 0
        messages: list[tuple[int, int, bytes]] = []
        if self.oversized is not None:
            return messages
        position, size = 0, len(data)
        need = HEADER_BYTES
        while size - position >= HEADER_BYTES:
            message_type, flags, length = HEADER.unpack_from(data, position)
            if length >= self._limit:
                self.oversized = (message_type, length)
                return messages
            end = position + HEADER_BYTES + length
            if end > size:
                need = HEADER_BYTES + length
                break
            messages.append((message_type, flags, data[position + HEADER_BYTES : end]))
            position = end
        if position < size:
            self._parts.append(data[position:] if position else data)
            self._have = size - position
            self._need = need
        self.whole += len(messages)
        return messages
