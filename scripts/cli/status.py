"""`everlog status`: each program of the node, each partition worker, each partition; what a node elsewhere says."""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Sequence
from typing import Any

from scripts.cli import options, show
from scripts.console import address
from scripts.console.admin import Admin
from scripts.console.grid import Cell, Column
from scripts.console.screen import Screen, print_json
from scripts.node.control import program_statuses
from scripts.node.partitions import partition_statuses
from scripts.node.ports import local_address
from scripts.node.procfs import process_age_s
from scripts.node.programs import Program
from scripts.node.readiness import fetch_health, program_answers, socket_peer
from shared.config import Settings
from shared.damage import aside_names
from shared.disk import node_guard

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What `everlog status` takes."""
    options.add_data_dir(parser)
    parser.add_argument("--admin", metavar="URL", help=f"a node elsewhere: is it ready; or {address.ADMIN_VARIABLE}")
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def run(arguments: argparse.Namespace, programs: Sequence[Program]) -> int:
    """Print how the node stands. Exit status 0: it runs; 3: it does not."""
    elsewhere = address.named_admin(arguments)
    if elsewhere is not None:
        return _run_elsewhere(arguments, elsewhere)
    try:
        settings, pid = options.running_settings(arguments)
    except options.NotRunningError as error:
        print(json.dumps({"running": False}) if arguments.json else error)
        return 3
    report = _report(settings, pid, programs)
    if arguments.json:
        print_json(report)
    else:
        _show(Screen(), report)
    return 0


def _run_elsewhere(arguments: argparse.Namespace, url: str) -> int:
    """Its processes cannot be seen from here."""
    admin = Admin(url)
    status, health = admin.ask("GET", "/health")
    version = admin.get("/version")
    not_ready = health.get("not_ready", []) if isinstance(health, dict) else []
    report = {
        "running": True,
        "ready": status == 200,
        "not_ready": not_ready,
        "version": version["version"],
        "addresses": {"ingress": version.get("ingress_endpoint"), "admin": url},
    }
    if arguments.json:
        print_json(report)
        return 0
    screen = Screen()
    _show_head(screen, f"The node at {url}", f"version {report['version']}", report)
    screen.facts([("ingress", version.get("ingress_endpoint") or "")])
    return 0


def _report(settings: Settings, pid: int, programs: Sequence[Program]) -> dict[str, Any]:
    status, health = fetch_health(settings)
    not_ready = health.get("not_ready", []) if isinstance(health, dict) else []
    table = {program.name: program for program in programs}
    rows = [
        {
            "name": row.name,
            "state": row.state,
            "ready": bool(row.pid) and _is_ready(row.name, table, settings, not_ready),
            "pid": row.pid or None,
            "uptime_s": round(row.uptime_s, 1),
            "restarts": row.restarts,
            "last_exit": row.last_exit or None,
        }
        for row in program_statuses(settings.run_path)
    ]
    return {
        "running": True,
        "ready": status == 200,
        "not_ready": not_ready if status else _seen_from_here(settings),
        "pid": pid,
        "data_dir": settings.data_dir,
        "addresses": show.addresses(
            host=local_address(settings.bind),
            ingress_port=settings.ingress_port,
            admin_port=settings.admin_port,
            sql_port=settings.sql_port,
        ),
        "request_identity": options.request_identity(settings),
        "programs": rows,
        "workers": _workers(settings),
        "put_aside": [str(path) for path in aside_names(settings.data_path)],
        "partitions": _partitions(settings),
    }


def _seen_from_here(settings: Settings) -> list[str]:
    """What is known without metad."""
    trouble = node_guard(settings, tell=False).look()
    return ["metad: the admin API does not answer", *([trouble] if trouble else [])]


def _is_ready(name: str, table: dict[str, Program], settings: Settings, not_ready: list[str]) -> bool:
    """It accepts connections, and /health knows of nothing that it lacks (`name: what`, `name-worker: what`)."""
    if name in table and not program_answers(table[name], settings):
        return False
    # A partition without a leader is what partitiond lacks.
    owners = {"partition": "partitiond"}
    lacking = {re.split(r"[-: ]", text, maxsplit=1)[0] for text in not_ready}
    return name not in {owners.get(owner, owner) for owner in lacking}


def _workers(settings: Settings) -> list[dict[str, Any]]:
    """The partition workers, found by who listens on their sockets."""
    rows = []
    for number in range(settings.worker_count):
        pid = socket_peer(settings.socket(f"partitiond-{number}"))
        age_s = process_age_s(pid) if pid else None
        rows.append({"worker": number, "ready": pid is not None, "pid": pid, "uptime_s": round(age_s or 0.0, 1)})
    return rows


def _partitions(settings: Settings) -> list[dict[str, Any]]:
    """Those that a worker of this node has opened. LSNs are of the partition's log."""
    return [
        {
            "partition": status.partition_id,
            "worker": worker,
            "leader": settings.node_name if status.ready else None,
            "epoch": status.epoch,
            "applied_lsn": status.applied_lsn,
            "durable_lsn": status.durable_lsn,
            "tail_lsn": status.tail_lsn,
            "lag": status.tail_lsn - status.applied_lsn,
            "inflight": status.inflight,
            "replayed_percent": status.replayed_percent,
            "replay_left_s": round(status.replay_left_s) if status.replay_left_s >= 0 else None,
            "doing": "leads" if status.ready else status.replay or "no leader yet",
        }
        for worker, status in partition_statuses(settings)
    ]


def _show(screen: Screen, report: dict[str, Any]) -> None:
    _show_head(screen, f"The node on {report['data_dir']}", f"pid {report['pid']}", report)
    for path in report["put_aside"]:
        print(screen.paint("bad", f"  damaged, put aside: {path}"))
    screen.facts([*report["addresses"].items(), ("identity", report["request_identity"] or "")])
    print()
    titles = ("PROGRAM", "STATE", "READY", "PID", "UPTIME", "RESTARTS", "LAST EXIT")
    rows: list[list[Cell]] = []
    for row in report["programs"]:
        rows.append([row["name"], row["state"], *_common(row), str(row["restarts"]), row["last_exit"] or ""])
        if row["name"] == "partitiond":
            rows += [[f"  worker {worker['worker']}", "", *_common(worker), "", ""] for worker in report["workers"]]
    screen.table([Column(title, right=title in ("PID", "RESTARTS")) for title in titles], rows)
    if report["partitions"]:
        print()
        _show_partitions(screen, report["partitions"])


def _show_head(screen: Screen, who: str, more: str, report: dict[str, Any]) -> None:
    ready = screen.paint("good", "ready") if report["ready"] else screen.paint("bad", "NOT ready")
    print(f"{who} is {ready} ({more}).")
    for text in report["not_ready"]:
        print(f"  {screen.paint('bad', text)}")


def _show_partitions(screen: Screen, partitions: list[dict[str, Any]]) -> None:
    titles = ("PARTITION", "WORKER", "LEADER", "EPOCH", "APPLIED", "DURABLE", "TAIL", "LAG", "IN FLIGHT", "")
    rows: list[list[Cell]] = []
    for row in partitions:
        numbers = (row[name] for name in ("epoch", "applied_lsn", "durable_lsn", "tail_lsn", "lag", "inflight"))
        doing: Cell = "" if row["leader"] else (row["doing"], "bad")
        rows.append([str(row["partition"]), str(row["worker"]), row["leader"] or "-", *map(str, numbers), doing])
    screen.table([Column(title, right=title not in ("LEADER", "")) for title in titles], rows)


def _common(row: dict[str, Any]) -> tuple[Cell, Cell, Cell]:
    uptime = show.duration(row["uptime_s"]) if row["pid"] else ""
    ready = ("yes", "good") if row["ready"] else ("no", "bad")
    return ready, str(row["pid"] or ""), uptime
