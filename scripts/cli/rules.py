"""`everlog rules`: how many invocations of a scope, or of a limit key in it, may run at once."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any

from scripts.cli.deeds import add_deeds, examples
from scripts.console import address, completing
from scripts.console.admin import Admin
from scripts.console.failures import RefusedError, UsageError
from scripts.console.filters import literal
from scripts.console.grid import Cell, Column
from scripts.console.screen import Screen, confirmed, print_json
from scripts.console.when import ago
from scripts.node.programs import Program

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What `everlog rules` takes."""
    examples(
        parser,
        "everlog rules",
        "everlog rules set 'acme/*' --concurrency 2",
        "everlog rules delete 'acme/*'",
    )
    deeds = add_deeds(parser, default="list")
    listing = deeds.add_parser("list", help="all, and what is counted now (what is done when nothing is said)")
    setting = deeds.add_parser("set", help="make a rule, or change one; what is not said stays as it is")
    pattern = setting.add_argument("pattern", metavar="PATTERN", help="SCOPE, SCOPE/KEY or SCOPE/KEY/KEY; * for each")
    completing.complete(pattern, _patterns)
    limit = setting.add_mutually_exclusive_group()
    limit.add_argument("--concurrency", type=int, metavar="N", help="at most N at once")
    limit.add_argument("--unlimited", action="store_true", help="no limit, in place of a wider rule's")
    setting.add_argument("--description", metavar="TEXT", help="for people")
    able = setting.add_mutually_exclusive_group()
    able.add_argument("--disable", action="store_true", help="it counts for nothing until it is enabled")
    able.add_argument("--enable", action="store_true", help="it counts again")
    deleting = deeds.add_parser("delete", help="delete rules")
    patterns = deleting.add_argument("patterns", nargs="+", metavar="PATTERN", help="of the rules")
    completing.complete(patterns, _patterns)
    deleting.add_argument("--yes", "-y", action="store_true", help="do not ask")
    for deed in (listing, setting, deleting):
        deed.add_argument("--json", action="store_true", help="print JSON")
        address.add_node(deed)


def _patterns(prefix: str, arguments: argparse.Namespace) -> list[str]:
    return [
        rule["pattern"] for rule in Admin(address.admin_url(arguments), within_s=1.0).rows("select * from sys_rules")
    ]


def run(arguments: argparse.Namespace, programs: Sequence[Program]) -> int:
    """1: there is no such rule, or somebody else changed it meanwhile."""
    admin = Admin(address.admin_url(arguments))
    return {"list": _list, "set": _set, "delete": _delete}[arguments.deed](arguments, admin)


def _list(arguments: argparse.Namespace, admin: Admin) -> int:
    rules = admin.rows("select * from sys_rules order by pattern")
    used = {
        row["rule_pattern"]: (int(row["usage"]), int(row["waiting"]))
        for row in admin.rows(
            "select rule_pattern, max(usage) as usage, sum(num_waiters) as waiting from sys_user_limits "
            "where rule_pattern is not null group by rule_pattern"
        )
    }
    for rule in rules:
        rule["usage"], rule["waiting"] = used.get(rule["pattern"], (0, 0))
    if arguments.json:
        print_json(rules)
        return 0
    if not rules:
        print("There are no rules, so no limits. Make one with: everlog rules set acme --concurrency 10")
        return 0
    columns = ("PATTERN", "AT ONCE", "RUN NOW", "WAIT", "CHANGED", "")
    Screen().table(
        [Column(title, whole=title == "PATTERN", right=title in columns[1:4]) for title in columns],
        [_cells(rule) for rule in rules],
    )
    return 0


def _cells(rule: dict[str, Any]) -> list[Cell]:
    off: Cell = ("disabled", "bad") if rule.get("disabled") else ""
    text = rule.get("description") or ""
    limit = str(rule.get("concurrency", "no limit"))
    counts = (str(rule["usage"]), str(rule["waiting"]))
    note = (f"disabled; {text}", "bad") if off and text else off or text
    return [rule["pattern"], limit, *counts, ago(rule.get("last_modified")), note]


def _set(arguments: argparse.Namespace, admin: Admin) -> int:
    known = admin.rows(f"select * from sys_rules where pattern = {literal(arguments.pattern)}")
    before = known[0] if known else None
    if before is None and arguments.concurrency is None and not arguments.unlimited:
        raise UsageError(f"{arguments.pattern} is a new rule: say --concurrency N or --unlimited")
    concurrency = None if arguments.unlimited else arguments.concurrency
    if concurrency is None and not arguments.unlimited and before is not None:
        concurrency = before.get("concurrency")
    description = arguments.description
    if description is None and before is not None:
        description = before.get("description")
    disabled = arguments.disable or (bool(before and before.get("disabled")) and not arguments.enable)
    # Nobody may change it between our look and our change: what is not said comes from that look.
    precondition = {"type": "does_not_exist"} if before is None else {"type": "matches", "version": before["version"]}
    rule = {
        "pattern": arguments.pattern,
        "limits": {} if concurrency is None else {"concurrency": concurrency},
        "disabled": disabled,
        "precondition": precondition,
    } | ({} if description is None else {"description": description})
    done = admin.call("PUT", "/limits/rules", [rule])[1][0]
    if arguments.json:
        print_json(done)
        return 0
    limit = done["limits"].get("concurrency")
    what = "no limit" if limit is None else f"at most {limit} at once"
    print(f"{done['pattern']}: {what}{', but it is disabled' if done['disabled'] else ''}.")
    return 0


def _delete(arguments: argparse.Namespace, admin: Admin) -> int:
    wanted = ", ".join(map(literal, arguments.patterns))
    known = {row["pattern"]: row for row in admin.rows(f"select * from sys_rules where pattern in ({wanted})")}
    missing = [pattern for pattern in arguments.patterns if pattern not in known]
    if missing:
        raise RefusedError(404, f"there is no rule {missing[0]!r}; see: everlog rules")
    if not confirmed(f"Delete {', '.join(known)}?", yes=arguments.yes):
        print("Nothing was done.")
        return 1
    body = [{"pattern": pattern, "expected_version": row["version"]} for pattern, row in known.items()]
    done = admin.call("POST", "/limits/rules/bulk-delete", body)[1]
    if arguments.json:
        print_json(done)
    else:
        print(f"Deleted {', '.join(done)}.")
    return 0
