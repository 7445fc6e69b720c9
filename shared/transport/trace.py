"""W3C Trace Context: what a client sends is what the services get, those that its call calls too. Pure: no I/O.

We make no spans of our own, so that we are what the recommendation calls a pass-through: the parent of a service's
span is the span of the client. Sections are those of https://www.w3.org/TR/trace-context/.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

__all__ = ["read_trace", "trace_headers"]

# Section 3.2: a later version has a further part behind the flags, and none has ids of zeros alone.
_PARENT = re.compile(r"(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(?:-.*)?")
_PARENT_CHARS = 55
# Section 3.3.1.
_MEMBER = re.compile(r"[a-z0-9][a-z0-9_\-*/@]{0,255}=[ -+\--<>-~]{0,255}[!-+\--<>-~]")
_MEMBERS_MAX = 32
#: Section 3.3.1.5: as much as everybody has to pass on. It is in the row of the invocation and of each callee.
_STATE_CHARS_MAX = 512


def read_trace(headers: Mapping[str, str]) -> tuple[str | None, str | None]:
    """`traceparent` as of version 00, and `tracestate`; None for what is missing or breaks the rules."""
    parent = headers.get("traceparent")
    if parent is None or not _is_parent(parent):
        return None, None
    state = headers.get("tracestate")
    return "00" + parent[2:_PARENT_CHARS], None if state is None else _read_state(state)


def trace_headers(traceparent: str, tracestate: str | None) -> list[tuple[str, str]]:
    """What is sent to a service. A stored one that is none, of an older build, is not."""
    if not _is_parent(traceparent):
        return []
    headers = [("traceparent", traceparent)]
    if tracestate is not None:
        headers.append(("tracestate", tracestate))
    return headers


def _is_parent(text: str) -> bool:
    return _PARENT.fullmatch(text) is not None and (len(text) == _PARENT_CHARS or not text.startswith("00"))


def _read_state(text: str) -> str | None:
    members = [member.strip(" \t") for member in text.split(",")]
    members = [member for member in members if member]
    if not members or len(members) > _MEMBERS_MAX or not all(map(_MEMBER.fullmatch, members)):
        return None
    state = ",".join(members)
    return state if len(state) <= _STATE_CHARS_MAX else None
