"""A message around a large value, read without a protobuf object, which copies it once more. Pure: no I/O.

SetStateCommand { bytes key = 1; Value value = 3; string name = 12; } with Value { content = 1; }. What is read is only
what every SDK writes: each field once, no others.
"""

from __future__ import annotations

__all__ = ["LARGE_BYTES", "split_set_state"]

#: A message over this is worth it.
LARGE_BYTES = 16 * 1024

_KEY = 0x0A
_VALUE = 0x1A
_NAME = 0x62
_CONTENT = 0x0A


def split_set_state(raw: bytes) -> tuple[bytes, int, int] | None:
    """(key, where the content begins, its size) of a SetStateCommand. None: protobuf is to read it."""
    key: bytes | None = None
    content: tuple[int, int] | None = None
    named = False
    at = 0
    while at < len(raw):
        tag = raw[at]
        head = _length(raw, at + 1)
        if head is None:
            return None
        start, size = head
        end = start + size
        if end > len(raw):
            return None
        if tag == _KEY and key is None:
            key = raw[start:end]
        elif tag == _VALUE and content is None:
            inner = _length(raw, start + 1)
            if not size or raw[start] != _CONTENT or inner is None or inner[0] + inner[1] != end:
                return None
            content = inner
        elif tag == _NAME and not named and raw[start:end].isascii():
            named = True
        else:
            return None
        at = end
    return None if key is None or content is None else (key, content[0], content[1])


def _length(raw: bytes, at: int) -> tuple[int, int] | None:
    """Where what follows a length begins, and that length."""
    size = shift = 0
    while at < len(raw) and shift < 35:
        byte = raw[at]
        at += 1
        size |= (byte & 127) << shift
        if byte < 128:
            return at, size
        shift += 7
    return None
