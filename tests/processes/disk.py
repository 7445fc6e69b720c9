"""A small disk for a node alone: filled and emptied, made read-only and writable again. Needs the right to mount."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

__all__ = ["Disk", "read_only", "small_disk"]

_CHUNK = b"\0" * (1024 * 1024)


class Disk:
    """A tmpfs. `ballast` takes room away from whoever else writes to it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._ballast = path / "ballast"

    @property
    def free_bytes(self) -> int:
        status = os.statvfs(self.path)
        return status.f_bavail * status.f_frsize

    def fill(self, *, leave_bytes: int = 0) -> None:
        """Take all but so many bytes."""
        with self._ballast.open("ab", buffering=0) as out, contextlib.suppress(OSError):
            while (room := self.free_bytes - leave_bytes) > 0:
                out.write(_CHUNK[:room])

    def clear(self) -> None:
        """Give back what was taken."""
        self._ballast.unlink(missing_ok=True)


def _mount(*words: str) -> None:
    try:
        subprocess.run(["mount", *words], check=True, capture_output=True, text=True, timeout=10)
    except (OSError, subprocess.CalledProcessError) as error:
        detail = getattr(error, "stderr", "") or str(error)
        pytest.skip(f"no right to mount: {detail.strip()}")


def _unmount(path: Path) -> None:
    subprocess.run(["umount", "-l", str(path)], check=True, capture_output=True, timeout=10)


@contextlib.contextmanager
def small_disk(path: Path, *, size_bytes: int) -> Iterator[Disk]:
    """A disk mounted at `path`. Skips the test where nothing may be mounted."""
    path.mkdir(parents=True, exist_ok=True)
    _mount("-t", "tmpfs", "-o", f"size={size_bytes},mode=0700", "none", str(path))
    try:
        yield Disk(path)
    finally:
        _unmount(path)


@contextlib.contextmanager
def read_only(path: Path) -> Iterator[None]:
    """Whoever opens files below `path` from here on can only read them; who has them open goes on writing."""
    _mount("--bind", str(path), str(path))
    try:
        _mount("-o", "remount,ro,bind", str(path))
        yield
    finally:
        _unmount(path)
