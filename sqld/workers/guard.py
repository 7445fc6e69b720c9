"""Watches over a running query from beside it: its priority, its pace and its memory. Owns: the priority of this
process's threads, and of its session.

Linux shares the processor out among sessions first, where it has autogroups, and by niceness within each session only:
a scan at niceness 10 in the session of the node took a third of a core from services, which run in one of their own.
So a worker has a session, and both the niceness of its threads and that of the session say that others come first.
Where others leave a core idle between their steps, priority alone does not help: a scan that takes those moments is in
the way of the next step. So while no core is free, a long query also rests most of the time (`Pace`).
"""

from __future__ import annotations

import contextlib
import logging
import os
import threading
import time
from pathlib import Path

from sqld.engine.pace import Pace
from sqld.workers.crowd import Crowd
from sqld.workers.protocol import EXIT_MEMORY

__all__ = ["Guard"]

_log = logging.getLogger(__name__)
#: A query that runs longer gives way to everything else of the node.
_QUICK_S = 0.02
#: From here on its session does so too. Linux lets those that are not root change that every 0.1 s.
_LONG_S = 0.1
#: Under full load a thread of this niceness has a tenth of what one of niceness 0 gets (Linux: weights 110 and 1024).
_NICE = 10
_SESSION = Path("/proc/self/autogroup")
_INTERVAL_S = 0.02
#: What a query takes beside DataFusion's pool: rows on their way, and what the stores wrote since they were read last.
_MEMORY_BESIDE = 256 * 1024 * 1024
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


class Guard:
    """Called by the process's main thread, whose own priority never changes: new threads begin with it.

    Niceness can only be raised, so a thread that ran a long query is replaced before the next one; a niceness of the
    whole process would make the next look-up wait behind the load.
    """

    def __init__(self, memory_bytes: int, pace: Pace) -> None:
        self._pace = pace
        self._crowd = Crowd()
        self._memory_bytes = memory_bytes + _MEMORY_BESIDE
        self._lowered = False
        self._long = False
        self._session = _Session()
        self._hurries = False
        self._limit = 0
        #: How often `watch` wants to be called while a request runs.
        self.interval_s = _INTERVAL_S

    def begin(self) -> bool:
        """A request begins. True: the last one was long, its thread is to be replaced."""
        lowered, self._lowered = self._lowered, False
        self._long = False
        self._pace.gives_way = False
        self._session.be(0)
        self._limit = _anonymous_bytes() + self._memory_bytes
        return lowered

    def hurry(self) -> None:
        """Long queries are waited for now."""
        self._hurries = True
        self._pace.gives_way = False
        self._session.be(0)

    def watch(self, began: float) -> None:
        """A request runs since `began` (0.0: it does not any more)."""
        if not began:
            return
        if not self._lowered and time.monotonic() - began > _QUICK_S:
            self._lowered = True
            _lower_others()
            self._crowd.begin()
        self._long = self._long or time.monotonic() - began > _LONG_S
        gives_way = self._long and not self._hurries
        self._session.be(_NICE if gives_way else 0)
        self._pace.gives_way = gives_way and self._crowd.is_full()
        if self._limit and _anonymous_bytes() > self._limit:
            _log.error("a query needs more than %d MB: this process ends", self._memory_bytes >> 20)
            os._exit(EXIT_MEMORY)


class _Session:
    """The niceness of the process's session, which can be raised and taken back."""

    def __init__(self) -> None:
        self._niceness = 0

    def be(self, niceness: int) -> None:
        """Where the kernel says that it is too soon, the next call tries again."""
        if niceness == self._niceness:
            return
        try:
            _SESSION.write_text(str(niceness))
        except BlockingIOError:
            return
        except OSError:
            # There are no autogroups: niceness of threads counts everywhere.
            pass
        self._niceness = niceness


def _lower_others() -> None:
    """All threads but this one."""
    mine = threading.get_native_id()
    try:
        threads = [int(path.name) for path in Path("/proc/self/task").iterdir()]
    except OSError:
        # Not Linux: there niceness is the process's, and could not be taken back.
        return
    for thread in threads:
        if thread != mine:
            with contextlib.suppress(OSError):
                os.setpriority(os.PRIO_PROCESS, thread, _NICE)


def _anonymous_bytes() -> int:
    """Memory that is this process's alone; 0 where that is not told."""
    try:
        # Of each query: a Path takes three times as long.
        with open("/proc/self/statm", "rb", buffering=0) as file:
            fields = file.read().split()
    except OSError:
        return 0
    return (int(fields[1]) - int(fields[2])) * _PAGE_BYTES
