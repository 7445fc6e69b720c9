"""Times, durations and intervals as text. Pure: no I/O.

Times count from 1970-01-01 in some unit; `per_second` says how many of it make a second. RFC 3339 and ISO 8601 for
JSON as Arrow's JSON writer has them (the oracle's), and PostgreSQL's own forms for its wire.
"""

from __future__ import annotations

from functools import lru_cache

__all__ = [
    "date_text",
    "iso_duration",
    "json_interval",
    "pg_interval",
    "pg_timestamp",
    "rfc3339",
    "time_text",
]

_DAY_S = 86_400


@lru_cache(maxsize=4096)
def date_text(days: int) -> str:
    """Days since 1970-01-01 -> `YYYY-MM-DD`, proleptic Gregorian."""
    # Howard Hinnant, "chrono-compatible low-level date algorithms", civil_from_days: years begin in March.
    shifted = days + 719_468
    era, day_of_era = divmod(shifted, 146_097)
    year_of_era = (day_of_era - day_of_era // 1460 + day_of_era // 36_524 - day_of_era // 146_096) // 365
    day_of_year = day_of_era - (365 * year_of_era + year_of_era // 4 - year_of_era // 100)
    month_from_march = (5 * day_of_year + 2) // 153
    day = day_of_year - (153 * month_from_march + 2) // 5 + 1
    month = month_from_march + 3 if month_from_march < 10 else month_from_march - 9
    year = year_of_era + era * 400 + (month <= 2)
    return f"{year:04}-{month:02}-{day:02}"


def _clock(seconds: int) -> str:
    return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"


def _fraction(part: int, per_second: int) -> str:
    """0, 3, 6 or 9 digits, as few as keep the value."""
    if part == 0:
        return ""
    nanos = part * (1_000_000_000 // per_second)
    for digits in (3, 6):
        if nanos % 10 ** (9 - digits) == 0:
            return f".{nanos // 10 ** (9 - digits):0{digits}}"
    return f".{nanos:09}"


def _split(value: int, per_second: int) -> tuple[str, str, str]:
    seconds, part = divmod(value, per_second)
    days, second_of_day = divmod(seconds, _DAY_S)
    return date_text(days), _clock(second_of_day), _fraction(part, per_second)


def rfc3339(value: int, per_second: int, *, offset: str) -> str:
    """`2026-11-23T06:19:20.984Z`. `offset` is `Z`, `+02:00` or empty for a local time; the value is that of UTC."""
    if offset not in ("", "Z"):
        sign = -1 if offset[0] == "-" else 1
        value += sign * (int(offset[1:3]) * 3600 + int(offset[4:6]) * 60) * per_second
    day, clock, fraction = _split(value, per_second)
    return f"{day}T{clock}{fraction}{offset}"


def pg_timestamp(value: int, per_second: int, *, zoned: bool) -> str:
    """`2026-11-23 06:19:20.984+00`."""
    day, clock, fraction = _split(value, per_second)
    if per_second > 1_000_000 and len(fraction) > 7:
        # PostgreSQL keeps microseconds.
        fraction = fraction[:7]
    return f"{day} {clock}{fraction.rstrip('0') if fraction else ''}{'+00' if zoned else ''}"


def time_text(value: int, per_second: int) -> str:
    """`06:19:20.984`."""
    seconds, part = divmod(value, per_second)
    return _clock(seconds) + _fraction(part, per_second)


def iso_duration(value: int, per_second: int) -> str:
    """`PT86400S`, `PT0.01S`, `-PT10.123S`; nothing is `P0D`."""
    if value == 0:
        return "P0D"
    seconds, part = divmod(abs(value), per_second)
    fraction = _fraction(part, per_second).rstrip("0")
    return f"{'-' if value < 0 else ''}PT{seconds}{fraction}S"


def json_interval(months: int, days: int, nanos: int) -> str:
    """`14 mons 3 days 4.500000000 secs`, as the oracle writes an interval."""
    parts = [f"{months} mons"] if months else []
    if days:
        parts.append(f"{days} days")
    if nanos:
        sign, rest = ("-" if nanos < 0 else ""), abs(nanos)
        hours, rest = divmod(rest, 3_600_000_000_000)
        minutes, rest = divmod(rest, 60_000_000_000)
        if hours:
            parts.append(f"{sign}{hours} hours")
        if minutes:
            parts.append(f"{sign}{minutes} mins")
        if rest:
            parts.append(f"{sign}{rest // 1_000_000_000}.{rest % 1_000_000_000:09} secs")
    return " ".join(parts) or "0 secs"


def pg_interval(months: int, days: int, micros: int) -> str:
    """`1 mon 2 days 03:04:05.5`, PostgreSQL's IntervalStyle `postgres`."""
    sign = -1 if months < 0 else 1
    years, rest = divmod(abs(months), 12)
    counts = ((sign * years, "year"), (sign * rest, "mon"), (days, "day"))
    parts = [f"{count} {unit}{'' if count == 1 else 's'}" for count, unit in counts if count]
    if micros or not parts:
        seconds, part = divmod(abs(micros), 1_000_000)
        fraction = _fraction(part, 1_000_000).rstrip("0") if part else ""
        parts.append(f"{'-' if micros < 0 else ''}{_clock(seconds)}{fraction}")
    return " ".join(parts)
