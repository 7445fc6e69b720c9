"""A case: requests that both runtimes get, and what is looked at. Pure: no I/O (`scene.py` carries it out).

In paths and bodies, `{key}` is a text of this case alone, `{it}` the invocation that the first send or call began,
and `{<name>}` the one begun under that name. A path begins with a service: `Box/{key}/put`; the scene puts the
mode and the SDK before it. One that begins with `/` is sent as it is, with `{service:Box}` for a service's name.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.compat.modes import ALL

__all__ = [
    "ILL_FORMED",
    "LATE",
    "NOTHING",
    "NO_TRACE",
    "PY",
    "TS",
    "Admin",
    "Awakeable",
    "Case",
    "Difference",
    "Family",
    "Http",
    "Look",
    "Step",
    "Until",
    "admin",
    "attach",
    "awakeable",
    "call",
    "get",
    "look",
    "output",
    "post",
    "send",
    "until",
]

NOTHING: Any = object()
PY, TS = "Py", "Ts"
#: A delayed send that arrives when its time has come, on a slow machine, was never scheduled.
LATE = frozenset({"scheduled_at", "scheduled_start_at"})


@dataclass(frozen=True)
class Http:
    """One request to the ingress. `name`: what the invocation that it begins is called. Seen: the whole answer."""

    method: str
    path: str
    body: Any = NOTHING
    headers: Mapping[str, str] = field(default_factory=dict)
    name: str = ""
    together: int = 1
    #: Whether an answer was kept is told by a header; where it may be either, by a hair's breadth, it is not looked at.
    kept: bool = False


@dataclass(frozen=True)
class Admin:
    """One request to the admin API about an invocation. Seen: the answer."""

    method: str
    path: str
    body: Any = NOTHING
    name: str = ""


@dataclass(frozen=True)
class Until:
    """Wait until `sys_invocation` has a row of `name` with these values. Seen: nothing, or that it never was so.

    A value `a|b` is either.
    """

    name: str
    values: Mapping[str, Any]


@dataclass(frozen=True)
class Awakeable:
    """Complete the awakeable of this number, once its id is in the box of the case's key."""

    number: int
    verb: str
    body: Any


@dataclass(frozen=True)
class Family:
    """Wait until `name` has callees, theirs included, with journals of these sizes and nothing else under way."""

    name: str
    journal_sizes: tuple[int, ...]


@dataclass(frozen=True)
class Look:
    """Seen: columns of `sys_invocation`, of `name`; no row when there is none."""

    name: str
    columns: tuple[str, ...]


Step = Http | Admin | Until | Family | Awakeable | Look


@dataclass(frozen=True)
class Difference:
    """Where Everlog is not as the oracle, on purpose. Of the lines that only the oracle or only Everlog has, each
    matches a pattern of `theirs` or `ours`, and each pattern matches one. ARCHITECTURE.md lists them with more words.
    """

    why: str
    theirs: tuple[str, ...] = ()
    ours: tuple[str, ...] = ()
    #: It shows in some runs only, by what races there.
    sometimes: bool = False


@dataclass(frozen=True)
class Case:
    """`sdks`: whose services have the handlers. `ignore`: columns, `journal` or `events`, that no two runs share."""

    title: str
    steps: tuple[Step, ...]
    sdks: tuple[str, ...] = (PY, TS)
    modes: tuple[str, ...] = ALL
    ignore: frozenset[str] = frozenset()
    differs: Difference | None = None


ILL_FORMED = Difference(
    "an ill-formed id is worded differently, and the command is named",
    theirs=("saw .*500", "completion_failure", "event TransientError"),
    ours=("saw .*500", "completion_failure", "event TransientError .*related_command_index"),
)
NO_TRACE = Difference(
    "a service's stack trace is not told to its clients",
    theirs=('saw .*"stacktrace"',),
    ours=("saw ",),
)


def call(
    path: str, body: Any = NOTHING, *, name: str = "it", together: int = 1, kept: bool = False, **headers: str
) -> Http:
    """A call by the ingress; `together` sends that many at once. Header `idempotency_key` is `idempotency-key`."""
    return Http("POST", path, body, _named(headers), name, together, kept)


def send(path: str, body: Any = NOTHING, *, name: str = "it", query: str = "", **headers: str) -> Http:
    return Http("POST", f"{path}/send{query}", body, _named(headers), name)


def get(path: str, *, kept: bool = False, **headers: str) -> Http:
    return Http("GET", path, NOTHING, _named(headers), kept=kept)


def post(path: str, body: Any = NOTHING, **headers: str) -> Http:
    return Http("POST", path, body, _named(headers))


def attach(name: str = "it") -> Http:
    return Http("GET", f"/restate/invocation/{{{name}}}/attach")


def output(name: str = "it", *, kept: bool = False) -> Http:
    return Http("GET", f"/restate/invocation/{{{name}}}/output", kept=kept)


def awakeable(number: int, verb: str, body: Any) -> Awakeable:
    return Awakeable(number, verb, body)


def admin(verb: str, name: str = "it", *, new: str = "") -> Admin:
    """`cancel`, `kill`, `purge`, `purge-journal`, `pause`, `resume`, `restart-as-new`. `new`: what it makes."""
    verb, _, query = verb.partition("?")
    return Admin("PATCH", f"/invocations/{{{name}}}/{verb}{'?' + query if query else ''}", NOTHING, new)


def until(status: str, name: str = "it", **values: Any) -> Until:
    """`status` may be empty, for any."""
    return Until(name, {"status": status, **values} if status else values)


def look(name: str, *columns: str) -> Look:
    return Look(name, columns)


def _named(headers: Mapping[str, str]) -> dict[str, str]:
    return {name.replace("_", "-"): value for name, value in headers.items()}
