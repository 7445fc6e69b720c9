"""Frames that steer: SETTINGS, WINDOW_UPDATE, PING, GOAWAY, RST_STREAM, PRIORITY (RFC 9113 section 6). Pure: no I/O."""

from __future__ import annotations

from struct import Struct
from typing import Final

from partitiond.ingress.http2.faults import ConnectionFault
from partitiond.invoker.http2 import frames as f

__all__ = ["decode_goaway", "decode_reset", "decode_settings", "decode_window_update", "encode_goaway"]

_PAIR: Final = Struct(">HI")
# Identifiers, section 6.5.2.
MAX_CONCURRENT_STREAMS: Final = 0x3
ENABLE_PUSH: Final = 0x2
INITIAL_WINDOW_SIZE: Final = 0x4
MAX_FRAME_SIZE: Final = 0x5
MAX_HEADER_LIST_SIZE: Final = 0x6


def decode_settings(payload: bytes) -> list[tuple[int, int]]:
    """(identifier, value) in order, unknown ones too. Raises ConnectionFault."""
    if len(payload) % _PAIR.size:
        raise ConnectionFault(f.FRAME_SIZE_ERROR, f"SETTINGS of {len(payload)} bytes")
    pairs = list(_PAIR.iter_unpack(payload))
    for key, value in pairs:
        if key == ENABLE_PUSH and value > 1:
            raise ConnectionFault(f.PROTOCOL_ERROR, f"SETTINGS_ENABLE_PUSH {value}")
        if key == INITIAL_WINDOW_SIZE and value > f.WINDOW_MAX:
            raise ConnectionFault(f.FLOW_CONTROL_ERROR, f"SETTINGS_INITIAL_WINDOW_SIZE {value}")
        if key == MAX_FRAME_SIZE and not f.FRAME_BYTES_MAX <= value <= 0xFF_FFFF:
            raise ConnectionFault(f.PROTOCOL_ERROR, f"SETTINGS_MAX_FRAME_SIZE {value}")
    return pairs


def decode_window_update(payload: bytes) -> int:
    """The increment; 0 is a fault of the stream or of the connection, for the caller to tell."""
    if len(payload) != 4:
        raise ConnectionFault(f.FRAME_SIZE_ERROR, f"WINDOW_UPDATE of {len(payload)} bytes")
    return int.from_bytes(payload, "big") & f.WINDOW_MAX


def decode_reset(payload: bytes) -> int:
    """The error code of RST_STREAM."""
    if len(payload) != 4:
        raise ConnectionFault(f.FRAME_SIZE_ERROR, f"RST_STREAM of {len(payload)} bytes")
    return int.from_bytes(payload, "big")


def decode_goaway(payload: bytes) -> int:
    """The error code of GOAWAY; the client will open no more streams."""
    if len(payload) < 8:
        raise ConnectionFault(f.FRAME_SIZE_ERROR, f"GOAWAY of {len(payload)} bytes")
    return int.from_bytes(payload[4:8], "big")


def encode_goaway(last_stream_id: int, code: int, debug: str = "") -> bytes:
    """Streams above `last_stream_id` were not looked at: the client may send their requests elsewhere."""
    payload = last_stream_id.to_bytes(4, "big") + code.to_bytes(4, "big") + debug.encode("utf-8", "replace")[:1024]
    return f.frame(f.GOAWAY, 0, 0, payload)
