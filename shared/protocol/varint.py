"""Numbers as protobuf writes them, for messages that are made by hand on the way of each call. Pure: no I/O."""

from __future__ import annotations

__all__ = ["varint"]

_SMALL = [bytes([number]) for number in range(128)]


def varint(value: int) -> bytes:
    """`value` >= 0, seven bits a byte, the lowest first."""
    if value < 128:
        return _SMALL[value]
    out = bytearray()
    while value >= 128:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)
