"""How many attempts the workers of a node run, together. Owns: its counters in `run/slots`, a file that all map.

Each worker writes its own counters and reads those of the others: no lock, and nothing to clean up after one that was
killed but its own counters, which its successor does.

Rules that always hold:
- together they run no more than the limit, but for two that take the last place in the same microsecond;
- a worker may run more than its even share only while no other waits for its own: a partition that is hot gets what
  the others leave, and starves none of them.
"""

from __future__ import annotations

import mmap
import os
from pathlib import Path

from shared.errors import store_error

__all__ = ["Shares"]

_NUMBER_BYTES = 8


class Shares:
    """The Gate of worker `index` of `workers`."""

    def __init__(self, path: Path, *, index: int, workers: int, limit: int) -> None:
        assert 0 <= index < workers <= limit
        self._limit = limit
        self._share = limit // workers
        size = 2 * workers * _NUMBER_BYTES
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise store_error(f"cannot open {path}", error) from error
        try:
            # With its blocks: to write to a hole in a mapped file kills the process once the disk is full.
            os.posix_fallocate(descriptor, 0, size)
            self._map = mmap.mmap(descriptor, size)
        except OSError as error:
            raise store_error(f"cannot map {path}", error) from error
        finally:
            os.close(descriptor)
        # First how many run, by worker, then by worker whether somebody waits.
        self._numbers = memoryview(self._map).cast("q")
        self._running = self._numbers[:workers]
        self._waiting = self._numbers[workers:]
        self._index = index
        self._others = [other for other in range(workers) if other != index]
        self._running[index] = self._waiting[index] = 0

    def take(self) -> bool:
        """See `slots.Gate`."""
        running, index = self._running, self._index
        if sum(running) >= self._limit:
            return False
        mine = running[index]
        if mine >= self._share:
            for other in self._others:
                if self._waiting[other] and running[other] < self._share:
                    return False
        running[index] = mine + 1
        return True

    def give(self) -> None:
        self._running[self._index] -= 1

    def wait(self, *, on: bool) -> bool:
        self._waiting[self._index] = int(on)
        return True

    def close(self) -> None:
        """Nothing runs here any more."""
        self._running[self._index] = self._waiting[self._index] = 0
        self._running.release()
        self._waiting.release()
        self._numbers.release()
        self._map.close()
