"""`everlog status`: each program of the node and each partition worker."""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Sequence
from typing import Any

from scripts.cli import options, show
from scripts.node.control import program_statuses
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
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def run(arguments: argparse.Namespace, programs: Sequence[Program]) -> int:
    """Print how the node stands. Exit status 0: it runs; 3: it does not."""
    try:
        settings, pid = options.running_settings(arguments)
    except options.NotRunningError as error:
        print(json.dumps({"running": False}) if arguments.json else error)
        return 3
    report = _report(settings, pid, programs)
    print(json.dumps(report, indent=2) if arguments.json else _text(report))
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


def _text(report: dict[str, Any]) -> str:
    rows = [("PROGRAM", "STATE", "READY", "PID", "UPTIME", "RESTARTS", "LAST EXIT")]
    for row in report["programs"]:
        rows.append((row["name"], row["state"], *_common(row), str(row["restarts"]), row["last_exit"] or ""))
        if row["name"] == "partitiond":
            rows += [(f"  worker {worker['worker']}", "", *_common(worker), "", "") for worker in report["workers"]]
    head = f"The node on {report['data_dir']} is {'ready' if report['ready'] else 'NOT ready'} (pid {report['pid']})."
    head += "".join(f"\n  {text}" for text in report["not_ready"])
    head += "".join(f"\n  damaged, put aside: {path}" for path in report["put_aside"])
    where = "\n".join(f"  {name:<8} {address}" for name, address in report["addresses"].items())
    if report["request_identity"] is not None:
        where += f"\n  identity {report['request_identity']}"
    return f"{head}\n{where}\n\n{show.table(rows)}"


def _common(row: dict[str, Any]) -> tuple[str, str, str]:
    uptime = show.duration(row["uptime_s"]) if row["pid"] else ""
    return "yes" if row["ready"] else "no", str(row["pid"] or ""), uptime
