"""Is there room below a node's data, and may it be written? Owns nothing; asks the file systems.

A disk that fills up is best met early: while `disk_reserve_bytes` are not free, no new work is taken, and what is left
lets the work that is there be finished, checkpoints be made and logs be trimmed. The last quarter of it is for
the log and the stores themselves: a store that meets a full disk in the middle of a write must be opened anew.
"""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from shared.config import Settings

__all__ = ["DiskGuard", "keep_looking", "node_guard", "store_guard", "wait_for_room"]

_log = logging.getLogger(__name__)
_LOOK_EVERY_S = 1.0
_TELL_EVERY_S = 60.0
#: `fresh` looks again after this.
_FRESH_S = 0.2
_PROBE_NAME = ".everlog-probe"


class DiskGuard:
    """Watches the file systems below some directories; one that is not there yet counts as its nearest parent.

    Room is short while less than `reserve_bytes` are free, and then until a quarter more is: else what is freed would
    at once be taken by what waits for it.
    """

    def __init__(
        self, paths: Callable[[], Iterable[Path]], *, reserve_bytes: int, probe: bool = False, tell: bool = True
    ) -> None:
        """`probe`: make a file and remove it, as permissions and flags of a directory tell not everything. `tell`: log
        what changes."""
        self._paths = paths
        self._reserve_bytes = reserve_bytes
        self._probe = probe
        self._tell = tell
        self._short: set[Path] = set()
        self._looked_at = 0.0
        #: What was wrong at the last look, in words for people; None: nothing.
        self.trouble: str | None = None

    def look(self) -> str | None:
        """Ask anew."""
        self._looked_at = time.monotonic()
        before = self.trouble
        self.trouble = next(filter(None, map(self._trouble_of, self._paths())), None)
        if self._tell and before is None and self.trouble is not None:
            _log.warning("%s", self.trouble)
        elif self._tell and before is not None and self.trouble is None:
            _log.info("there is room on the disk again, and it can be written")
        return self.trouble

    def fresh(self) -> str | None:
        """What the last look told, if that was just now; else ask anew. Costs next to nothing."""
        if time.monotonic() - self._looked_at < _FRESH_S:
            return self.trouble
        return self.look()

    def _trouble_of(self, path: Path) -> str | None:
        if not self._reserve_bytes:
            return None
        there = _nearest(path)
        try:
            status = os.statvfs(there)
        except OSError as error:
            return f"cannot look at {there}: {error.strerror}"
        if status.f_flag & os.ST_RDONLY:
            return f"read-only: {path} cannot be written; mount its file system for writing"
        free = status.f_bavail * status.f_frsize
        kept = self._reserve_bytes + (self._reserve_bytes // 4 if path in self._short else 0)
        if free < kept:
            self._short.add(path)
            return f"disk full: {path}, free {free} bytes, want {kept} (setting disk_reserve_bytes); make room"
        self._short.discard(path)
        if status.f_files and not status.f_favail:
            return f"disk full: {path}, no file can be made any more (its file system has no inodes left); make room"
        return _probe(there) if self._probe else None


def node_guard(settings: Settings, *, tell: bool = True) -> DiskGuard:
    """For all that a node writes: whether it takes new work."""
    data = settings.data_path

    def paths() -> list[Path]:
        # Each may be a mount of its own, also each partition.
        partitions = data / "partitions"
        try:
            each = sorted(partitions.iterdir())
        except OSError:
            each = []
        return [data, data / "log", partitions, *each]

    return DiskGuard(paths, reserve_bytes=settings.disk_reserve_bytes, tell=tell)


def store_guard(settings: Settings, path: Path, *, probe: bool = True) -> DiskGuard:
    """For the store in one directory: whether it may be opened, and written to."""
    return DiskGuard(lambda: [path], reserve_bytes=settings.disk_reserve_bytes // 4, probe=probe)


async def wait_for_room(guard: DiskGuard, stopping: asyncio.Event, *, what: str) -> bool:
    """Wait until there is no trouble, and tell of it now and then. False: `stopping` was set first."""
    told_at = time.monotonic()
    while (trouble := guard.look()) is not None and not stopping.is_set():
        if time.monotonic() - told_at >= _TELL_EVERY_S:
            told_at = time.monotonic()
            _log.warning("%s waits: %s", what, trouble)
        try:
            async with asyncio.timeout(_LOOK_EVERY_S):
                await stopping.wait()
        except TimeoutError:
            pass
    return not stopping.is_set()


async def keep_looking(guard: DiskGuard) -> None:
    """Until it is cancelled."""
    while True:
        guard.look()
        await asyncio.sleep(_LOOK_EVERY_S)


def _nearest(path: Path) -> Path:
    while not path.exists() and path != path.parent:
        path = path.parent
    return path


def _probe(path: Path) -> str | None:
    file = path / _PROBE_NAME
    try:
        os.close(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600))
        # Another process may have probed the same place at the same time, and removed it.
        file.unlink(missing_ok=True)
    except OSError as error:
        return f"cannot write {path}: {error.strerror}; make it writable"
    return None
