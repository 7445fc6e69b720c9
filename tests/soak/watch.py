"""Disk and memory of a node, sample by sample. Reads only."""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from pathlib import Path

from scripts.node.readiness import socket_peer

__all__ = ["Sample", "sample"]


@dataclass(frozen=True, slots=True)
class Sample:
    """One moment. Sizes in MB, on disk and resident."""

    seconds: float
    calls: int
    disk: dict[str, float]
    memory: dict[str, float]


def sample(data_dir: Path, *, seconds: float, calls: int) -> Sample:
    """As it is now; a program that is just dead is not in it."""
    disk = {name: _size_mb(data_dir / name) for name in ("log", "partitions", "logs")}
    pids = {path.stem: socket_peer(path) for path in sorted((data_dir / "run").glob("*.sock"))}
    memory = {name: _resident_mb(pid) for name, pid in pids.items() if pid is not None and name != "supervisor"}
    return Sample(seconds, calls, disk, memory)


def _size_mb(folder: Path) -> float:
    total = 0
    for where, _, files in os.walk(folder):
        for name in files:
            with contextlib.suppress(OSError):
                total += os.stat(os.path.join(where, name)).st_blocks * 512
    return total / 1e6


def _resident_mb(pid: int) -> float:
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) / 1000
    return 0.0
