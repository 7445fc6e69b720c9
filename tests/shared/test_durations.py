"""Texts of durations and what they mean; the comparison with the oracle uses the same tables."""

from __future__ import annotations

import pytest

from shared.durations import parse_duration

S, M, H, D = 1000, 60_000, 3_600_000, 86_400_000

GOOD = {
    "10s": 10 * S,
    "1m 30s": 90 * S,
    "1m30s": 90 * S,
    "1m\t30s": 90 * S,
    "60 sec": 60 * S,
    "1 m 30 s": 90 * S,
    "1h, 30m": 90 * M,
    "1s, 1ms": 1001,
    "0": 0,
    "0s": 0,
    "-0s": 0,
    "100ms": 100,
    "999us": 0,
    "1500us": 1,
    "1ns": 0,
    "5µs": 0,
    "1.5s": 1500,
    "1,5s": 1500,
    "1.5h": 90 * M,
    "1h1.5m": H + 90 * S,
    "0.0015s": 1,
    "1d1h1m1s1ms1us1ns": D + H + M + S + 1,
    "1day": D,
    "2days": 2 * D,
    "1w": 7 * D,
    "4weeks": 28 * D,
    "1wk": 7 * D,
    "3hrs": 3 * H,
    "1hr": H,
    "2mins": 2 * M,
    "1min": M,
    "3minutes": 3 * M,
    "2secs": 2 * S,
    "2second": 2 * S,
    "5millis": 5,
    "5msec": 5,
    "5msecs": 5,
    "5milli": 5,
    "5micros": 0,
    "5nanos": 0,
    "01:02:03": H + 2 * M + 3 * S,
    "1:2:3": H + 2 * M + 3 * S,
    "1d 01:00:00": D + H,
    "00:00:01.5": 1500,
    "+5s": 5 * S,
    "PT1M": M,
    "PT1.5S": 1500,
    "PT1,5S": 1500,
    "P1D": D,
    "P1W": 7 * D,
    "P1W2D": 9 * D,
    "P1DT2H": D + 2 * H,
    "pt5s": 5 * S,
    "PT5s": 5 * S,
    "+PT5S": 5 * S,
    "PT0S": 0,
    "PT0.0001S": 0,
}

BAD = [
    "",
    "10",
    "bad",
    "-1s",
    "1s ago",
    "-1s ago",
    "1.5d",
    "1.5m 30s",
    "1s1s",
    "1s 1m",
    "1s,1ms",
    "1s ,1ms",
    "1 2s",
    "seconds",
    "5S",
    "5MS",
    "5Y",
    "1y",
    "1mo",
    "1month",
    "5years",
    "1e3s",
    "1_000s",
    "P",
    "PT",
    "P1M",
    "P1Y",
    "PT5S5M",
    "T5S",
    "-PT5S",
    "1x",
    "1s x",
    "9999999y",
    "1:2",
    "01:02:03 1s",
    "s",
    "+",
    "-",
    "1..5s",
    "1.s",
    "99999999999999999999h",
]


@pytest.mark.parametrize("text", GOOD)
def test_duration_is_read(text: str) -> None:
    assert parse_duration(text) == GOOD[text]


@pytest.mark.parametrize("text", BAD)
def test_text_that_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        parse_duration(text)
