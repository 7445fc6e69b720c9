"""`everlog services`: what can be called; with a name its handlers, deployment, settings and counts."""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence
from typing import Any

from scripts.cli.deeds import examples
from scripts.console import address, completing
from scripts.console.admin import Admin, part
from scripts.console.details import STYLES
from scripts.console.filters import STATUSES, literal
from scripts.console.grid import Cell, Column
from scripts.console.screen import Screen, print_json
from scripts.node.programs import Program

__all__ = ["KINDS", "add_arguments", "counts_by_status", "run"]

#: As the admin API calls them -> as people do.
KINDS = {"Service": "service", "VirtualObject": "virtual object", "Workflow": "workflow"}
_SETTINGS = (
    "idempotency_retention",
    "workflow_completion_retention",
    "journal_retention",
    "inactivity_timeout",
    "abort_timeout",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What `everlog services` takes."""
    examples(
        parser,
        "everlog services",
        "everlog services Counter",
    )
    name = parser.add_argument("name", nargs="?", metavar="SERVICE", help="all about this one")
    completing.complete(name, completing.services)
    parser.add_argument("--json", action="store_true", help="print a JSON array, or one object")
    address.add_node(parser)


def run(arguments: argparse.Namespace, programs: Sequence[Program]) -> int:
    """1: there is no such service."""
    admin = Admin(address.admin_url(arguments))
    if arguments.name is None:
        return _list(arguments, admin)
    service = admin.get(f"/services/{part(arguments.name)}")
    deployment = admin.get(f"/deployments/{part(service['deployment_id'])}")
    counts = counts_by_status(admin, f"target_service_name = {literal(service['name'])}")
    if arguments.json:
        print_json({**service, "invocations": counts})
    else:
        _show(Screen(), service, deployment, counts)
    return 0


def counts_by_status(admin: Admin, condition: str) -> dict[str, int]:
    """Status -> number of invocations; completed ones that failed are `failed`."""
    rows = admin.rows(
        "select status, completion_result, count(*) as n from sys_invocation "
        f"where {condition} group by status, completion_result"
    )
    counts: dict[str, int] = {}
    for row in rows:
        name = "failed" if row.get("completion_result") == "failure" else row["status"]
        counts[name] = counts.get(name, 0) + row["n"]
    return {name: counts[name] for name in (*STATUSES, "failed") if name in counts}


def _list(arguments: argparse.Namespace, admin: Admin) -> int:
    services = sorted(admin.get("/services")["services"], key=lambda service: str(service["name"]))
    if arguments.json:
        print_json(services)
        return 0
    if not services:
        print("There are none. Register a deployment with: everlog deployments register URL")
        return 0
    columns = (
        Column("SERVICE"),
        Column("KIND", whole=True),
        Column("REVISION", right=True),
        Column("DEPLOYMENT", whole=True),
        Column("HANDLERS"),
    )
    Screen().table(columns, [_cells(service) for service in services])
    return 0


def _cells(service: dict[str, Any]) -> list[Cell]:
    kind = KINDS.get(service["ty"], service["ty"])
    handlers = ", ".join(handler["name"] for handler in service["handlers"])
    shown = kind if service["public"] else f"{kind}, private"
    return [service["name"], shown, str(service["revision"]), service["deployment_id"], handlers]


def _show(screen: Screen, service: dict[str, Any], deployment: dict[str, Any], counts: dict[str, int]) -> None:
    screen.title(service["name"])
    retry = service["retry_policy"]
    attempts = retry.get("max_attempts")
    end = f"then {retry['on_max_attempts'].lower()}" if attempts and retry.get("on_max_attempts") else "without end"
    pauses = f"{retry['initial_interval']} × {retry['exponentiation_factor']}, at most {retry.get('max_interval')}"
    many = f"{attempts} attempts, {end}" if attempts else "without end"
    facts: list[tuple[str, Cell]] = [
        ("kind", KINDS.get(service["ty"], service["ty"])),
        ("about", service.get("documentation") or ""),
        ("deployment", f"{service['deployment_id']} at {_where(deployment)}"),
        ("revision", str(service["revision"])),
        ("public", "yes" if service["public"] else ("no: only other services may call it", "bad")),
        *((name.replace("_", " "), service[name]) for name in _SETTINGS if service.get(name)),
        ("lazy state", "yes" if service.get("enable_lazy_state") else ""),
        ("retries", f"{pauses}; {many}"),
    ]
    screen.facts(facts)
    print()
    screen.title("handlers")
    columns = (Column("HANDLER", whole=True), Column("KIND"), Column("TAKES"), Column("GIVES"), Column(""))
    screen.table(columns, [_handler_cells(handler) for handler in service["handlers"]])
    print()
    screen.title("invocations")
    if not counts:
        print("  none")
    screen.facts(
        [(name, (f"{count:,}", "bad" if name == "failed" else STYLES.get(name, ""))) for name, count in counts.items()]
    )


def _handler_cells(handler: dict[str, Any]) -> list[Cell]:
    notes = [] if handler.get("public", True) else ["private"]
    if handler.get("documentation"):
        notes.append(handler["documentation"])
    kind = (handler.get("ty") or "").lower()
    takes, gives = (_short(handler[name]) for name in ("input_description", "output_description"))
    return [handler["name"], kind, takes, gives, ", ".join(notes)]


def _short(description: str) -> str:
    """`value of content-type 'application/json'` -> `application/json`; other words stay."""
    found = re.fullmatch(r"value of content-type '([^']*)'", description)
    return found[1] if found else description


def _where(deployment: dict[str, Any]) -> str:
    return str(deployment.get("uri") or deployment.get("arn") or "an unknown place")
