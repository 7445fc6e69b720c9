"""What a chapter consists of. Pure: no I/O.

In all texts `{name}` stands for an id that the play knows by that name (an invocation, a deployment), `{services}` for
the base URL of the services, `{nobody}` for one where nobody listens, `{folder}` for a folder of the play's own.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

__all__ = ["Child", "Cli", "Deployment", "Differs", "Http", "State", "Step", "Until", "do", "look", "titled"]


@dataclass(frozen=True)
class Differs:
    """Why Everlog's output is another on purpose: where the oracle says `theirs`, it says `ours` (regular expression,
    and its replacement)."""

    reason: str
    theirs: str
    ours: str


@dataclass(frozen=True)
class Cli:
    """`restate` with these words. `changes`: it is carried out alone and in its turn; what only looks may be carried
    out beside its neighbours.

    `shuffled`: the CLI itself prints its lines in no order. `environment`: more variables, or others.
    `typed`: it runs on a terminal, and this is what is typed there when it asks. `seldom`: not in CI, only when all are
    asked for.
    """

    words: str
    changes: bool
    shuffled: bool = False
    environment: Mapping[str, str] = field(default_factory=dict)
    differs: tuple[Differs, ...] = ()
    typed: str = ""
    seldom: bool = False


@dataclass(frozen=True)
class Http:
    """A request at the ingress; its invocation gets the `name`."""

    path: str
    name: str
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Until:
    """The invocation of that name has this status."""

    name: str
    status: str


@dataclass(frozen=True)
class Child:
    """Name an invocation that `parent` has begun at `handler`."""

    name: str
    parent: str
    handler: str


@dataclass(frozen=True)
class Deployment:
    """Name the deployment whose address ends so."""

    name: str
    path: str


@dataclass(frozen=True)
class State:
    """The entry `name` of an object's state is `value`, as JSON; None when it is gone."""

    service: str
    key: str
    name: str
    value: str | None


Step = Cli | Http | Until | Child | Deployment | State


def look(words: str, **options: Any) -> Cli:
    """A command that changes nothing."""
    return Cli(words, changes=False, **options)


def do(words: str, **options: Any) -> Cli:
    """A command that changes something."""
    return Cli(words, changes=True, **options)


def titled(steps: Iterable[Step]) -> dict[str, Cli]:
    """-> the commands by their words; the second time by their words and a 2."""
    found: dict[str, Cli] = {}
    times: Counter[str] = Counter()
    for step in steps:
        if isinstance(step, Cli):
            times[step.words] += 1
            number = times[step.words]
            found[step.words if number == 1 else f"{step.words}  # {number}"] = step
    return found
