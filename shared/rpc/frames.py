"""Bytes <-> frames. Pure: no I/O.

A frame is a 4-byte big-endian length and that many bytes of one msgpack message.
"""

from __future__ import annotations

from shared.errors import RemoteProtocolError

__all__ = ["FRAME_BYTES_LIMIT", "FrameReader", "encode_frame"]

#: A frame over this is refused unread: a record of 32 MiB with its envelope fits well.
FRAME_BYTES_LIMIT = 64 * 1024 * 1024


def encode_frame(message: bytes) -> bytes:
    """One message with its length before it."""
    return len(message).to_bytes(4, "big") + message


class FrameReader:
    """Cuts a byte stream into messages, whatever the pieces it arrives in."""

    def __init__(self, *, bytes_limit: int = FRAME_BYTES_LIMIT) -> None:
        self._bytes_limit = bytes_limit
        #: Of a message that is not whole yet, without its length; or of a length that is not.
        self._pieces: list[bytes] = []
        #: Bytes of them, and bytes that the message still lacks; lacks 0: there is no length yet.
        self._have = 0
        self._lacks = 0

    def feed(self, data: bytes) -> list[bytes]:
        """Messages that `data` completes, in order. Raises RemoteProtocolError for a length over the limit."""
        messages: list[bytes] = []
        at, end = 0, len(data)
        if self._lacks:
            # Joined only when it is whole: a large message arrives in many small pieces.
            at = self._lacks
            if end < at:
                self._pieces.append(data)
                self._have += end
                self._lacks -= end
                return messages
            self._pieces.append(data[:at] if at < end else data)
            messages.append(b"".join(self._pieces))
            self._pieces.clear()
            self._have = self._lacks = 0
        elif self._pieces:
            self._pieces.append(data)
            data = b"".join(self._pieces)
            end = len(data)
            self._pieces.clear()
            self._have = 0
        while end - at >= 4:
            length = int.from_bytes(data[at : at + 4], "big")
            if length > self._bytes_limit:
                raise RemoteProtocolError(f"frame of {length} bytes is over the limit of {self._bytes_limit}")
            at += 4
            if end - at < length:
                self._lacks = length - (end - at)
                break
            messages.append(data[at : at + length])
            at += length
        if at < end:
            self._pieces.append(data[at:] if at else data)
            self._have = end - at
        return messages

    @property
    def pending_bytes(self) -> int:
        """Bytes of a frame that is not whole yet. At the end of a stream more than 0 means it was cut."""
        return self._have + 4 if self._lacks else self._have
