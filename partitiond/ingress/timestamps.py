"""Milliseconds since the epoch -> RFC 3339, in the two shapes that clients know. Pure: no I/O."""

from __future__ import annotations

__all__ = ["format_execution_time", "format_expiry"]

_DAY_S = 86_400
#: 9999-12-31T23:59:59Z: later times stand as this one.
_SECONDS_MAX = 253_402_300_799
_MONTH_DAYS = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)


def format_execution_time(at_ms: int) -> str:
    """As in the answer to a delayed send: `2026-11-23T06:18:18.572000000Z`."""
    return f"{_seconds(at_ms)}.{at_ms % 1000:03}000000Z"


def format_expiry(at_ms: int) -> str:
    """As in `idempotency-expires`: `2026-11-24T06:19:20.902+00:00`, whole seconds without a fraction."""
    fraction = at_ms % 1000
    return f"{_seconds(at_ms)}.{fraction:03}+00:00" if fraction else f"{_seconds(at_ms)}+00:00"


def _seconds(at_ms: int) -> str:
    days, second = divmod(min(at_ms // 1000, _SECONDS_MAX), _DAY_S)
    year, month, day = _date(days)
    return f"{year:04}-{month:02}-{day:02}T{second // 3600:02}:{second // 60 % 60:02}:{second % 60:02}"


def _date(days: int) -> tuple[int, int, int]:
    """Days since 1970-01-01, not negative -> year, month, day."""
    year = 1970 + days // 366
    days -= _days_before(year)
    while days >= _year_days(year):
        days -= _year_days(year)
        year += 1
    month = 0
    while days >= (length := _MONTH_DAYS[month] + (month == 1 and _year_days(year) == 366)):
        days -= length
        month += 1
    return year, month + 1, days + 1


def _year_days(year: int) -> int:
    return 366 if year % 4 == 0 and (year % 100 != 0 or year % 400 == 0) else 365


def _days_before(year: int) -> int:
    """From 1970-01-01 to January 1st of `year`."""
    past = year - 1
    return 365 * (year - 1970) + (past // 4 - past // 100 + past // 400) - (1969 // 4 - 1969 // 100 + 1969 // 400)
