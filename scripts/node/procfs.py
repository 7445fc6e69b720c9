"""What Linux tells in /proc about processes and ports. Every answer may be out of date at once."""

from __future__ import annotations

import os
import time
from pathlib import Path

__all__ = ["command_line", "listener_of_port", "process_age_s"]


def command_line(pid: int) -> str:
    """A process's command, '' when it is gone."""
    try:
        raw = Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return ""
    return raw.replace(b"\0", b" ").decode(errors="replace").strip()


def process_age_s(pid: int) -> float | None:
    """Seconds since a process started, None when it is gone."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    started_s = int(fields[19]) / os.sysconf("SC_CLK_TCK")
    return max(0.0, time.clock_gettime(time.CLOCK_BOOTTIME) - started_s)


def listener_of_port(port: int) -> tuple[int, str] | None:
    """(pid, command) of who listens on a TCP port; None when it is not visible to us."""
    inodes = _listening_inodes(port)
    if not inodes:
        return None
    wanted = {f"socket:[{inode}]" for inode in inodes}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            holds = any(os.readlink(link.path) in wanted for link in os.scandir(entry / "fd"))
        except OSError:
            continue
        if holds:
            return int(entry.name), command_line(int(entry.name))
    return None


def _listening_inodes(port: int) -> set[str]:
    inodes: set[str] = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        try:
            lines = Path(table).read_text().splitlines()[1:]
        except OSError:
            continue
        for line in lines:
            fields = line.split()
            if fields[3] == "0A" and int(fields[1].rpartition(":")[2], 16) == port:
                inodes.add(fields[9])
    return inodes
