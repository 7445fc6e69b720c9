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

    __slots__ = ("_flags", "_have", "_limit", "_need", "_parts", "_type", "oversized", "whole")

    def __init__(self, message_bytes_limit: int) -> None:
        self._limit = message_bytes_limit
        #: Of a message that is not whole yet, without its header; or of a header that is not.
        self._parts: list[bytes] = []
        #: Bytes of the message that are here, its header with them; and what it has when it is whole, 0 while its
        #: header is not.
        self._have = 0
        self._need = 0
        #: Of its header.
        self._type = 0
        self._flags = 0
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
        """Size of the message that is not whole yet, at least that of a header; 0 between messages."""
        return self._need or (HEADER_BYTES if self._have else 0)

    def feed(self, data: bytes) -> list[tuple[int, int, bytes]]:
        """(type, flags, protobuf) of each message that is whole now. Sets `oversized` instead of raising, so
        that messages before the refused one are not lost."""
        messages: list[tuple[int, int, bytes]] = []
        if self.oversized is not None:
            return messages
        position, size = 0, len(data)
        if self._have:
            parts = self._parts
            if self._need:
                # Pieces of a large message are joined once, when all are there: joining at each would be quadratic.
                position = self._need - self._have
                if size < position:
                    parts.append(data)
                    self._have += size
                    return messages
                parts.append(data[:position] if position < size else data)
                messages.append((self._type, self._flags, b"".join(parts)))
            else:
                parts.append(data)
                data = b"".join(parts)
                size = len(data)
            parts.clear()
            self._have = self._need = 0
        while size - position >= HEADER_BYTES:
            message_type, flags, length = HEADER.unpack_from(data, position)
            if length >= self._limit:
                self.oversized = (message_type, length)
                break
            end = position + HEADER_BYTES + length
            if end > size:
                self._type = message_type
                self._flags = flags
                self._need = HEADER_BYTES + length
                self._have = size - position
                position += HEADER_BYTES
                break
            messages.append((message_type, flags, data[position + HEADER_BYTES : end]))
            position = end
        if position < size and self.oversized is None:
            self._parts.append(data[position:] if position else data)
            self._have = self._have or size - position
        self.whole += len(messages)
        return messages
