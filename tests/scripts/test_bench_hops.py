"""Hops of a call out of its system calls, and what /proc says of its programs."""

from __future__ import annotations

import itertools
import os

import pytest

from scripts.benchmark.breakdown import Breakdown, Hops, breakdown_text
from scripts.benchmark.hops import READ, STATIONS, SYNC, SYNCED, WRITE, Event, Station, follow, parse_trace
from scripts.benchmark.measurement import ProcessUse
from scripts.benchmark.processes import PURE, build_of, parse_io, program_name, used, uses_of

_SHORT = (
    Station("ingress", READ, ""),
    Station("logd", READ, "ingress: routes", "ingress → logd"),
    Station("logd", SYNC, "logd: appends"),
    Station("logd", SYNCED, "logd: the sync"),
    Station("ingress", READ, "logd: tells", "logd → ingress"),
    Station("ingress", WRITE, "ingress: answers"),
)


def _events(*steps: tuple[float, str, str]) -> list[Event]:
    return [Event(at, program, kind) for at, program, kind in steps]


_CALL = (
    (0.0, "ingress", READ),
    (10.0, "ingress", WRITE),
    (13.0, "logd", READ),
    (20.0, "logd", SYNC),
    (120.0, "logd", SYNCED),
    (125.0, "logd", WRITE),
    (129.0, "ingress", READ),
    (140.0, "ingress", WRITE),
)
_TIMES = [10.0, 3.0, 7.0, 100.0, 5.0, 4.0, 11.0]


def test_hops_are_the_times_between_stations() -> None:
    hops, whole = follow(_events(*_CALL), _SHORT)
    assert [hop.median_us for hop in hops] == _TIMES
    assert [hop.name for hop in hops][:2] == ["ingress: routes", "ingress → logd"]
    assert whole == [140.0]
    assert sum(hop.median_us for hop in hops) == whole[0]


def test_what_else_is_read_and_written_does_not_count() -> None:
    noise = [(5.0, "metad", READ), (11.0, "logd", WRITE), (121.0, "ingress", READ), (122.0, "logd", SYNC)]
    hops, whole = follow(_events(*sorted([*_CALL, *noise])), _SHORT)
    assert [hop.median_us for hop in hops] == _TIMES
    assert whole == [140.0]


def test_last_write_before_the_next_has_read_is_the_one() -> None:
    """A worker writes to the service what it has read, before it writes the answer to the log."""
    hops, _ = follow(_events(*sorted([*_CALL, (4.0, "ingress", WRITE)])), _SHORT)
    assert [hop.median_us for hop in hops] == _TIMES


def test_call_that_does_not_pass_all_stations_is_left_out() -> None:
    assert follow(_events(*_CALL[:-2]), _SHORT) == ([], [])
    moved = [(at + 1000.0, program, kind) for at, program, kind in _CALL]
    assert follow(_events(*_CALL, *moved), _SHORT)[1] == [140.0, 140.0]


def test_stations_name_their_hops() -> None:
    assert [s for s in STATIONS[1:] if not s.worked] == []
    for before, after in itertools.pairwise(STATIONS):
        assert bool(after.passed) == (before.program != after.program)


_TRACE = """\
 30739/30739 37921.798509746:            syscalls:sys_enter_read: fd: 0x00000016, buf: 0x5589deccb280, count: 0x0003e800
 30739/30739 37921.798512330:             syscalls:sys_exit_read: 0xf0
 30739/30739 37921.798515000:            syscalls:sys_enter_read: fd: 0x00000016, buf: 0x5589deccb280, count: 0x0003e800
 30739/30739 37921.798516000:             syscalls:sys_exit_read: 0xfffffffffffffff5
 30739/30739 37921.798558368:           syscalls:sys_enter_write: fd: 0x00000010, buf: 0x5589ded3a000, count: 0x0000012a
 30739/30739 37921.798564697:            syscalls:sys_exit_write: 0x12a
 30739/30739 37921.798576445:       syscalls:sys_enter_fdatasync: fd: 0x00000010
 30739/30739 37921.798731886:        syscalls:sys_exit_fdatasync: 0x0
 30739/30739 37921.798778375:           syscalls:sys_enter_write: fd: 0x00000016, buf: 0x7f11e31395b0, count: 0x000000fc
    99/99    37921.798778375:           syscalls:sys_enter_write: fd: 0x00000016, buf: 0x7f11e31395b0, count: 0x000000fc
what perf says besides
"""


def test_trace_of_perf_is_read() -> None:
    """fd 0x10 is a file; the second read brought nothing; pid 99 is not ours."""
    events = parse_trace(_TRACE.splitlines(), {30739: "logd"}, {(30739, 0x10): False, (30739, 0x16): True})
    assert [(event.program, event.kind) for event in events] == [
        ("logd", READ),
        ("logd", SYNC),
        ("logd", SYNCED),
        ("logd", WRITE),
    ]
    assert events[2].at - events[1].at == pytest.approx(155.441, abs=0.1)


def test_breakdown_is_a_table_for_a_terminal_or_a_page() -> None:
    uses = {"logd": ProcessUse(0.2, 0.1, 4000, 8192000), "metad": ProcessUse()}
    hops, whole = follow(_events(*_CALL), _SHORT)
    found = [Breakdown("cheap-1", 500.0, 1000, uses, {"logd": 9.5}, Hops(hops, 1, whole[0], 150.0, 170.0))]
    text = breakdown_text(found, markdown=False)
    assert ["logd", "200", "100", "300", "4.0", "9.5", "8.0"] in [line.split() for line in text.splitlines()]
    assert "metad" not in text
    page = breakdown_text(found, markdown=True)
    assert "| logd: the sync | 100 | 100 | 71% |" in page
    assert "| whole runtime | 200 | 100 | 300 | 4.0 | 9.5 | 8.0 |" in page


@pytest.mark.parametrize(
    ("command", "name"),
    [
        ("/venv/bin/python -P -m partitiond.ingress --data-dir /d", "ingress"),
        ("/venv/bin/python -P -m partitiond --data-dir /d worker 1", "partitiond"),
        ("/venv/bin/python -P -m scripts.node --conf /d/run/supervisord.conf", "supervisord"),
        ("/venv/bin/python -B -P -c from multiprocess.spawn import spawn_main; spawn_main()", "query worker"),
        ("/opt/restate-server --no-logo", "restate-server"),
        ("", "?"),
    ],
)
def test_programs_are_named(command: str, name: str) -> None:
    assert program_name(command) == name


def test_use_of_our_own_process() -> None:
    before = uses_of(os.getpid())
    (name,) = [name for name in before if "py" in name]
    sum(range(300_000))
    use = used(before, uses_of(os.getpid()))[name]
    assert use.cpu_s >= 0
    assert use.switches >= 0
    assert before[name].switches > 0
    assert parse_io("rchar: 5\nwrite_bytes: 4096\ncancelled_write_bytes: 7\n") == 4096
    assert parse_io("") == 0
    assert build_of(os.getpid()) == PURE
