"""Which invocations are meant, as SQL. Pure: no I/O."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from scripts.console.failures import UsageError

__all__ = ["STATUSES", "Filter", "literal", "parse_statuses", "where"]

#: As `sys_invocation` shows them.
STATUSES = ("pending", "scheduled", "ready", "running", "backing-off", "suspended", "paused", "completed")
#: What people say of several, and how a completed one ended.
_GROUPS = {
    "active": tuple(each for each in STATUSES if each != "completed"),
    "waiting": ("pending", "scheduled", "ready"),
}
_ENDS = {"succeeded": "success", "failed": "failure"}


class Filter(NamedTuple):
    """Nothing said: all. `since`: RFC 3339, of the creation. `ends`: `success`, `failure` of completed ones."""

    service: str | None = None
    handler: str | None = None
    key: str | None = None
    statuses: tuple[str, ...] = ()
    ends: tuple[str, ...] = ()
    since: str | None = None
    deployment: str | None = None

    @property
    def is_empty(self) -> bool:
        return not any(self)


def literal(text: str) -> str:
    """A string of SQL."""
    return "'" + text.replace("'", "''") + "'"


def parse_statuses(texts: Sequence[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """`running,paused`, `active`, `failed` -> (statuses, ends). Raises UsageError."""
    statuses: list[str] = []
    ends: list[str] = []
    for word in (word.strip().lower() for text in texts for word in text.split(",")):
        if word in _GROUPS:
            statuses += _GROUPS[word]
        elif word in _ENDS:
            ends.append(_ENDS[word])
        elif word in STATUSES:
            statuses.append(word)
        else:
            known = ", ".join((*STATUSES, *_GROUPS, *_ENDS))
            raise UsageError(f"there is no status {word!r}; there are {known}")
    return tuple(dict.fromkeys(statuses)), tuple(dict.fromkeys(ends))


def where(asked: Filter, *, also: str = "") -> str:
    """` where …`, or nothing. `also`: a further condition."""
    columns = {
        "target_service_name": asked.service,
        "target_handler_name": asked.handler,
        "target_service_key": asked.key,
        "pinned_deployment_id": asked.deployment,
    }
    terms = [f"{column} = {literal(value)}" for column, value in columns.items() if value is not None]
    kinds = []
    if asked.statuses:
        kinds.append(f"status in ({', '.join(map(literal, asked.statuses))})")
    if asked.ends:
        kinds.append(f"completion_result in ({', '.join(map(literal, asked.ends))})")
    if kinds:
        terms.append(kinds[0] if len(kinds) == 1 else f"({' or '.join(kinds)})")
    if asked.since is not None:
        terms.append(f"created_at >= {literal(asked.since)}")
    if also:
        terms.append(also)
    return f" where {' and '.join(terms)}" if terms else ""
