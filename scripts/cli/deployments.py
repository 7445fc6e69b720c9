"""`everlog deployments`: where services run; register and remove them."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any

from scripts.cli.deeds import add_deeds, examples
from scripts.cli.services import KINDS, counts_by_status
from scripts.console import address, completing
from scripts.console.admin import Admin, part
from scripts.console.calls import parse_header
from scripts.console.filters import literal
from scripts.console.grid import Cell, Column
from scripts.console.screen import Screen, confirmed, print_json
from scripts.console.when import ago, local
from scripts.node.programs import Program

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What `everlog deployments` takes."""
    examples(
        parser,
        "everlog deployments",
        "everlog deployments register http://localhost:9080",
        "everlog deployments dp_1…",
    )
    deeds = add_deeds(parser, default="list")
    completing.first(deeds, completing.deployments)
    listing = deeds.add_parser("list", help="all; with ID all about one (what is done when nothing is said)")
    one = listing.add_argument("id", nargs="?", metavar="ID", help="dp_1…")
    completing.complete(one, completing.deployments)
    registering = deeds.add_parser("register", help="tell the node where services are")
    url = registering.add_argument("url", metavar="URL", help="such as http://localhost:9080")
    completing.complete(url, completing.nothing)
    registering.add_argument("--force", action="store_true", help="ask again what is there, though it is known")
    registering.add_argument("--breaking", action="store_true", help="let services change their kind")
    registering.add_argument("--dry-run", action="store_true", help="only say what would come of it")
    registering.add_argument("--http1", action="store_true", help="speak HTTP/1.1 to it")
    registering.add_argument(
        "--header", "-H", action="append", default=[], metavar="'N: V'", help="send this with each request; many may be"
    )
    removing = deeds.add_parser("remove", help="forget a deployment; what runs on it fails from then on")
    which = removing.add_argument("id", metavar="ID", help="dp_1…")
    completing.complete(which, completing.deployments)
    removing.add_argument("--yes", "-y", action="store_true", help="do not ask")
    for deed in (listing, registering, removing):
        deed.add_argument("--json", action="store_true", help="print JSON")
        address.add_node(deed)


def run(arguments: argparse.Namespace, programs: Sequence[Program]) -> int:
    """1: there is no such deployment, or it cannot be registered."""
    admin = Admin(address.admin_url(arguments))
    if arguments.deed == "register":
        return _register(arguments, admin)
    if arguments.deed == "remove":
        return _remove(arguments, admin)
    return _list(arguments, admin) if arguments.id is None else _show(arguments, admin)


def _list(arguments: argparse.Namespace, admin: Admin) -> int:
    deployments = sorted(
        admin.get("/deployments")["deployments"], key=lambda each: str(each["created_at"]), reverse=True
    )
    if arguments.json:
        print_json(deployments)
        return 0
    if not deployments:
        print("There are none. Register one with: everlog deployments register URL")
        return 0
    columns = (
        Column("ID", whole=True),
        Column("AT"),
        Column("SDK"),
        Column("REGISTERED", whole=True),
        Column("SERVICES"),
    )
    Screen().table(columns, [_cells(each) for each in deployments])
    return 0


def _cells(deployment: dict[str, Any]) -> list[Cell]:
    services = ", ".join(f"{each['name']} r{each['revision']}" for each in deployment["services"])
    sdk = (deployment.get("sdk_version") or "").removeprefix("restate-sdk-")
    return [deployment["id"], _where(deployment), sdk, ago(deployment.get("created_at")), services]


def _where(deployment: dict[str, Any]) -> str:
    return str(deployment.get("uri") or deployment.get("arn") or "")


def _pinned(admin: Admin, deployment_id: str) -> dict[str, int]:
    return counts_by_status(admin, f"pinned_deployment_id = {literal(deployment_id)} and status != 'completed'")


def _show(arguments: argparse.Namespace, admin: Admin) -> int:
    found = admin.get(f"/deployments/{part(arguments.id)}")
    pinned = _pinned(admin, found["id"])
    if arguments.json:
        print_json({**found, "unfinished_invocations": pinned})
        return 0
    screen = Screen()
    screen.title(found["id"])
    mode = {"BidiStream": "streams", "RequestResponse": "requests and responses"}.get(
        found.get("protocol_type", ""), ""
    )
    http = " ".join(text for text in (found.get("http_version", ""), mode) if text)
    headers = found.get("additional_headers") or {}
    screen.facts(
        [
            ("at", _where(found)),
            ("SDK", found.get("sdk_version") or ""),
            ("speaks", f"{http}, protocol {found['min_protocol_version']} to {found['max_protocol_version']}"),
            ("registered", local(found.get("created_at"))),
            *((f"sends {name}", value) for name, value in headers.items()),
            *((name, str(value)) for name, value in (found.get("metadata") or {}).items()),
            ("runs", ", ".join(f"{count} {status}" for status, count in pinned.items()) or "nothing"),
        ]
    )
    print()
    _show_services(screen, found["services"])
    return 0


def _show_services(screen: Screen, services: Sequence[dict[str, Any]]) -> None:
    columns = (Column("SERVICE"), Column("KIND", whole=True), Column("REVISION", right=True), Column("HANDLERS"))
    rows: list[list[Cell]] = [
        [
            service["name"],
            KINDS.get(service["ty"], service["ty"]),
            str(service["revision"]),
            ", ".join(handler["name"] for handler in service["handlers"]),
        ]
        for service in services
    ]
    screen.table(columns, rows)


def _register(arguments: argparse.Namespace, admin: Admin) -> int:
    body = {
        "uri": arguments.url if "://" in arguments.url else f"http://{arguments.url}",
        "force": arguments.force,
        "breaking": arguments.breaking,
        "dry_run": arguments.dry_run,
        "use_http_11": arguments.http1,
    }
    headers = dict(map(parse_header, arguments.header))
    if headers:
        body["additional_headers"] = headers
    status, found = admin.call("POST", "/deployments", body)
    if arguments.json:
        print_json(found)
        return 0
    deed = "Registered" if status == 201 else "Asked again" if arguments.force else "Known already"
    if arguments.dry_run:
        deed = "Would be registered"
    print(f"{deed}: {found['id']} at {body['uri']}")
    _show_services(Screen(), found["services"])
    if status == 200 and not arguments.force and not arguments.dry_run:
        print("To ask it again what it serves, say --force.")
    return 0


def _remove(arguments: argparse.Namespace, admin: Admin) -> int:
    found = admin.get(f"/deployments/{part(arguments.id)}")
    pinned = sum(_pinned(admin, found["id"]).values())
    names = ", ".join(each["name"] for each in found["services"])
    runs = f" {pinned} invocations that run on it will fail." if pinned else ""
    if not confirmed(f"Remove {found['id']} at {_where(found)} ({names})?{runs}", yes=arguments.yes):
        print("Nothing was done.")
        return 1
    admin.call("DELETE", f"/deployments/{part(found['id'])}?force=true")
    if arguments.json:
        print_json({"id": found["id"], "removed": True})
    else:
        print(f"Removed {found['id']}.")
    return 0
