"""How fast this machine runs Python and system calls just now: a fixed piece of work, in seconds of CPU.

What a call costs, divided by this, can be compared between machines, and between a machine that is hot and the same
one that is not: both grow alike. Do not change the work: every stored baseline is in its terms.
"""

from __future__ import annotations

import socket
import struct
import time

__all__ = ["calibrate"]

_COMPUTE_ROUNDS = 40_000
_CALL_ROUNDS = 12_000
_PACKED = struct.Struct(">QHHI")
_TABLE_SIZE = 1024


def calibrate() -> float:
    """Do the work once; the CPU time of this thread, user and system."""
    left, right = socket.socketpair()
    try:
        began = time.thread_time()
        _compute()
        _call(left, right)
        return time.thread_time() - began
    finally:
        left.close()
        right.close()


def _compute() -> int:
    """What daemons do all day: pack, unpack, look up, make small objects."""
    table: dict[bytes, tuple[int, ...]] = {}
    total = 0
    for number in range(_COMPUTE_ROUNDS):
        packed = _PACKED.pack(number, number & 0xFFF, number & 0xFF, number)
        table[packed[6:10]] = fields = _PACKED.unpack(packed)
        total += fields[1] + len([field for field in fields if field])
        if len(table) > _TABLE_SIZE:
            table.clear()
    return total


def _call(left: socket.socket, right: socket.socket) -> None:
    """What they do besides: bytes to a socket and out of it."""
    data = bytes(256)
    for _ in range(_CALL_ROUNDS):
        left.send(data)
        right.recv(1024)
