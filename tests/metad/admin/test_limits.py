"""Rules over HTTP: what is pushed, and races. Bodies and statuses are compared in tests/compat/admin."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import uvloop

from shared.limits import RULES_MAX
from tests.fakes.log_server import MemoryLog
from tests.metad.harness import Node, new_settings, until

_RULES = "/limits/rules"
_DELETE = "/limits/rules/bulk-delete"


def _rule(pattern: object = "s", **fields: Any) -> dict[str, Any]:
    return {"pattern": pattern, **fields}


def _limit(concurrency: object) -> dict[str, Any]:
    return {"limits": {"concurrency": concurrency}}


def test_rules_are_changed_and_pushed_and_survive_a_restart(tmp_path: Path) -> None:
    async def main() -> None:
        settings, log = new_settings(tmp_path), MemoryLog()
        async with Node(settings, log=log) as node:
            reply = await node.call("PUT", _RULES, [_rule("s/*", **_limit(2), description="d"), _rule("t")])
            assert reply.status == 200
            first, second = reply.json
            assert first.pop("last_modified_millis_since_epoch") == second.pop("last_modified_millis_since_epoch") > 0
            assert first == {
                "pattern": "s/*",
                "limits": {"concurrency": 2},
                "description": "d",
                "disabled": False,
                "version": 1,
            }
            assert second == {"pattern": "t", "limits": {}, "disabled": False, "version": 1}
            await until(lambda: _pushed(node) == {"s/*": 2, "t": None})
            assert (await node.call("POST", _DELETE, [_rule("t")])).json == ["t"]
            await until(lambda: _pushed(node) == {"s/*": 2})
        async with Node(settings, log=log) as node:
            assert _pushed(node) == {"s/*": 2}
            again = await node.call("PUT", _RULES, [_rule("s/*", **_limit(3), precondition=_matches(1))])
            assert [rule["version"] for rule in again.json] == [2]

    uvloop.run(main())


def _matches(version: int) -> dict[str, Any]:
    return {"type": "matches", "version": version}


def _pushed(node: Node) -> dict[str, int | None]:
    catalog = node.catalogs.catalog
    assert catalog is not None
    return {pattern: rule.concurrency for pattern, rule in catalog.rules.items()}


def test_a_full_book_and_a_rule_that_differs_have_a_status_of_their_own(tmp_path: Path) -> None:
    async def main() -> None:
        async with Node(new_settings(tmp_path)) as node:
            full = await node.call("PUT", _RULES, [_rule(f"s{number}") for number in range(RULES_MAX)])
            assert (full.status, len(full.json)) == (200, RULES_MAX)
            more = await node.call("PUT", _RULES, [_rule("more")])
            assert (more.status, more.json["restate_code"]) == (422, None)
            assert str(RULES_MAX) in more.json["message"]
            differs = await node.call("PUT", _RULES, [_rule("s1", precondition=_matches(5))])
            assert (differs.status, differs.json["restate_code"]) == (409, None)
            assert "version 1" in differs.json["message"]

    uvloop.run(main())


def test_of_two_that_change_one_version_at_once_one_is_refused(tmp_path: Path) -> None:
    async def main() -> None:
        async with Node(new_settings(tmp_path)) as node:
            await node.call("PUT", _RULES, [_rule(**_limit(1))])
            change = [_rule(**_limit(2), precondition=_matches(1)), _rule("s/a", **_limit(3))]
            other = [_rule(**_limit(3), precondition=_matches(1)), _rule("s/b", **_limit(3))]
            replies = await asyncio.gather(node.call("PUT", _RULES, change), node.call("PUT", _RULES, other))
            assert sorted(reply.status for reply in replies) == [200, 409]
            assert len(_pushed(node)) == 2

    uvloop.run(main())
