"""CPU and memory of process trees, and of the machine. Owns: nothing; reads /proc."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

__all__ = [
    "Memory",
    "Process",
    "cpu_seconds",
    "disk_flushes",
    "machine_busy_seconds",
    "members",
    "memory",
    "parse_flushes",
    "parse_stat",
    "read_process",
    "tree_of",
]

_TICKS_A_SECOND = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Process:
    """One line of /proc/<pid>/stat. A pid and `started` together name a process for ever."""

    pid: int
    state: str
    parent: int
    session: int
    #: User and system time of the process and of its children that ended and were waited for.
    ticks: int
    started: int
    threads: int = 1


@dataclass(frozen=True, slots=True)
class Memory:
    """Of a whole tree: PSS shares a page among those that map it, RSS counts it for each."""

    pss_mb: float
    rss_mb: float
    processes: int


def parse_stat(text: str) -> Process:
    """The command is in parentheses and may itself hold parentheses and spaces."""
    pid = int(text.partition(" ")[0])
    fields = text.rpartition(")")[2].split()
    # proc(5) numbers the fields from 1; `fields` begins with the third, state. 14-17: utime stime cutime cstime.
    ticks = sum(int(field) for field in fields[11:15])
    return Process(pid, fields[0], int(fields[1]), int(fields[3]), ticks, int(fields[19]), int(fields[17]))


def read_process(pid: int) -> Process | None:
    """A process as it is now; None when it is gone."""
    try:
        return parse_stat(Path(f"/proc/{pid}/stat").read_text(errors="replace"))
    except (OSError, IndexError):
        return None


def members(processes: Mapping[int, Process], root: int) -> list[Process]:
    """The root, all its descendants, and all of its session when it leads one (whose parents may have ended)."""

    def belongs(process: Process) -> bool:
        seen: set[int] = set()
        current: Process | None = process
        while current is not None and current.pid not in seen:
            if current.pid == root or current.session == root:
                return True
            seen.add(current.pid)
            current = processes.get(current.parent)
        return False

    return [process for process in processes.values() if belongs(process)]


def tree_of(root: int) -> list[Process]:
    """The process tree as it is now."""
    found = (read_process(int(entry.name)) for entry in os.scandir("/proc") if entry.name.isdigit())
    return members({process.pid: process for process in found if process is not None}, root)


def cpu_seconds(root: int) -> float:
    """User and system time that the tree has used until now, its ended children included."""
    return sum(process.ticks for process in tree_of(root)) / _TICKS_A_SECOND


def memory(root: int) -> Memory:
    """PSS and RSS of the tree, as the kernel sums them up in smaps_rollup."""
    pss_kb = rss_kb = count = 0
    for process in tree_of(root):
        try:
            text = Path(f"/proc/{process.pid}/smaps_rollup").read_text()
        except OSError:
            continue
        sizes = _rollup(text.splitlines())
        pss_kb += sizes.get("Pss", 0)
        rss_kb += sizes.get("Rss", 0)
        count += 1
    return Memory(pss_kb / 1024, rss_kb / 1024, count)


def _rollup(lines: Iterable[str]) -> dict[str, int]:
    fields = (line.split() for line in lines)
    return {field[0].rstrip(":"): int(field[1]) for field in fields if len(field) == 3 and field[2] == "kB"}


def machine_busy_seconds() -> float:
    """CPU time that the whole machine has used since boot, stolen time included: it is missing here too."""
    with open("/proc/stat") as file:
        # user nice system idle iowait irq softirq steal
        user, nice, system, _idle, _iowait, *rest = (int(field) for field in file.readline().split()[1:9])
    return (user + nice + system + sum(rest)) / _TICKS_A_SECOND


def disk_flushes(path: Path) -> int | None:
    """Cache flushes done by the block device under `path` since boot; None when the kernel does not count them."""
    device = path.stat().st_dev
    try:
        return parse_flushes(Path("/proc/diskstats").read_text(), major=os.major(device), minor=os.minor(device))
    except OSError:
        return None


def parse_flushes(text: str, *, major: int, minor: int) -> int | None:
    """Field 18 of the device's line (Linux 5.5 and later)."""
    for line in text.splitlines():
        fields = line.split()
        if fields[:2] == [str(major), str(minor)]:
            return int(fields[18]) if len(fields) > 18 else None
    return None
