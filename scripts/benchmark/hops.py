"""Where the wall time of one call goes, out of the system calls of those that it passes. Pure: no I/O.

One client calls, so that at any time one call is on its way. It is followed from read to read: each hop is the time
that a program works until it writes, and the time from there until the next one has read. Calls that do not pass all
stations in their order are left out.
"""

from __future__ import annotations

import re
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

__all__ = ["STATIONS", "Event", "Hop", "Station", "follow", "parse_trace"]

READ, WRITE, SYNC, SYNCED = "read", "write", "sync", "synced"
_READS = ("read", "readv", "recvfrom", "recvmsg")
_WRITES = ("write", "writev", "sendto", "sendmsg")
_SYNCS = ("fdatasync", "fsync")
#: perf script -F pid,tid,time,event,trace
_LINE = re.compile(r"\s*(\d+)/(\d+)\s+(\d+\.\d+):\s+syscalls:sys_(enter|exit)_(\w+): (.*)")
_FD = re.compile(r"fd: 0x([0-9a-f]+)")


@dataclass(frozen=True, slots=True)
class Event:
    """Bytes read from a socket, the begin of a write to one, or the begin or the end of a sync; `at` in µs."""

    at: float
    program: str
    kind: str


@dataclass(frozen=True, slots=True)
class Station:
    """What a call passes next, what was done until the writer wrote, and what until this was read."""

    program: str
    kind: str
    worked: str
    #: Empty: it is the same program, and nothing is passed on.
    passed: str = ""


STATIONS: tuple[Station, ...] = (
    Station("ingress", READ, ""),
    Station("partitiond", READ, "ingress: parses, checks, routes", "ingress → worker"),
    Station("logd", READ, "worker: proposes the invocation", "worker → logd"),
    Station("logd", SYNC, "logd: orders, appends"),
    Station("logd", SYNCED, "logd: the sync"),
    Station("partitiond", READ, "logd: commits, tells", "logd → worker"),
    Station("service", READ, "worker: applies, stores, calls the service", "worker → service"),
    Station("partitiond", READ, "service: answers", "service → worker"),
    Station("logd", READ, "worker: reads the answer, proposes it", "worker → logd"),
    Station("logd", SYNC, "logd: orders, appends"),
    Station("logd", SYNCED, "logd: the sync"),
    Station("partitiond", READ, "logd: commits, tells", "logd → worker"),
    Station("ingress", READ, "worker: applies, stores, replies", "worker → ingress"),
    Station("ingress", WRITE, "ingress: answers the client"),
)


@dataclass(frozen=True, slots=True)
class Hop:
    """Microseconds of one hop over all calls."""

    name: str
    median_us: float
    p99_us: float


def parse_trace(
    lines: Iterable[str], programs: Mapping[int, str], sockets: Mapping[tuple[int, int], bool]
) -> list[Event]:
    """Of `perf script`. `programs`: pid -> name. `sockets`: (pid, fd) -> is it one; unknown ones are, being new."""
    entered: dict[int, int] = {}
    events: list[Event] = []
    for line in lines:
        found = _LINE.match(line)
        if found is None:
            continue
        pid, thread, at, edge, call, rest = found.groups()
        program = programs.get(int(pid))
        if program is None:
            continue
        if edge == "enter":
            fd = _FD.search(rest)
            entered[int(thread)] = int(fd[1], 16) if fd else -1
        kind = _kind(edge, call, rest, sockets.get((int(pid), entered.get(int(thread), -1)), True))
        if kind:
            events.append(Event(float(at) * 1e6, program, kind))
    return events


def _kind(edge: str, call: str, rest: str, is_socket: bool) -> str:
    """A write counts when it begins, a read when it has brought something."""
    if call in _SYNCS:
        return SYNC if edge == "enter" else SYNCED
    if not is_socket:
        return ""
    if call in _WRITES and edge == "enter":
        return WRITE
    # Errors are negative numbers in 64 bits.
    brought = int(rest.split()[0], 16) if edge == "exit" and rest.startswith("0x") else 0
    return READ if call in _READS and 0 < brought < 1 << 62 else ""


def follow(events: Iterable[Event], stations: Sequence[Station] = STATIONS) -> tuple[list[Hop], list[float]]:
    """The hops in the order of the stations, and the time of each whole call, µs. Both empty: no call was whole."""
    calls: list[_Call] = []
    call: _Call | None = None
    wrote: dict[str, float] = {}
    for event in events:
        if event.kind == WRITE:
            wrote[event.program] = event.at
        begins = (event.program, event.kind) == (stations[0].program, stations[0].kind)
        if begins and (call is None or call.passed == 1):
            # Before anybody else has read, a further piece of the request begins it anew.
            call = _Call(event.at)
        elif call is not None and call.passes(event, stations, wrote) and call.passed == len(stations):
            calls.append(call)
            call = None
    return _hops(calls, stations), [each.last - each.began for each in calls]


class _Call:
    """One call on its way: how many stations it has passed, and the times between them."""

    def __init__(self, at: float) -> None:
        self.began = self.last = at
        self.passed = 1
        self.times: list[float] = []

    def passes(self, event: Event, stations: Sequence[Station], wrote: Mapping[str, float]) -> bool:
        """Whether the event is its next station."""
        station = stations[self.passed]
        if (event.program, event.kind) != (station.program, station.kind):
            return False
        if station.passed:
            written = wrote.get(stations[self.passed - 1].program, 0.0)
            if written < self.last:
                # Something else was read: who has the call has passed nothing on yet.
                return False
            self.times += [written - self.last, event.at - written]
        else:
            self.times.append(event.at - self.last)
        self.last = event.at
        self.passed += 1
        return True


def _hops(calls: Sequence[_Call], stations: Sequence[Station]) -> list[Hop]:
    names = [name for station in stations[1:] for name in (station.worked, station.passed) if name]
    found = zip(names, zip(*(call.times for call in calls), strict=True), strict=bool(calls))
    return [Hop(name, statistics.median(times), _percentile(times, 0.99)) for name, times in found]


def _percentile(values: Sequence[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]
