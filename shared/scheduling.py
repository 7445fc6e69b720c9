"""How Linux shares the processor among our processes and the others. Owns: the slice of the calling thread.

A process that is woken has to wait until the one that runs has used up its slice, 3 ms where nobody says otherwise.
For one that all others wait for, and which never runs for long, that is most of what it takes to answer on a machine
that is busy. With a shorter slice of its own it comes first when it wakes, and gets no more of the processor for that
(Linux 6.12 and newer: EEVDF takes the slice as the wish for latency; older ones take no notice).
"""

from __future__ import annotations

import ctypes
import os
import platform
import struct

__all__ = ["shorten_slice"]

#: Numbers of the system call sched_setattr(2), which no library has.
_SCHED_SETATTR = {"x86_64": 314, "aarch64": 274}
#: struct sched_attr, first version: size, policy, flags, nice, priority; runtime (the slice), deadline, period in ns.
_ATTRIBUTES = struct.Struct("=IIQiIQQQ")


def shorten_slice(slice_ns: int) -> bool:
    """For the calling thread, and those that it starts later. False: this system has no such thing, or an operator
    chose another policy for us; then nothing is changed."""
    number = _SCHED_SETATTR.get(platform.machine())
    if platform.system() != "Linux" or number is None or os.sched_getscheduler(0) != os.SCHED_OTHER:
        return False
    # A call without it would take back what `nice` gave us.
    niceness = os.getpriority(os.PRIO_PROCESS, 0)
    attributes = _ATTRIBUTES.pack(_ATTRIBUTES.size, os.SCHED_OTHER, 0, niceness, 0, slice_ns, 0, 0)
    return bool(ctypes.CDLL(None).syscall(number, 0, attributes, 0) == 0)
