"""CPU and memory of process trees, out of what /proc says."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from scripts.benchmark.usage import (
    Process,
    cpu_seconds,
    machine_busy_seconds,
    members,
    memory,
    parse_flushes,
    parse_stat,
    read_process,
    tree_of,
)

# pid (comm) state ppid pgrp session tty tpgid flags minflt cminflt majflt cmajflt utime stime cutime cstime
# priority nice threads itrealvalue starttime ...
_STAT = "77 ({name}) S 12 77 70 0 -1 4194560 1 2 3 4 100 20 7 3 20 0 5 0 4242 1000 10 18446744073709551615"


@pytest.mark.parametrize("name", ["nginx", "a b", "od) R 1 1", "((("])
def test_stat_is_read_whatever_the_command_is_called(name: str) -> None:
    assert parse_stat(_STAT.format(name=name)) == Process(77, "S", 12, 70, 130, 4242, 5)


def _process(pid: int, parent: int, session: int) -> Process:
    return Process(pid, "S", parent, session, 1, 1)


def test_tree_is_descendants_and_the_session() -> None:
    """A worker whose parent was killed has another parent now, but is still of the session."""
    table = {
        process.pid: process
        for process in (
            _process(1, 0, 1),
            _process(10, 1, 10),
            _process(11, 10, 10),
            _process(12, 11, 12),
            _process(13, 12, 12),
            _process(14, 1, 10),
            _process(20, 1, 20),
        )
    }
    assert sorted(process.pid for process in members(table, 10)) == [10, 11, 12, 13, 14]


def test_tree_of_a_process_that_is_gone_is_empty() -> None:
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    assert read_process(child.pid) is None
    assert tree_of(child.pid) == []


def test_our_own_use_is_seen() -> None:
    assert cpu_seconds(os.getpid()) > 0
    assert machine_busy_seconds() > 0
    used = memory(os.getpid())
    assert used.processes >= 1
    assert 1 < used.pss_mb <= used.rss_mb


_DISKSTATS = """\
   7       0 loop0 1 2 3 4 5 6 7 8 9 10 11
 254       0 vda 278645 36782 12961218 252002 297903 82263 17219632 46120 0 43236 305268 17371 69 17170952 2886 92491 42
"""


def test_flushes_of_a_disk() -> None:
    assert parse_flushes(_DISKSTATS, major=254, minor=0) == 92491
    assert parse_flushes(_DISKSTATS, major=7, minor=0) is None, "an older kernel does not count them"
    assert parse_flushes(_DISKSTATS, major=8, minor=0) is None
