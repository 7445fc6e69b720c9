"""Is data synced? What can be checked from outside. Owns: the perf process.

Neither side is believed: their calls of fsync are counted by the kernel (perf, where it may), the disk's flushes too,
and a file system that only lives in memory is refused, as a sync costs nothing there.
"""

from __future__ import annotations

import os
import shutil
import signal
import statistics
import subprocess
import time
from collections.abc import Iterable
from pathlib import Path

from scripts.benchmark.usage import tree_of
from shared.errors import ConfigError

__all__ = ["SyncCount", "check_disk", "file_system", "parse_perf", "sync_cost_ms"]

_IN_MEMORY = ("tmpfs", "ramfs")
_ATTACHED_WITHIN_S = 0.2
_EVENTS = ("fsync", "fdatasync", "sync_file_range", "msync")


def file_system(path: Path, mounts: str) -> str:
    """The type of the file system that `path` (absolute, resolved) is on, from the text of /proc/mounts."""
    found = ("", "unknown")
    for line in mounts.splitlines():
        _device, point, kind, *_ = line.split(" ")
        inside = path == Path(point) or Path(point) in path.parents
        if inside and len(point) >= len(found[0]):
            found = (point, kind)
    return found[1]


def check_disk(path: Path) -> str:
    """The type of the file system under `path`. Raises ConfigError when it is one in memory."""
    kind = file_system(path.resolve(), Path("/proc/mounts").read_text())
    if kind in _IN_MEMORY:
        raise ConfigError(f"{path} is on {kind}, where a sync costs nothing: choose a disk with --work-dir")
    return kind


def sync_cost_ms(folder: Path, *, count: int = 50) -> float:
    """Median of one fdatasync after an append of 4 KB: what a runtime pays at least for a call that is alone."""
    times = []
    path = folder / "sync-cost"
    descriptor = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o600)
    try:
        for _ in range(count):
            os.write(descriptor, b"x" * 4096)
            began = time.perf_counter()
            os.fdatasync(descriptor)
            times.append(time.perf_counter() - began)
    finally:
        os.close(descriptor)
        path.unlink()
    return statistics.median(times) * 1e3


class SyncCount:
    """Counts a tree's calls of fsync and its like by perf, until it is asked. It costs: use it in a warm-up."""

    def __init__(self, root: int) -> None:
        self._perf: subprocess.Popen[str] | None = None
        program = shutil.which("perf")
        if program is None:
            return
        events = ",".join(f"syscalls:sys_enter_{name}" for name in _EVENTS)
        pids = ",".join(str(process.pid) for process in tree_of(root))
        self._perf = subprocess.Popen(
            [program, "stat", "-x", ";", "-e", events, "-p", pids],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        # What is called until it has attached is not counted, and nothing tells when it has.
        time.sleep(_ATTACHED_WITHIN_S)

    def result(self) -> int | None:
        """Calls until now; None when perf is not there or may not count."""
        if self._perf is None:
            return None
        try:
            self._perf.send_signal(signal.SIGINT)
            _, output = self._perf.communicate(timeout=5.0)
        except subprocess.TimeoutExpired:
            return None
        finally:
            self.end()
        return parse_perf(output.splitlines())

    def end(self) -> None:
        """Stop counting, however it stands."""
        if self._perf is not None and self._perf.poll() is None:
            self._perf.kill()
            self._perf.communicate()


def parse_perf(lines: Iterable[str]) -> int | None:
    """The sum over all events of `perf stat -x ';'`; None when not one was counted."""
    counts = []
    for line in lines:
        fields = line.split(";")
        if len(fields) > 2 and "sys_enter" in fields[2] and fields[0].isdigit():
            counts.append(int(fields[0]))
    return sum(counts) if counts else None
