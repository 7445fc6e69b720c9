"""Times for people. Owns: nothing; reads the clock and the local time zone."""

from __future__ import annotations

import time
from datetime import UTC, datetime

from scripts.cli.people import time_text
from scripts.cli.show import duration

__all__ = ["ago", "ago_ms", "local", "milliseconds", "now_ms", "rfc3339", "span"]

_UNITS = ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s"))


def now_ms() -> int:
    """Since 1970, by this machine's clock."""
    return round(time.time() * 1000)


def milliseconds(text: str) -> int:
    """RFC 3339 -> since 1970. Raises ValueError."""
    found = datetime.fromisoformat(text)
    return round((found if found.tzinfo is not None else found.replace(tzinfo=UTC)).timestamp() * 1000)


def rfc3339(at_ms: int) -> str:
    """`2026-03-01T12:00:00.123Z`."""
    return datetime.fromtimestamp(at_ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def ago_ms(at_ms: int) -> str:
    """`12 s ago`, `in 3 min`, `now`."""
    seconds = (now_ms() - at_ms) / 1000
    if abs(seconds) < 1:
        return "now"
    unit_s, unit = next((each for each in _UNITS if abs(seconds) >= each[0]), (1, "s"))
    count = int(abs(seconds) // unit_s)
    return f"{count} {unit} ago" if seconds > 0 else f"in {count} {unit}"


def ago(text: str | None) -> str:
    """Of RFC 3339; nothing for nothing, the text itself when it is no such time."""
    if not text:
        return ""
    try:
        return ago_ms(milliseconds(text))
    except ValueError:
        return text


def local(text: str | None) -> str:
    """`2026-03-01 12:00:00.123 (3 min ago)`, in local time."""
    if not text:
        return ""
    try:
        at_ms = milliseconds(text)
    except ValueError:
        return text
    return f"{time_text(at_ms)} ({ago_ms(at_ms)})"


def span(since_ms: int, at_ms: int) -> str:
    """`+340 ms`, `+12 s`."""
    passed = at_ms - since_ms
    return f"+{passed} ms" if 0 <= passed < 1000 else f"+{duration(passed / 1000)}" if passed > 0 else f"{passed} ms"
