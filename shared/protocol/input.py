"""The Input command, made and read without a protobuf object: each invocation begins with one. Pure: no I/O.

Input { repeated Header headers = 1; Value value = 14; } with Header { key = 1; value = 2; } and Value { content = 1; }.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

from shared.protocol import service_pb2 as pb
from shared.protocol.varint import varint

__all__ = ["encode_input", "input_headers", "input_payload"]

#: Clients send the same headers again and again; longer ones are not worth their memory.
_CACHED_CHARS_MAX = 256


def _encode_header(name: str, value: str) -> bytes:
    name_bytes, value_bytes = name.encode(), value.encode()
    header = b"".join((b"\x0a", varint(len(name_bytes)), name_bytes, b"\x12", varint(len(value_bytes)), value_bytes))
    return b"".join((b"\x0a", varint(len(header)), header))


_cached_header = lru_cache(maxsize=4096)(_encode_header)


def encode_input(headers: Iterable[tuple[str, str]], payload: bytes) -> bytes:
    """The message's bytes."""
    parts = [
        _cached_header(name, value) if len(value) <= _CACHED_CHARS_MAX else _encode_header(name, value)
        for name, value in headers
    ]
    length = varint(len(payload))
    parts += (b"\x72", varint(1 + len(length) + len(payload)), b"\x0a", length, payload)
    return b"".join(parts)


def input_payload(raw: bytes) -> bytes:
    """What the handler gets as its argument."""
    return pb.InputCommand.FromString(raw).value.content


def input_headers(raw: bytes) -> list[tuple[str, str]]:
    """The headers that the handler gets, in order."""
    return [(header.key, header.value) for header in pb.InputCommand.FromString(raw).headers]
