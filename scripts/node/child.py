"""What a child of a node does before it is anything else. Owns: nothing; all of it is about this process."""

from __future__ import annotations

import ctypes
import fcntl
import os
import signal
import sys

from scripts.node.conf import checkout_path
from shared.signals import ENDING

__all__ = ["begin_program", "end_with_parent", "import_as_a_program", "put_aside"]

_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None)
#: The lock's descriptor in supervisord and the programs: over supervisord's `minfds`, up to which it closes all.
_LOCK_DESCRIPTOR_MIN = 100


def begin_program(supervisord: int) -> None:
    """In the fork, before it is a program: it ends with supervisord, and when it is told to.

    Signals wait since before the fork, see `signals_wait`: supervisord's handlers are still here, and would take them.
    """
    for number in ENDING:
        signal.signal(number, signal.SIG_DFL)
    end_with_parent(supervisord, signal.SIGTERM)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDING)


def end_with_parent(parent: int, number: signal.Signals) -> None:
    """The kernel sends this signal to this process when its parent dies. Exits if it has died before."""
    _libc.prctl(_PR_SET_PDEATHSIG, number)
    if os.getppid() != parent:
        sys.exit("the process that started this one is gone")


def import_as_a_program() -> None:
    """Programs import what a `python -P` would: from nowhere near a script or the working directory. Once a process."""
    if not sys.flags.safe_path:
        del sys.path[0]
    path = checkout_path()
    if path is not None:
        os.environ["PYTHONPATH"] = path
        sys.path[:0] = path.split(os.pathsep)[:1]


def put_aside(lock: int) -> int:
    """The node's lock by a descriptor that supervisord does not close before it starts a program."""
    descriptor = fcntl.fcntl(lock, fcntl.F_DUPFD, _LOCK_DESCRIPTOR_MIN)
    os.close(lock)
    return descriptor
