"""Texts such as `1m 30s`, `60 sec`, `01:30:00` or `PT1.5S` -> milliseconds. Pure: no I/O.

Units go from the largest to the smallest, each at most once; only the last value may have a fraction, and
only of hours or less. Years and months have no fixed length and are refused.
"""

from __future__ import annotations

import re
from fractions import Fraction

__all__ = ["parse_duration"]

_NS = {
    "weeks": 604_800 * 10**9,
    "days": 86_400 * 10**9,
    "hours": 3_600 * 10**9,
    "minutes": 60 * 10**9,
    "seconds": 10**9,
}
_NS |= {"milliseconds": 10**6, "microseconds": 10**3, "nanoseconds": 1}
_UNITS = ["years", "months", *_NS]
_SPELLINGS = {
    "years": "years year yrs yr y",
    "months": "months month mos mo",
    "weeks": "weeks week wks wk w",
    "days": "days day d",
    "hours": "hours hour hrs hr h",
    "minutes": "minutes minute mins min m",
    "seconds": "seconds second secs sec s",
    "milliseconds": "milliseconds millisecond millis milli msecs msec ms",
    "microseconds": "microseconds microsecond micros micro usecs usec us µsecs µsec µs μsecs μsec μs",
    "nanoseconds": "nanoseconds nanosecond nanos nano nsecs nsec ns",
}
_UNIT_OF = {spelling: unit for unit, spellings in _SPELLINGS.items() for spelling in spellings.split()}
_ISO_DATE = {"Y": "years", "M": "months", "W": "weeks", "D": "days"}
_ISO_TIME = {"H": "hours", "M": "minutes", "S": "seconds"}

_VALUE = re.compile(r"([0-9]+)(?:[.,]([0-9]+))?")
_SPACE = re.compile(r"[ \t\r\n\f]*")
_CLOCK = re.compile(r"([0-9]+):([0-9]+):([0-9]+)(?:[.,]([0-9]+))?")
_WORD = re.compile(r"[A-Za-zµμ]+")
#: The largest span: what a signed 64-bit count of seconds can hold.
_SECONDS_MAX = (1 << 63) - 1


def parse_duration(text: str) -> int:
    """Whole milliseconds, rounded down. Raises ValueError with the reason."""
    if not text:
        raise ValueError("an empty text is not a duration")
    sign = text[0] if text[0] in "+-" else ""
    rest = text[len(sign) :]
    sum_ns, negative = _iso(rest[1:]) if rest[:1] in ("P", "p") else _friendly(rest, signed=bool(sign))
    if sum_ns > _SECONDS_MAX * 10**9:
        raise ValueError("the duration is too long")
    if sum_ns and (negative or sign == "-"):
        raise ValueError("a duration cannot be negative")
    return int(sum_ns / 10**6)


class _Sum:
    """Adds value by value and holds the rules about their order."""

    def __init__(self) -> None:
        self.ns = Fraction(0)
        self._last_unit = -1
        self._last_was_fraction = False

    def add(self, unit: str, whole: str, fraction: str | None) -> None:
        rank = _UNITS.index(unit)
        if rank <= self._last_unit:
            raise ValueError("units go from the largest to the smallest, each at most once")
        if self._last_was_fraction:
            raise ValueError("only the last value may have a fraction")
        if unit not in _NS:
            raise ValueError("please use units of days or smaller")
        if fraction is not None and _NS[unit] > _NS["hours"]:
            raise ValueError(f"fractions of {unit} are not supported")
        self._last_unit = rank
        self._last_was_fraction = fraction is not None
        value = Fraction(int(whole))
        if fraction is not None:
            value += Fraction(int(fraction), 10 ** len(fraction))
        self.ns += value * _NS[unit]


def _friendly(text: str, *, signed: bool) -> tuple[Fraction, bool]:
    total = _Sum()
    at = 0
    if not _VALUE.match(text):
        raise ValueError("a duration begins with a number, as in `10s` or `PT10S`")
    if text == "0":
        return Fraction(0), False
    while value := _VALUE.match(text, at):
        clock = _CLOCK.match(text, at)
        if clock:
            total.add("hours", clock[1], None)
            total.add("minutes", clock[2], None)
            total.add("seconds", clock[3], clock[4])
            at = clock.end()
            break
        word = _WORD.match(text, _end_of_space(text, value.end()))
        if word is None or word[0] not in _UNIT_OF:
            raise ValueError(f"a unit such as `s`, `min` or `hours` must follow {value[0]}")
        total.add(_UNIT_OF[word[0]], value[1], value[2])
        at = word.end()
        if text[at : at + 1] == ",":
            at += 1
            if _end_of_space(text, at) == at:
                raise ValueError("a space must follow a comma")
        at = _end_of_space(text, at)
    rest = text[at:].strip()
    if rest == "ago" and not signed:
        return total.ns, True
    if rest:
        raise ValueError(f"cannot read {rest!r}")
    return total.ns, False


def _end_of_space(text: str, at: int) -> int:
    match = _SPACE.match(text, at)
    assert match is not None
    return match.end()


def _iso(text: str) -> tuple[Fraction, bool]:
    total = _Sum()
    date, designator, time = text.upper().partition("T")
    parts = _iso_part(total, date, _ISO_DATE)
    if designator:
        parts = _iso_part(total, time, _ISO_TIME)
    if not parts:
        raise ValueError("a number and a unit must follow `P` or `T`")
    return total.ns, False


def _iso_part(total: _Sum, text: str, units: dict[str, str]) -> int:
    at = parts = 0
    while at < len(text):
        value = _VALUE.match(text, at)
        if value is None or text[value.end() : value.end() + 1] not in units:
            raise ValueError(f"cannot read {text[at:]!r} as part of an ISO 8601 duration")
        total.add(units[text[value.end()]], value[1], value[2])
        at = value.end() + 1
        parts += 1
    return parts
