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
        self._pieces: list[bytes] = []
        self._have = 0
        self._need = 4

    def feed(self, data: bytes) -> list[bytes]:
        """Messages that `data` completes, in order. Raises RemoteProtocolError for a length over the limit."""
        if self._pieces:
            # Join only when a whole frame is there: a large frame arrives in many small pieces.
            self._pieces.append(data)
            self._have += len(data)
            if self._have < self._need:
                return []
            data = b"".join(self._pieces)
            self._pieces.clear()
        messages: list[bytes] = []
        at, end = 0, len(data)
        self._need = 4
        while end - at >= 4:
            length = int.from_bytes(data[at : at + 4], "big")
            if length > self._bytes_limit:
                raise RemoteProtocolError(f"frame of {length} bytes is over the limit of {self._bytes_limit}")
            if end - at - 4 < length:
                self._need = length + 4
                break
            messages.append(data[at + 4 : at + 4 + length])
            at += 4 + length
        if at < end:
            self._pieces.append(data[at:] if at else data)
        self._have = end - at
        return messages

    @property
    def pending_bytes(self) -> int:
        """Bytes of a frame that is not whole yet. At the end of a stream more than 0 means it was cut."""
        return self._have
