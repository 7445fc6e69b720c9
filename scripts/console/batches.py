"""One verb for many invocations: in portions, each with its own end. Owns: nothing."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any, NamedTuple

from scripts.cli.people import Progress
from scripts.console.admin import Admin
from scripts.console.filters import Filter, where
from scripts.console.screen import print_json

__all__ = ["VERBS", "Verb", "carry_out", "matching"]

_PATH = "/internal/invocations_batch_operations"
#: Ids in one request.
_PORTION = 1000
#: Refusals that are printed; of the others their number.
_REFUSALS_SHOWN = 20


class Verb(NamedTuple):
    """`path`: of the batch. `can`: the condition for it to make sense, for filters. `done`: what is said of it."""

    path: str
    can: str
    done: str
    help: str


VERBS: dict[str, Verb] = {
    "cancel": Verb("cancel", "status != 'completed'", "cancelled", "let the handler clean up and end"),
    "kill": Verb("kill", "status != 'completed'", "killed", "end it now, and what it called"),
    "pause": Verb(
        "pause",
        "status in ('running', 'backing-off', 'ready', 'suspended')",
        "paused",
        "let nothing of it run until it is resumed",
    ),
    "resume": Verb(
        "resume", "status in ('paused', 'suspended', 'backing-off')", "resumed", "go on with a paused one, or retry now"
    ),
    "restart": Verb("restart-as-new", "status = 'completed'", "restarted", "do a completed one again, with a new id"),
    "purge": Verb("purge", "status = 'completed'", "purged", "forget a completed one"),
}


def matching(admin: Admin, asked: Filter, verb: Verb) -> list[dict[str, Any]]:
    """Id and target of each invocation that is meant and of which the verb makes sense."""
    return admin.rows(f"select id, target from sys_invocation{where(asked, also=verb.can)} order by created_at")


def carry_out(
    admin: Admin, verb: Verb, ids: Sequence[str], *, path: str | None = None, more: dict[str, Any], as_json: bool
) -> int:
    """Do it and tell. 1: at least one was refused. `path`: instead of the verb's. `more`: further fields."""
    done: list[Any] = []
    failed: list[dict[str, str]] = []
    progress = Progress(verb.done, end=len(ids))
    for start in range(0, len(ids), _PORTION):
        body = {"invocation_ids": list(ids[start : start + _PORTION]), **more}
        answer = admin.call("POST", f"{_PATH}/{path or verb.path}", body)[1]
        done += answer["succeeded"]
        failed += answer["failed"]
        progress.at(start + _PORTION)
    progress.done()
    if as_json:
        print_json({"succeeded": done, "failed": failed})
    else:
        _tell(verb, done, failed)
    return 1 if failed else 0


def _tell(verb: Verb, done: list[Any], failed: list[dict[str, str]]) -> None:
    for each in done if verb.path == "restart-as-new" else ():
        print(f"{each['old_invocation_id']} runs again as {each['new_invocation_id']}")
    for each in failed[:_REFUSALS_SHOWN]:
        text = each["error"] if each["invocation_id"] in each["error"] else f"{each['invocation_id']}: {each['error']}"
        print(text, file=sys.stderr)
    if len(failed) > _REFUSALS_SHOWN:
        print(f"and {len(failed) - _REFUSALS_SHOWN} more", file=sys.stderr)
    refused = f", {len(failed)} not" if failed else ""
    print(f"{len(done)} {verb.done}{refused}.")
