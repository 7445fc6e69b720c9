"""HTTP/2 frames to bytes and back: layout, numbers, error codes (RFC 9113 sections 4, 6 and 7).

Pure: no I/O.

Rules that always hold: a frame never leaves the reader incomplete; bytes are kept in order; no frame of more
than `FRAME_BYTES_MAX` of payload is ever held.
"""

from struct import Struct
from typing import Final, TypeAlias

__all__ = [
    "Frame",
    "FrameReader",
    "error_name",
    "frame",
    "frame_header",
    "goaway",
    "rst_stream",
    "settings",
    "window_update",
]

#: (type, flags, stream id without the reserved bit, payload)
Frame: TypeAlias = tuple[int, int, int, bytes]

#: RFC 9113 section 3.4: what a client sends before its first frame.
PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
FRAME_HEADER_BYTES: Final = 9
#: The largest payload we take: SETTINGS_MAX_FRAME_SIZE stays at its initial value (section 6.5.2).
FRAME_BYTES_MAX: Final = 16_384
#: The largest flow-control window (section 6.9.1), and the largest stream id (section 5.1.1).
WINDOW_MAX: Final = 0x7FFF_FFFF
STREAM_ID_MAX: Final = 0x7FFF_FFFF

# Frame types, section 6.
DATA: Final = 0
HEADERS: Final = 1
PRIORITY: Final = 2
RST_STREAM: Final = 3
SETTINGS: Final = 4
PUSH_PROMISE: Final = 5
PING: Final = 6
GOAWAY: Final = 7
WINDOW_UPDATE: Final = 8
CONTINUATION: Final = 9

# Flags.
END_STREAM: Final = 0x1
ACK: Final = 0x1
END_HEADERS: Final = 0x4
PADDED: Final = 0x8
PRIORITY_FLAG: Final = 0x20

# Error codes, section 7.
NO_ERROR: Final = 0x0
PROTOCOL_ERROR: Final = 0x1
INTERNAL_ERROR: Final = 0x2
FLOW_CONTROL_ERROR: Final = 0x3
SETTINGS_TIMEOUT: Final = 0x4
STREAM_CLOSED: Final = 0x5
FRAME_SIZE_ERROR: Final = 0x6
REFUSED_STREAM: Final = 0x7
CANCEL: Final = 0x8
COMPRESSION_ERROR: Final = 0x9
CONNECT_ERROR: Final = 0xA
ENHANCE_YOUR_CALM: Final = 0xB
INADEQUATE_SECURITY: Final = 0xC
HTTP_1_1_REQUIRED: Final = 0xD

_ERROR_NAMES: Final = (
    "NO_ERROR",
    "PROTOCOL_ERROR",
    "INTERNAL_ERROR",
    "FLOW_CONTROL_ERROR",
    "SETTINGS_TIMEOUT",
    "STREAM_CLOSED",
    "FRAME_SIZE_ERROR",
    "REFUSED_STREAM",
    "CANCEL",
    "COMPRESSION_ERROR",
    "CONNECT_ERROR",
    "ENHANCE_YOUR_CALM",
    "INADEQUATE_SECURITY",
    "HTTP_1_1_REQUIRED",
)

# The 24-bit length is read as 8 + 16 bits, so that one unpack gives a whole frame header.
_HEADER: Final = Struct(">BHBBI")
_SETTING: Final = Struct(">HI")
_pack_header = _HEADER.pack
_unpack_header = _HEADER.unpack_from


def error_name(code: int) -> str:
    """Name of an error code; unknown ones are legal and shown as hexadecimal (section 7)."""
    return _ERROR_NAMES[code] if code < len(_ERROR_NAMES) else f"error 0x{code:x}"


def frame_header(size: int, kind: int, flags: int, stream_id: int) -> bytes:
    """The 9 bytes before a payload of `size` bytes."""
    return _pack_header(size >> 16, size & 0xFFFF, kind, flags, stream_id)


def frame(kind: int, flags: int, stream_id: int, payload: bytes = b"") -> bytes:
    """One whole frame."""
    return frame_header(len(payload), kind, flags, stream_id) + payload


def settings(pairs: dict[int, int]) -> bytes:
    """A SETTINGS frame with these values (section 6.5)."""
    return frame(SETTINGS, 0, 0, b"".join(_SETTING.pack(key, value) for key, value in pairs.items()))


def window_update(stream_id: int, increment: int) -> bytes:
    """A WINDOW_UPDATE frame (section 6.9); stream id 0 means the connection."""
    assert 0 < increment <= WINDOW_MAX
    return frame(WINDOW_UPDATE, 0, stream_id, increment.to_bytes(4, "big"))


def rst_stream(stream_id: int, code: int) -> bytes:
    """A RST_STREAM frame (section 6.4)."""
    return frame(RST_STREAM, 0, stream_id, code.to_bytes(4, "big"))


def goaway(code: int, debug: str = "") -> bytes:
    """A GOAWAY frame (section 6.8). A client without server push has processed no stream of the peer."""
    return frame(GOAWAY, 0, 0, bytes(4) + code.to_bytes(4, "big") + debug.encode()[:1024])


class FrameReader:
    """Cuts a byte stream into frames, wherever the reads happen to be split."""

    __slots__ = ("oversized", "tail")

    def __init__(self) -> None:
        #: Bytes of a frame not yet complete.
        self.tail = b""
        #: Length of a frame beyond `FRAME_BYTES_MAX`, else 0. Nothing after it can be read.
        self.oversized = 0

    def feed(self, data: bytes) -> list[Frame]:
        """Frames completed by `data`. On an oversized frame, those before it; then see `oversized`."""
        if self.tail:
            data = self.tail + data
        frames: list[Frame] = []
        at = 0
        size = len(data)
        while size - at >= FRAME_HEADER_BYTES:
            high, length, kind, flags, stream_id = _unpack_header(data, at)
            if high or length > FRAME_BYTES_MAX:
                self.oversized = high << 16 | length
                break
            start = at + FRAME_HEADER_BYTES
            end = start + length
            if end > size:
                break
            frames.append((kind, flags, stream_id & STREAM_ID_MAX, data[start:end]))
            at = end
        self.tail = data[at:] if at < size else b""
        return frames
