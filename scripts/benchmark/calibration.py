"""How fast this machine runs Python and system calls just now: a fixed piece of work, in seconds of CPU.

What a call costs, divided by this, can be compared between machines, and between a machine that is hot and the same
one that is not: both grow alike. It is done beside the load, not before it: where two threads share a core, both are
slower while both run. Do not change the work: every stored baseline is in its terms. Owns: a thread.
"""

from __future__ import annotations

import socket
import statistics
import struct
import threading
import time

__all__ = ["Calibrator", "calibrate"]

_COMPUTE_ROUNDS = 40_000
_CALL_ROUNDS = 12_000
_PACKED = struct.Struct(">QHHI")
_TABLE_SIZE = 1024
#: When it is done, as parts of the load's time: seldom enough to take nothing from it.
_MOMENTS = (0.2, 0.5, 0.8)


class Calibrator:
    """Calibrates a few times beside a load of `seconds`."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._found: list[float] = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        """Together with the load."""
        self._thread.start()

    def result(self) -> float | None:
        """Seconds of CPU, the median; None when the load ended before the first."""
        self._stop.set()
        self._thread.join()
        return statistics.median(self._found) if self._found else None

    def _run(self) -> None:
        began = time.monotonic()
        for moment in _MOMENTS:
            if self._stop.wait(max(0.0, began + moment * self._seconds - time.monotonic())):
                return
            self._found.append(calibrate())


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
