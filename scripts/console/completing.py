"""What the shell may complete: names that the node knows. Owns: nothing; asks with a short patience, and never fails.

`argcomplete` runs `everlog` with the words typed so far; it is loaded only then (`scripts.cli.main`).
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable
from typing import Any

__all__ = [
    "complete",
    "deployments",
    "first",
    "handlers",
    "invocations",
    "keyed_services",
    "nothing",
    "safe",
    "services",
    "targets",
    "words",
]

_WITHIN_S = 1.0
_IDS_MAX = 50
#: (what is typed of the word, the arguments so far) -> words.
Completer = Callable[[str, argparse.Namespace], Iterable[str]]


def complete(action: Any, completer: Completer) -> None:
    """Let the shell ask `completer` for values of this argument."""

    action.completer = safe(completer)


def safe(completer: Completer) -> Callable[..., list[str]]:
    """Whatever goes wrong: a TAB must not print a failure into the line that is typed."""

    def safely(prefix: str, parsed_args: argparse.Namespace, **unused: Any) -> list[str]:
        try:
            return list(completer(prefix, parsed_args))
        except Exception:
            return []

    return safely


def first(deeds: Any, completer: Completer) -> None:
    """Names of deeds, or of what the default deed takes."""
    complete(deeds, lambda prefix, arguments: [*deeds.choices, *safe(completer)(prefix, arguments)])


def words(*choices: str) -> Completer:
    """Of a fixed list."""
    return lambda prefix, arguments: choices


def nothing(prefix: str, arguments: argparse.Namespace) -> list[str]:
    """Not even the names of files."""
    return []


def services(prefix: str, arguments: argparse.Namespace) -> list[str]:
    return [service["name"] for service in _services(arguments)]


def keyed_services(prefix: str, arguments: argparse.Namespace) -> list[str]:
    """Those that have state."""
    return [service["name"] for service in _services(arguments) if service["ty"] != "Service"]


def handlers(prefix: str, arguments: argparse.Namespace) -> list[str]:
    """Of `--service`, or of all."""
    only = getattr(arguments, "service", None)
    return sorted(
        {
            handler["name"]
            for service in _services(arguments)
            if only in (None, service["name"])
            for handler in service["handlers"]
        }
    )


def targets(prefix: str, arguments: argparse.Namespace) -> list[str]:
    """`Greeter/greet`; of an object first `Counter/`, and its handlers behind the key."""
    name, slash, rest = prefix.partition("/")
    found = []
    for service in _services(arguments):
        keyed = service["ty"] != "Service"
        if not slash or service["name"] != name:
            found.append(f"{service['name']}/")
        elif not keyed:
            found += [f"{name}/{handler['name']}" for handler in service["handlers"]]
        elif "/" in rest:
            key = rest.rpartition("/")[0]
            found += [f"{name}/{key}/{handler['name']}" for handler in service["handlers"]]
    return found


def deployments(prefix: str, arguments: argparse.Namespace) -> list[str]:
    return [each["id"] for each in _admin(arguments).get("/deployments")["deployments"]]


def invocations(prefix: str, arguments: argparse.Namespace) -> list[str]:
    """The newest that have not ended."""
    sql = "select id from sys_invocation where status != 'completed' order by created_at desc"
    return [row["id"] for row in _admin(arguments).rows(f"{sql} limit {_IDS_MAX}")]


def _services(arguments: argparse.Namespace) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = _admin(arguments).get("/services")["services"]
    return found


def _admin(arguments: argparse.Namespace) -> Any:
    from scripts.console.address import admin_url
    from scripts.console.admin import Admin

    return Admin(admin_url(arguments), within_s=_WITHIN_S)
