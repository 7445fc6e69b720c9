"""A long query gives way: when the machine is full, and how much."""

from __future__ import annotations

import multiprocessing
import os
import threading
import time

import pytest

from sqld.engine.pace import Pace
from sqld.workers.crowd import Crowd, busy_seconds
from tests.conftest import eventually


class _Waits(threading.Event):
    """Says how long somebody would have waited for it."""

    def __init__(self) -> None:
        super().__init__()
        self.seconds: list[float] = []

    def wait(self, timeout: float | None = None) -> bool:
        assert timeout is not None
        self.seconds.append(round(timeout, 6))
        return False


def test_a_scan_that_gives_way_works_a_ninth_of_its_time_and_not_for_ever() -> None:
    now = 100.0
    pace, cancelled = Pace(patience_s=30.0, clock=lambda: now), _Waits()
    pace.begin()
    for worked, gives_way, rests in (
        (0.01, False, []),
        (0.01, True, [0.08]),
        (0.05, True, [0.4]),
        # A client that did not read for a while is no reason to rest for long.
        (5.0, True, [1.0]),
        (0.01, False, []),
        # Half of the query's time is over.
        (25.0, True, []),
    ):
        now += worked
        pace.gives_way = gives_way
        cancelled.seconds.clear()
        pace.rest(cancelled)
        assert cancelled.seconds == rests, (worked, gives_way)
    pace.begin()
    now += 0.01
    pace.rest(cancelled)
    assert cancelled.seconds == [0.08], "the next query has its own time"


def test_the_kernels_counters_are_read() -> None:
    second = os.sysconf("SC_CLK_TCK")
    counters = " ".join(str(number * second) for number in (1, 2, 3, 1000, 2000, 4, 5, 6000, 7000, 8000))
    assert busy_seconds(f"cpu  {counters}\ncpu0 1 2 3\n") == 1 + 2 + 3 + 4 + 5


def _spin(until: float) -> None:
    while time.monotonic() < until:
        pass


@pytest.mark.slow
def test_a_machine_whose_cores_are_all_taken_is_full() -> None:
    crowd = Crowd()
    crowd.begin()
    assert not crowd.is_full(), "nothing is known yet"
    context = multiprocessing.get_context("fork")
    spinning = [
        context.Process(target=_spin, args=(time.monotonic() + 20.0,)) for _ in range(len(os.sched_getaffinity(0)))
    ]
    for process in spinning:
        process.start()
    try:
        eventually(crowd.is_full, 15.0)
    finally:
        for process in spinning:
            process.kill()
            process.join()
