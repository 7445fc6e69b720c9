"""Durations and times as the API prints them. Owns: nothing; reads no clock."""

from __future__ import annotations

from datetime import UTC, datetime

__all__ = ["friendly_duration", "rfc3339"]

_UNITS_MS = (("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1))


def friendly_duration(duration_ms: int) -> str:
    """`1d 2h`, `1m`, `500ms`; nothing at all is `0s`."""
    assert duration_ms >= 0
    parts: list[str] = []
    rest = duration_ms
    for unit, unit_ms in _UNITS_MS:
        count, rest = divmod(rest, unit_ms)
        if count:
            parts.append(f"{count}{unit}")
    return " ".join(parts) or "0s"


def rfc3339(time_ms: int) -> str:
    """`2026-01-31T12:00:00.123000000Z`: nine digits behind the second, or none when they are all 0, as in Restate."""
    seconds, milliseconds = divmod(time_ms, 1000)
    fraction = f".{milliseconds:03d}000000" if milliseconds else ""
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}{fraction}Z"
