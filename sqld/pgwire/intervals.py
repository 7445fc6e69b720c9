"""Intervals that clients write -> months, days, microseconds. Pure: no I/O.

Source: PostgreSQL 17, "Interval Input"; ISO 8601 durations.
"""

from __future__ import annotations

import re
from fractions import Fraction

__all__ = ["Interval", "parse_interval"]

#: Months, days, microseconds.
Interval = tuple[int, int, int]

_SECOND = 1_000_000
_DAY_US = 86_400 * _SECOND
#: Unit -> (months, days, microseconds) of one.
_UNITS: dict[str, Interval] = {
    "microsecond": (0, 0, 1),
    "millisecond": (0, 0, 1000),
    "second": (0, 0, _SECOND),
    "minute": (0, 0, 60 * _SECOND),
    "hour": (0, 0, 3600 * _SECOND),
    "day": (0, 1, 0),
    "week": (0, 7, 0),
    "month": (1, 0, 0),
    "year": (12, 0, 0),
    "decade": (120, 0, 0),
    "century": (1200, 0, 0),
}
_SHORT = {
    **{"us": "microsecond", "usec": "microsecond", "ms": "millisecond", "msec": "millisecond"},
    **{"s": "second", "sec": "second", "m": "minute", "min": "minute", "h": "hour", "hr": "hour", "d": "day"},
    **{"w": "week", "mon": "month", "y": "year", "yr": "year", "centurie": "century"},
}
_PART = re.compile(
    r"\s*(?:([+-]?)(\d+):(\d\d?)(?::(\d\d?(?:\.\d+)?))?(?![\w:])|([+-]?(?:\d+(?:\.\d*)?|\.\d+))\s*([a-z]*)|(ago)\s*$|,)",
    re.I,
)
_ISO = re.compile(
    r"(-?)P(?:(-?[\d.]+)Y)?(?:(-?[\d.]+)M)?(?:(-?[\d.]+)W)?(?:(-?[\d.]+)D)?"
    r"(?:T(?:(-?[\d.]+)H)?(?:(-?[\d.]+)M)?(?:(-?[\d.]+)S)?)?"
)
_ISO_UNITS = ("year", "month", "week", "day", "hour", "minute", "second")


def parse_interval(text: str) -> Interval:
    """`1 day 02:03:04.5`, `3 days -5 min`, `1 week ago`, `P1DT2H`. Raises ValueError."""
    text = text.strip().removeprefix("@").strip()
    iso = _ISO.fullmatch(text)
    if iso is not None and text[-1] not in "PT":
        sign = -1 if iso[1] else 1
        return _total([(sign * Fraction(n), u) for n, u in zip(iso.groups()[1:], _ISO_UNITS, strict=True) if n])
    amounts: list[tuple[Fraction, str]] = []
    at, sign = 0, 1
    while at < len(text):
        match = _PART.match(text, at)
        if match is None or match.end() == at:
            raise ValueError(f"invalid interval {text[:40]!r}")
        at = match.end()
        if match[2] is not None:
            clock = int(match[2]) * 3600 + int(match[3]) * 60 + Fraction(match[4] or "0")
            amounts.append((-clock if match[1] == "-" else clock, "second"))
        elif match[5] is not None:
            amounts.append((Fraction(match[5]), _unit(match[6].lower())))
        elif match[7] is not None:
            sign = -1
    if not amounts:
        raise ValueError(f"invalid interval {text[:40]!r}")
    return _total([(sign * amount, unit) for amount, unit in amounts])


def _unit(word: str) -> str:
    for name in (word, word.removesuffix("s")):
        if name in _UNITS:
            return name
        if name in _SHORT:
            return _SHORT[name]
    if word:
        raise ValueError(f"invalid unit {word!r} of an interval")
    return "second"


def _total(amounts: list[tuple[Fraction, str]]) -> Interval:
    """A fraction of a month is days, one of a day is time."""
    months = sum((amount * _UNITS[unit][0] for amount, unit in amounts), Fraction())
    days = sum((amount * _UNITS[unit][1] for amount, unit in amounts), Fraction())
    micros = sum((amount * _UNITS[unit][2] for amount, unit in amounts), Fraction())
    days += (months - int(months)) * 30
    micros += (days - int(days)) * _DAY_US
    return int(months), int(days), round(micros)
