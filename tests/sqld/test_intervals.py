"""Intervals as clients write them."""

from __future__ import annotations

import pytest

from sqld.pgwire.intervals import Interval, parse_interval

_HOUR = 3_600_000_000


@pytest.mark.parametrize(
    ("text", "interval"),
    [
        ("1 day, 2:00:00", (0, 1, 2 * _HOUR)),
        ("-1 day, 23:59:58", (0, -1, 24 * _HOUR - 2_000_000)),
        ("1 year 2 mons 3 days 04:05:06.5", (14, 3, 4 * _HOUR + 306_500_000)),
        ("@ 3 days -5 min", (0, 3, -300_000_000)),
        ("1 week ago", (0, -7, 0)),
        ("90061.5 s", (0, 0, 90_061_500_000)),
        ("1.5 mons", (1, 15, 0)),
        ("500 ms", (0, 0, 500_000)),
        ("2h30m", (0, 0, 2 * _HOUR + _HOUR // 2)),
        ("P1DT2H", (0, 1, 2 * _HOUR)),
        ("-P1DT2H", (0, -1, -2 * _HOUR)),
        ("PT0.25S", (0, 0, 250_000)),
        ("7", (0, 0, 7_000_000)),
        ("-00:00:01", (0, 0, -1_000_000)),
    ],
)
def test_intervals_are_read(text: str, interval: Interval) -> None:
    assert parse_interval(text) == interval


@pytest.mark.parametrize("text", ["", "x", "1 parsec", "P", "PT", "1:2:3:4", "1 day x", "--1 day", "day"])
def test_what_is_none_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="interval"):
        parse_interval(text)
