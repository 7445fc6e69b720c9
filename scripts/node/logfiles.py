"""Tails of the programs' logs. Reads only; a log may be rotated or absent at any time."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

__all__ = ["LogFollower", "tail"]

_TAIL_BYTES_MAX = 256 * 1024


def tail(file: Path, lines: int) -> list[str]:
    """The last lines of a log; none when there is no such file."""
    try:
        with file.open("rb") as log:
            size = log.seek(0, os.SEEK_END)
            log.seek(max(0, size - _TAIL_BYTES_MAX))
            text = log.read().decode(errors="replace")
    except OSError:
        return []
    return text.splitlines()[-lines:] if lines else []


class LogFollower:
    """What is appended to one log after it was opened here, over rotations."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._inode, self._position = self._where()
        self._rest = b""

    def _where(self) -> tuple[int, int]:
        try:
            status = self._file.stat()
        except OSError:
            return 0, 0
        return status.st_ino, status.st_size

    def new_lines(self) -> Iterator[str]:
        """Complete lines since the last call."""
        inode, size = self._where()
        if inode != self._inode or size < self._position:
            self._inode, self._position, self._rest = inode, 0, b""
        if size <= self._position:
            return
        try:
            with self._file.open("rb") as log:
                log.seek(self._position)
                data = self._rest + log.read()
                self._position = log.tell()
        except OSError:
            return
        *lines, self._rest = data.split(b"\n")
        for line in lines:
            yield line.decode(errors="replace")
