"""`scripts/bench --breakdown`: what a call costs each program, and where its wall time goes. Owns: a node, perf.

Three loads of each row on one node: one for CPU time, which nothing disturbs; one under `perf stat`, for the number of
system calls; and with one client one under `perf record`, for the hops. What that adds is told: p50 with and without.
"""

from __future__ import annotations

import os
import shutil
import signal
import statistics
import subprocess
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from scripts.benchmark.hops import Hop, follow, parse_trace
from scripts.benchmark.load import run_load
from scripts.benchmark.measurement import ProcessUse
from scripts.benchmark.owned import Owned
from scripts.benchmark.processes import program_name, used, uses_of
from scripts.benchmark.rows import Row, pick
from scripts.benchmark.services import Endpoint
from scripts.benchmark.session import first_answer
from scripts.benchmark.synced import parse_perf
from scripts.benchmark.table import align
from scripts.benchmark.targets import Running, Target
from scripts.benchmark.usage import tree_of
from scripts.node.procfs import command_line
from shared.errors import ConfigError

__all__ = ["Breakdown", "Hops", "breakdown", "breakdown_text"]

_ROWS = "cheap-1,cheap-64"
_ATTACHED_WITHIN_S = 0.3
_TRACED_S = 3
_CALLS = ("read", "readv", "recvfrom", "recvmsg", "write", "writev", "sendto", "sendmsg", "fdatasync", "fsync")


@dataclass(frozen=True, slots=True)
class Hops:
    """Of one client: the hops, and the whole as the server sees it and as the client does without perf and with it."""

    hops: list[Hop]
    calls: int
    whole_us: float
    p50_us: float
    traced_p50_us: float


@dataclass(frozen=True, slots=True)
class Breakdown:
    """Of one row. `system_calls`: program -> a call; empty without perf."""

    row: str
    rps: float
    calls: int
    uses: dict[str, ProcessUse]
    system_calls: dict[str, float]
    hops: Hops | None


def breakdown(target: Target, endpoint: Endpoint, folder: Path, *, warm_up_s: int, seconds: int) -> list[Breakdown]:
    """Start a node in `folder` and look at it. Raises EverlogError."""
    perf = shutil.which("perf")
    if perf is None:
        raise ConfigError("perf is missing, which --breakdown needs (such as: apt-get install linux-perf)")
    owned = Owned()
    try:
        running = target.start(owned, folder)
        found = []
        for row in pick(_ROWS):
            first_answer(row, running, endpoint)
            _load(row, running, warm_up_s)
            found.append(_look(perf, row, running, endpoint, folder, seconds))
        return found
    finally:
        owned.end_all()


def _load(row: Row, running: Running, seconds: int) -> tuple[int, float, float]:
    """(calls, seconds, p50 in µs). Raises ConfigError when calls failed."""
    result = run_load(row, ingress=f"http://127.0.0.1:{running.ingress_port}", seconds=seconds)
    if result.invalid:
        raise ConfigError(f"{row.name}: {result.invalid}")
    return result.requests, result.seconds, (result.p50_ms or 0.0) * 1e3


def _look(perf: str, row: Row, running: Running, endpoint: Endpoint, folder: Path, seconds: int) -> Breakdown:
    before = uses_of(running.pid)
    calls, took, p50_us = _load(row, running, seconds)
    uses = used(before, uses_of(running.pid))
    counts = _system_calls(perf, row, running)
    hops = _hops(perf, row, running, endpoint, folder, p50_us) if row.clients == 1 else None
    return Breakdown(row.name, calls / took, calls, uses, counts, hops)


def _system_calls(perf: str, row: Row, running: Running) -> dict[str, float]:
    pids: dict[str, list[int]] = {}
    for process in tree_of(running.pid):
        pids.setdefault(program_name(command_line(process.pid)), []).append(process.pid)
    stat = [perf, "stat", "-x", ";", "-e", "raw_syscalls:sys_enter"]
    counting = {name: _perf([*stat, "-p", ",".join(map(str, of_name))]) for name, of_name in pids.items()}
    time.sleep(_ATTACHED_WITHIN_S)
    try:
        calls, _, _ = _load(row, running, _TRACED_S)
        counts = {name: parse_perf(_stopped(process).splitlines()) for name, process in counting.items()}
    finally:
        _end(counting.values())
    return {name: (count or 0) / calls for name, count in counts.items()}


def _hops(perf: str, row: Row, running: Running, endpoint: Endpoint, folder: Path, p50_us: float) -> Hops:
    members = [*tree_of(running.pid), *tree_of(endpoint.pid)]
    service = {process.pid for process in tree_of(endpoint.pid)}
    programs = {p.pid: "service" if p.pid in service else program_name(command_line(p.pid)) for p in members}
    data = folder / "perf.data"
    events = ",".join(f"syscalls:sys_{edge}_{call}" for call in _CALLS for edge in ("enter", "exit"))
    record = [perf, "record", "-q", "-k", "mono", "-m", "4096", "-o", str(data), "-e", events]
    process = _perf([*record, "-p", ",".join(map(str, programs))])
    time.sleep(_ATTACHED_WITHIN_S)
    try:
        sockets = _sockets(programs)
        _, _, traced_us = _load(row, running, _TRACED_S)
        sockets = _sockets(programs) | sockets
        _stopped(process)
    finally:
        _end([process])
    with _script([perf, "script", "-i", str(data), "--ns", "-F", "pid,tid,time,event,trace"]) as lines:
        hops, whole = follow(parse_trace(lines, programs, sockets))
    if not whole:
        raise ConfigError("no call was followed through all its stations: perf saw none, or the way has changed")
    return Hops(hops, len(whole), statistics.median(whole), p50_us, traced_us)


def _sockets(pids: Iterable[int]) -> dict[tuple[int, int], bool]:
    """(pid, fd) -> is it a socket, of all files that are open now."""
    found: dict[tuple[int, int], bool] = {}
    for pid in pids:
        for link in os.scandir(f"/proc/{pid}/fd"):
            try:
                found[pid, int(link.name)] = os.readlink(link.path).startswith("socket:")
            except OSError:
                continue
    return found


def _perf(command: Sequence[str]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )


def _stopped(process: subprocess.Popen[str]) -> str:
    process.send_signal(signal.SIGINT)
    return process.communicate(timeout=20.0)[1]


def _end(processes: Iterable[subprocess.Popen[str]]) -> None:
    for process in processes:
        if process.poll() is None:
            process.kill()
            process.communicate()


@contextmanager
def _script(command: Sequence[str]) -> Iterator[Iterator[str]]:
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout is not None
        yield iter(process.stdout)


def breakdown_text(found: Sequence[Breakdown], *, markdown: bool) -> str:
    """Tables for a terminal or for a page."""
    tables = []
    for each in found:
        tables.append((f"{each.row}: {each.rps:.0f} calls/s", _programs(each)))
        if each.hops is not None:
            tables.append((_hops_title(each.hops), _hop_rows(each.hops)))
    render = _markdown if markdown else (lambda rows: align(rows, left=1))
    return "\n\n".join(f"{title}\n\n{render(rows)}" for title, rows in tables)


def _hops_title(hops: Hops) -> str:
    return (
        f"Where {hops.whole_us:.0f} µs go (median of {hops.calls} calls, under perf: the client's p50 was"
        f" {hops.traced_p50_us:.0f} µs with it and {hops.p50_us:.0f} µs without)"
    )


def _programs(each: Breakdown) -> list[list[str]]:
    rows = [["program", "user µs", "system µs", "together", "switches", "system calls", "KB written"]]
    total = ProcessUse()
    for name, use in sorted(each.uses.items(), key=lambda item: -item[1].cpu_s):
        total += use
        if use.cpu_s * 1e6 / each.calls >= 1.0:
            rows.append([name, *_use(use, each.calls), f"{each.system_calls.get(name, 0.0):.1f}", _kb(use, each.calls)])
    calls = sum(each.system_calls.values())
    rows.append(["whole runtime", *_use(total, each.calls), f"{calls:.1f}", _kb(total, each.calls)])
    return rows


def _use(use: ProcessUse, calls: int) -> list[str]:
    seconds = [use.user_s, use.system_s, use.cpu_s]
    return [*(f"{value * 1e6 / calls:.0f}" for value in seconds), f"{use.switches / calls:.1f}"]


def _kb(use: ProcessUse, calls: int) -> str:
    return f"{use.written / 1024 / calls:.1f}"


def _hop_rows(hops: Hops) -> list[list[str]]:
    together = sum(hop.median_us for hop in hops.hops)
    rows = [
        [hop.name, f"{hop.median_us:.0f}", f"{hop.p99_us:.0f}", f"{hop.median_us / together:.0%}"] for hop in hops.hops
    ]
    return [["hop", "µs", "p99 µs", "part"], *rows, ["all hops", f"{together:.0f}", "", ""]]


def _markdown(rows: Sequence[Sequence[str]]) -> str:
    lines = [f"| {' | '.join(row)} |" for row in rows]
    return "\n".join([lines[0], f"|---|{'---:|' * (len(rows[0]) - 1)}", *lines[1:]])
