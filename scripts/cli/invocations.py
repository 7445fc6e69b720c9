"""`everlog invocations`: list them, look into one, and cancel, kill, pause, resume, restart or purge them."""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Sequence
from typing import Any

from scripts.cli.deeds import add_deeds, examples
from scripts.console import address, completing
from scripts.console.admin import Admin, part
from scripts.console.batches import VERBS, carry_out, matching
from scripts.console.details import STYLES, note_of, read_details, show_details
from scripts.console.failures import UsageError
from scripts.console.filters import STATUSES, Filter, parse_statuses, where
from scripts.console.grid import Column
from scripts.console.screen import Screen, confirmed, print_json
from scripts.console.when import ago, milliseconds, now_ms, rfc3339
from scripts.node.programs import Program
from shared.durations import parse_duration

__all__ = ["add_arguments", "run"]

_COLUMNS = (
    "id, target, status, created_at, modified_at, completed_at, scheduled_start_at, scheduled_at, next_retry_at, "
    "retry_count, last_failure, completion_result, completion_failure, pinned_deployment_id, idempotency_key"
)
_LIMIT = 30
_TARGETS_SHOWN = 3


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What `everlog invocations` takes."""
    examples(
        parser,
        "everlog invocations --service Counter --since 1h",
        "everlog invocations --status paused,backing-off",
        "everlog invocations inv_1…",
        "everlog invocations kill inv_1… inv_1…",
        "everlog invocations resume --service Trip --status paused",
    )
    deeds = add_deeds(parser, default="list")
    completing.first(deeds, completing.invocations)
    listing = deeds.add_parser(
        "list", help="the newest ones; with ID all about one (what is done when nothing is said)"
    )
    one = listing.add_argument("id", nargs="?", metavar="ID", help="inv_1…")
    completing.complete(one, completing.invocations)
    _add_filters(listing)
    listing.add_argument("--limit", "-n", type=_positive, default=_LIMIT, metavar="N", help=f"at most N ({_LIMIT})")
    listing.add_argument("--json", action="store_true", help="print a JSON array, or one object")
    address.add_node(listing)
    for name, verb in VERBS.items():
        deed = deeds.add_parser(name, help=verb.help)
        ids = deed.add_argument("ids", nargs="*", metavar="ID", help="inv_1…; or say which by what follows")
        completing.complete(ids, completing.invocations)
        _add_filters(deed)
        deed.add_argument("--all", action="store_true", help="all of which it makes sense")
        deed.add_argument("--yes", "-y", action="store_true", help="do not ask")
        if name in ("resume", "restart"):
            other = deed.add_argument("--deployment", dest="on", metavar="DP", help="on `latest`, `keep`, or this one")
            completing.complete(other, lambda p, a: ["latest", "keep", *completing.deployments(p, a)])
        if name == "restart":
            deed.add_argument("--from", dest="start", type=int, metavar="N", help="keep the journal up to entry N")
        if name == "purge":
            deed.add_argument("--journal", action="store_true", help="forget the journal alone")
        deed.add_argument("--json", action="store_true", help="print one JSON object")
        address.add_node(deed)


def _add_filters(parser: argparse.ArgumentParser) -> None:
    service = parser.add_argument("--service", metavar="S", help="of this service")
    completing.complete(service, completing.services)
    handler = parser.add_argument("--handler", metavar="H", help="of this handler")
    completing.complete(handler, completing.handlers)
    parser.add_argument("--key", metavar="K", help="of this object or workflow")
    status = parser.add_argument(
        "--status", action="append", default=[], metavar="ST", help=f"{', '.join(STATUSES)}, active, waiting, failed"
    )
    completing.complete(status, completing.words(*STATUSES, "active", "waiting", "failed", "succeeded"))
    parser.add_argument("--since", metavar="T", help="created within T (10m, 2h, 3d), or after a time of RFC 3339")


def _positive(text: str) -> int:
    if not text.isdecimal() or not int(text):
        raise argparse.ArgumentTypeError(f"{text!r} is no count: want 1 or more")
    return int(text)


def run(arguments: argparse.Namespace, programs: Sequence[Program]) -> int:
    """1: what was asked for is not there, or a verb was refused."""
    admin = Admin(address.admin_url(arguments))
    if arguments.deed != "list":
        return _do(arguments, admin)
    if arguments.id is not None:
        found = read_details(admin, arguments.id)
        if arguments.json:
            print_json(found.as_json())
        else:
            show_details(Screen(), found)
        return 0
    return _list(arguments, admin)


def _filter(arguments: argparse.Namespace) -> Filter:
    statuses, ends = parse_statuses(arguments.status)
    return Filter(arguments.service, arguments.handler, arguments.key, statuses, ends, _since(arguments.since))


def _since(text: str | None) -> str | None:
    if text is None:
        return None
    try:
        return rfc3339(now_ms() - parse_duration(text))
    except ValueError:
        pass
    try:
        return rfc3339(milliseconds(text))
    except ValueError as error:
        raise UsageError(f"--since is {text!r}: want a span such as 10m or 2h, or a time of RFC 3339") from error


def _list(arguments: argparse.Namespace, admin: Admin) -> int:
    asked = _filter(arguments)
    # One more than wanted: then there are more.
    rows = admin.rows(
        f"select {_COLUMNS} from sys_invocation{where(asked)} order by created_at desc limit {arguments.limit + 1}"
    )
    more, rows = len(rows) > arguments.limit, rows[: arguments.limit]
    if arguments.json:
        print_json(rows)
        return 0
    screen = Screen()
    if not rows:
        print("There are no invocations." if asked.is_empty else "No invocation is so.")
        return 0
    screen.table(
        (
            Column("ID", whole=True),
            Column("TARGET"),
            Column("STATUS", whole=True),
            Column("CREATED", whole=True),
            Column(""),
        ),
        [_cells(row) for row in rows],
    )
    if more:
        print(screen.paint("dim", f"There are more: --limit {arguments.limit * 10}, or say which."))
    return 0


def _cells(row: dict[str, Any]) -> list[Any]:
    failed = row.get("completion_result") == "failure"
    status = "failed" if failed else row["status"]
    style = "bad" if failed else STYLES.get(row["status"], "")
    return [row["id"], row["target"], (status, style), ago(row.get("created_at")), note_of(row)]


def _do(arguments: argparse.Namespace, admin: Admin) -> int:
    verb = VERBS[arguments.deed]
    asked = _filter(arguments)
    if arguments.ids and (arguments.all or not asked.is_empty):
        raise UsageError("say which by ids or by --service, --status and the like, not by both")
    if not arguments.ids and asked.is_empty and not arguments.all:
        raise UsageError(
            f"say which to {arguments.deed}: ids, --service, --handler, --key, --status, --since, or --all"
        )
    ids: list[str] = arguments.ids
    if not ids:
        found = matching(admin, asked, verb)
        if not found:
            print_json({"succeeded": [], "failed": []}) if arguments.json else print("No invocation is so.")
            return 0
        if not confirmed(f"{arguments.deed.capitalize()} {_count_words(found)}?", yes=arguments.yes):
            print("Nothing was done.")
            return 1
        ids = [row["id"] for row in found]
    on = getattr(arguments, "on", None)
    if getattr(arguments, "start", None) is not None:
        return _restart_from(arguments, admin, ids, on)
    path = "purge-journal" if getattr(arguments, "journal", False) else None
    # The batch takes Keep and Latest with a capital.
    more = {} if on is None else {"deployment": on.capitalize() if on in ("keep", "latest") else on}
    return carry_out(admin, verb, ids, path=path, more=more, as_json=arguments.json)


def _count_words(found: Sequence[dict[str, Any]]) -> str:
    """`42 invocations (40 of Counter/add, 2 of Greeter/greet)`."""
    handlers = Counter(_without_key(row["target"]) for row in found)
    parts = [f"{count} of {name}" for name, count in handlers.most_common(_TARGETS_SHOWN)]
    if len(handlers) > _TARGETS_SHOWN:
        parts.append("others")
    return f"{len(found)} {'invocation' if len(found) == 1 else 'invocations'} ({', '.join(parts)})"


def _without_key(target: str) -> str:
    service, _, rest = target.partition("/")
    return f"{service}/{rest.rpartition('/')[2]}"


def _restart_from(arguments: argparse.Namespace, admin: Admin, ids: Sequence[str], on: str | None) -> int:
    """One by one: batches know no index."""
    done = []
    for each in ids:
        deployment = "" if on is None else f"&deployment={part(on)}"
        answer = admin.call("PATCH", f"/invocations/{part(each)}/restart-as-new?from={arguments.start}{deployment}")[1]
        done.append({"old_invocation_id": each, "new_invocation_id": answer["new_invocation_id"]})
        if not arguments.json:
            print(f"{each} runs again as {answer['new_invocation_id']}")
    if arguments.json:
        print_json({"succeeded": done, "failed": []})
    return 0
