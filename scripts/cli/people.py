"""What several verbs print for people: times, colours on a terminal, progress."""

from __future__ import annotations

import datetime
import os
import sys
import time

__all__ = ["Paint", "Progress", "time_text"]


def time_text(at_ms: int) -> str:
    """`2026-03-01 12:00:00.123`, local time; `never` for 0 and for what no calendar has."""
    try:
        return datetime.datetime.fromtimestamp(at_ms / 1000).isoformat(" ", "milliseconds") if at_ms else "never"
    except (ValueError, OverflowError, OSError):
        return f"{at_ms} ms"


class Paint:
    """Colours, if stdout is a terminal and NO_COLOR is not set."""

    def __init__(self) -> None:
        self._on = sys.stdout.isatty() and not os.environ.get("NO_COLOR")

    def dim(self, text: str) -> str:
        return self._in("2", text)

    def bold(self, text: str) -> str:
        return self._in("1", text)

    def good(self, text: str) -> str:
        return self._in("32", text)

    def bad(self, text: str) -> str:
        return self._in("31", text)

    def note(self, text: str) -> str:
        return self._in("36", text)

    def _in(self, code: str, text: str) -> str:
        return f"\x1b[{code}m{text}\x1b[0m" if self._on and text else text


class Progress:
    """How far something is, on stderr, once a second and only on a terminal."""

    def __init__(self, what: str, *, end: int) -> None:
        self._what = what
        self._end = end
        self._next = time.monotonic() + 1.0
        self._on = sys.stderr.isatty()
        self._written = False

    def at(self, place: int) -> None:
        if self._on and time.monotonic() >= self._next:
            self._next += 1.0
            self._written = True
            print(f"\r{self._what}: {place} of {self._end}", end="", file=sys.stderr, flush=True)

    def done(self) -> None:
        """Take the line away."""
        if self._written:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)
