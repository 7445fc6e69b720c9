"""Hides what two runs of one case may differ in: ids and times. Pure: no I/O."""

from __future__ import annotations

import json
import re
from typing import Any

__all__ = ["masked", "readable"]

#: A stack trace tells how an event loop came there. Retentions of a callee are in its own row; the oracle has them in
#: its caller's journal too.
_LEFT_OUT = ("error_stacktrace", "completion_retention_duration", "journal_retention_duration")

_MASKS = (
    (re.compile(r"\b(inv|sign|prom|dp|sub|vq)_1[0-9A-Za-z_-]{8,}"), r"<\1>"),
    (re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|\+00:00)?"), "<time>"),
    (re.compile(r"\b1[6-9]\d{11}(\.\d+)?\b|\b1[6-9]\d{8}\.\d+\b"), "<time>"),
    (re.compile(r"\b0\.\d{10,}\b|\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b"), "<chance>"),
    (re.compile(r"\b[0-7][0-9A-HJKMNP-TV-Z]{25}\b"), "<ulid>"),
    (re.compile(r"127\.0\.0\.1:\d+(/[eo]/)?"), "<address>/"),
)


def masked(value: Any) -> Any:
    """The same, with ids and times hidden in all texts."""
    if isinstance(value, str):
        for pattern, instead in _MASKS:
            value = pattern.sub(instead, value)
        return value
    if isinstance(value, list):
        return [masked(each) for each in value]
    if isinstance(value, dict):
        return {masked(name): masked(each) for name, each in value.items()}
    if isinstance(value, int) and not isinstance(value, bool) and 1_600_000_000_000 < value < 2_000_000_000_000:
        return "<time>"
    return value


def readable(value: Any) -> Any:
    """JSON of a journal: lists of bytes become texts, and texts that are JSON are read."""
    if isinstance(value, list):
        if value and all(isinstance(each, int) and 0 <= each < 256 for each in value):
            return bytes(value).decode("utf-8", "backslashreplace")
        return [readable(each) for each in value]
    if isinstance(value, dict):
        # The oracle tells the names of a state in no order.
        return {
            name: readable(sorted(each) if name == "state_keys" else each)
            for name, each in value.items()
            if name not in _LEFT_OUT
        }
    if isinstance(value, str) and value[:1] in "{[":
        try:
            return readable(json.loads(value))
        except ValueError:
            return value
    return value
