"""Whether the machine has a core to spare for a long query. Owns: nothing; reads /proc/stat."""

from __future__ import annotations

import os
import time
from pathlib import Path

__all__ = ["Crowd", "busy_seconds"]

_STAT = Path("/proc/stat")
_TICKS_A_SECOND = os.sysconf("SC_CLK_TCK")
#: Between two looks: the kernel counts in hundredths of a second.
_LOOK_S = 0.1
#: On a machine of one core, others that use less than this leave room.
_ONE_CORE_BUSY = 0.25


class Crowd:
    """Asked again and again while a query runs."""

    def __init__(self) -> None:
        cores = len(os.sched_getaffinity(0))
        self._busy_max = float(cores - 1) if cores > 1 else _ONE_CORE_BUSY
        self._at = self._busy = self._own = 0.0
        self._full = False

    def begin(self) -> None:
        """Another query is watched from now on."""
        self._at, self._busy, self._own = time.monotonic(), _busy(), time.process_time()
        self._full = False

    def is_full(self) -> bool:
        """Whether others used so much, lately, that no core was free. False until that is known, or if nobody tells."""
        now = time.monotonic()
        elapsed = now - self._at
        if elapsed >= _LOOK_S:
            busy, own = _busy(), time.process_time()
            others = busy - self._busy - (own - self._own)
            self._full = others / elapsed > self._busy_max
            self._at, self._busy, self._own = now, busy, own
        return self._full


def busy_seconds(stat: str) -> float:
    """CPU time of the whole machine that was used, in seconds, out of the text of /proc/stat (proc(5)): user, nice,
    system, irq and softirq, without what a host gave to others."""
    fields = stat.split("\n", 1)[0].split()
    return sum(int(fields[place]) for place in (1, 2, 3, 6, 7)) / _TICKS_A_SECOND


def _busy() -> float:
    try:
        return busy_seconds(_STAT.read_text())
    except OSError:
        return 0.0
