"""Times in answers, against the standard library."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from partitiond.ingress.timestamps import format_execution_time, format_expiry

DAY_MS = 86_400_000


@pytest.mark.parametrize("at_ms", [0, 999, 951_782_400_000, 4_107_542_399_999, 253_402_300_799_000])
def test_edges(at_ms: int) -> None:
    _check(at_ms)


def test_every_day_of_two_centuries() -> None:
    for day in range(0, 200 * 366, 7):
        _check(day * DAY_MS + 12_345_678)


def _check(at_ms: int) -> None:
    at = datetime.fromtimestamp(at_ms // 1000, UTC)
    seconds = at.strftime("%Y-%m-%dT%H:%M:%S")
    assert format_execution_time(at_ms) == f"{seconds}.{at_ms % 1000:03}000000Z"
    assert format_expiry(at_ms) == seconds + (f".{at_ms % 1000:03}" if at_ms % 1000 else "") + "+00:00"


def test_times_past_the_calendar_stand_as_its_end() -> None:
    assert format_execution_time(1 << 63).startswith("9999-12-31T23:59:59.")
