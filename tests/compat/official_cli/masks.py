"""Hides what two runs of one command may differ in. Pure: no I/O.

Ids that the play has a name for become that name, so that a list with the wrong invocation in it is seen.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from tests.compat.masks import masked

__all__ = ["tidied"]

_UNIT = r"(?:ns|µs|ms|seconds?|minutes?|hours?|days?|weeks?|months?|years?)"
_LENGTH = rf"-?\d+ {_UNIT}(?:(?:,| and) \d+ {_UNIT})*"
_MASKS = (
    # Its errors are in colour whatever it is told.
    (re.compile(r"\x1b\[[0-9;]*m"), ""),
    (re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(\.\d+)? \+00:00"), "<time>"),
    (re.compile(r"\b\w{3} \d\d \w{3} \d{4} \d\d:\d\d:\d\d \+00:00"), "<time>"),
    (re.compile(rf"(in )?\b{_LENGTH}( ago)?|\b(just )?now\b( ago)?"), "<while>"),
    # Told once a key is held for 5 s.
    (
        re.compile(
            r"\(<while>\.\s+The\s+key\s+will\s+not\s+be\s+released\s+until\s+this\s+invocation\s+is\s+complete\)"
        ),
        "(<while>)",
    ),
    (re.compile(r"took \d+(\.\d+)?(ns|µs|ms|s)"), "took <while>"),
    (re.compile(r"restate-sdk-python/[\w.+-]+"), "<sdk>"),
    (re.compile(r"\b[0-9a-f]{32}\b"), "<trace>"),
    # Worded differently on purpose; the code and the status are compared.
    (re.compile(r"(META\d{4}|<UNKNOWN>) (?:(?!-> Http).)*?(?=\n +-> Http)", re.DOTALL), r"\1 <message>"),
    (re.compile(r"Traceback \(most recent call last\):\n(?: .*\n)+"), "<traceback>\n"),
    # Of a trace that is a cell of a table: where the SDK is installed.
    (re.compile(r'File "[^"]*/site-packages/([^"]+)", line \d+'), r'File "<packages>/\1", line <n>'),
    (re.compile(r"^( *(?:Version|Target|Build Time|Git \w+.*?)  +)\S.*$", re.MULTILINE), r"\1<build>"),
    (re.compile(r"[─═┄╌]{2,}"), "──"),
)
_GAP = re.compile(r"(?<=\S) {2,}")


def tidied(text: str, names: Mapping[str, str]) -> str:
    """A command's output, without times, ids, ports, and widths. `names`: text -> its name."""
    for known, name in sorted(names.items(), key=lambda each: -len(each[0])):
        text = text.replace(known, f"<{name}>")
    for pattern, instead in _MASKS:
        text = pattern.sub(instead, text)
    text = str(masked(text))
    return "\n".join(_GAP.sub("  ", line).rstrip() for line in text.splitlines())
