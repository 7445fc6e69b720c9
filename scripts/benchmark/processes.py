"""What each process of a tree has used, by what it is. Owns: nothing; reads /proc.

Workers of one program are one with it: how many there are is a setting.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path

from scripts.benchmark.measurement import ProcessUse
from scripts.benchmark.usage import tree_of
from scripts.node.procfs import command_line

__all__ = ["COMPILED", "PURE", "build_of", "parse_io", "program_name", "used", "uses_of"]

PURE = "pure"
COMPILED = "compiled"
_TICKS_A_SECOND = os.sysconf("SC_CLK_TCK")
#: A compiled module of ours, mapped into a process.
_OURS_COMPILED = re.compile(r"/(?:logd|partitiond)/\S*\.so$", re.MULTILINE)


def program_name(command: str) -> str:
    """What a process is: a daemon's name, with its workers; else the program's."""
    module = re.search(r" -m (?:partitiond\.)?([\w.]+)", command)
    if module:
        return {"scripts.node": "supervisord"}.get(module[1], module[1])
    if "multiprocess" in command:
        return "query worker"
    return Path(command.partition(" ")[0]).name or "?"


def uses_of(root: int) -> dict[str, ProcessUse]:
    """Every program of the tree, as it is now."""
    found: dict[str, ProcessUse] = {}
    for process in tree_of(root):
        name = program_name(command_line(process.pid))
        found[name] = found.get(name, ProcessUse()) + _use(process.pid)
    return found


def used(before: Mapping[str, ProcessUse], after: Mapping[str, ProcessUse]) -> dict[str, ProcessUse]:
    """What was used between two moments, of those programs that are there at the second."""
    return {name: use - before.get(name, ProcessUse()) for name, use in after.items()}


def _use(pid: int) -> ProcessUse:
    """Nothing for a process that is gone, or that is not ours to look into."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
        written = parse_io(Path(f"/proc/{pid}/io").read_text())
    except OSError:
        return ProcessUse()
    # proc(5): 14-17 are utime stime cutime cstime, and `fields` begins with the third.
    user, system, waited_user, waited_system = (int(field) / _TICKS_A_SECOND for field in fields[11:15])
    return ProcessUse(user + waited_user, system + waited_system, _switches(pid), written)


def _switches(pid: int) -> int:
    """/proc/<pid>/status counts the first thread alone."""
    count = 0
    for path in Path(f"/proc/{pid}/task").glob("*/status"):
        try:
            text = path.read_text()
        except OSError:
            continue
        count += sum(map(int, re.findall(r"ctxt_switches:\s+(\d+)", text)))
    return count


def parse_io(text: str) -> int:
    """`write_bytes` of /proc/<pid>/io."""
    found = re.search(r"^write_bytes: (\d+)$", text, re.MULTILINE)
    return int(found[1]) if found else 0


def build_of(root: int) -> str:
    """PURE, or COMPILED when a process of the tree has a compiled module of ours."""
    for process in tree_of(root):
        try:
            maps = Path(f"/proc/{process.pid}/maps").read_text()
        except OSError:
            continue
        if _OURS_COMPILED.search(maps):
            return COMPILED
    return PURE
