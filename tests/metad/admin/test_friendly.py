"""Durations and times as the oracle prints them."""

from __future__ import annotations

import pytest

from metad.admin.friendly import friendly_duration, rfc3339


@pytest.mark.parametrize(
    ("duration_ms", "text"),
    [
        (0, "0s"),
        (1, "1ms"),
        (999, "999ms"),
        (1000, "1s"),
        (1500, "1s 500ms"),
        (59_999, "59s 999ms"),
        (60_000, "1m"),
        (3_600_001, "1h 1ms"),
        (86_400_000, "1d"),
        (90_061_001, "1d 1h 1m 1s 1ms"),
        (7 * 86_400_000, "7d"),
        (3650 * 86_400_000, "3650d"),
    ],
)
def test_durations(duration_ms: int, text: str) -> None:
    assert friendly_duration(duration_ms) == text


@pytest.mark.parametrize(
    ("time_ms", "text"),
    [
        (0, "1970-01-01T00:00:00Z"),
        (1, "1970-01-01T00:00:00.001000000Z"),
        (1_795_414_643_070, "2026-11-23T06:17:23.070000000Z"),
    ],
)
def test_times(time_ms: int, text: str) -> None:
    assert rfc3339(time_ms) == text
