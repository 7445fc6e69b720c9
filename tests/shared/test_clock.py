"""The wall clock as a port."""

from __future__ import annotations

import time

import pytest

from shared.clock import JumpWatch, SimClock, SystemClock


def test_a_clock_before_1970_or_far_ahead_still_fits_ids(monkeypatch: pytest.MonkeyPatch) -> None:
    for time_ns, expected in ((-86_400_000_000_000, 0), (1_500_000, 1), (10**24, 2**48 - 1)):
        monkeypatch.setattr(time, "time_ns", lambda time_ns=time_ns: time_ns)
        now_ms = SystemClock().now_ms()
        assert now_ms == expected
        now_ms.to_bytes(6, "big")


def test_a_jump_is_what_the_clock_went_on_beyond_the_time_that_passed() -> None:
    clock, steady = SimClock(), [0.0]
    watch = JumpWatch(clock, lambda: steady[0])
    for passed_ms, moved_ms in ((1000, 0), (1000, 3_600_000), (500, -3_600_000), (1, 0)):
        steady[0] += passed_ms / 1000
        clock.advance(ms=passed_ms + moved_ms)
        assert watch.moved_ms() == moved_ms
