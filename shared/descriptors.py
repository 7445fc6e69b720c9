"""File descriptors: how many this process may have, and whether it has run out of them. Owns: the process's soft limit.

A process without any left cannot accept, connect, or open a file of its store. What it has keeps working, and the loop
closes at once what it cannot accept; nobody but the process itself can tell why.
"""

from __future__ import annotations

import errno
import logging
import os
import resource
import time

__all__ = ["FEW", "DescriptorWatch", "allow_many", "clients_max", "descriptors_max", "shortage", "store_files_max"]

_log = logging.getLogger(__name__)
#: No more is asked for: some programs of a machine look through all they may have.
_WANTED = 65536
#: Fewer than this, and a node may run out under load.
FEW = 4096
#: RocksDB keeps all its files open, as it likes to, when there is room for so many.
_STORE_FILES = 4096
_STORE_FILES_MIN = 16
_TELL_EVERY_S = 10.0


def descriptors_max() -> int:
    """How many this process may have."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return _WANTED if soft == resource.RLIM_INFINITY else soft


def allow_many() -> int:
    """Raise the soft limit as far as it goes; returns it. What this process starts has it too."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _WANTED if hard == resource.RLIM_INFINITY else min(hard, _WANTED)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    return descriptors_max()


def clients_max(*, others: int = 0) -> int:
    """Connections of clients that a server takes; the rest is for its own needs, and so many other sockets."""
    limit = descriptors_max()
    return max(16, limit - max(64, limit // 16) - others)


def store_files_max(stores: int) -> int:
    """Open files of each of so many stores of this process: half of what it may have is for sockets. -1: all."""
    each = descriptors_max() // 2 // max(1, stores)
    return -1 if each >= _STORE_FILES else max(_STORE_FILES_MIN, each)


def shortage(reason: str) -> str:
    """Why a connection failed, and if no descriptor is left, that: without one the resolver knows no host."""
    if "Too many open files" in reason or _one_is_left():
        return reason
    return f"{reason} (Too many open files: no descriptor is left, see ulimit -n)"


class DescriptorWatch:
    """Looks now and then whether one is left, and tells of it, though not every time."""

    def __init__(self) -> None:
        self._tell_at = 0.0
        #: There was none at the last look.
        self.exhausted = False

    def look(self) -> None:
        before, self.exhausted = self.exhausted, not _one_is_left()
        now = time.monotonic()
        if self.exhausted and now >= self._tell_at:
            self._tell_at = now + _TELL_EVERY_S
            _log.error(
                "out of file descriptors: all %d are in use, so new connections are closed and files cannot be opened "
                "until some are given back; raise the limit (ulimit -n)",
                descriptors_max(),
            )
        elif before and not self.exhausted:
            self._tell_at = 0.0
            _log.info("there are file descriptors again")


def _one_is_left() -> bool:
    try:
        os.close(os.dup(0))
    except OSError as error:
        if error.errno in (errno.EMFILE, errno.ENFILE):
            return False
    return True
