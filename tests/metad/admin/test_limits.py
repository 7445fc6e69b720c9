"""Rules over HTTP: bodies, statuses, what is pushed, and the same from the oracle."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
import uvloop

from shared.limits import RULES_MAX
from tests.fakes.log_server import MemoryLog
from tests.fakes.private_oracle import PrivateOracle, private_oracle
from tests.metad.harness import Node, Reply, new_settings, until
from tests.metad.oracle import ask_oracle

_RULES = "/limits/rules"
_DELETE = "/limits/rules/bulk-delete"


def _rule(pattern: object = "s", **fields: Any) -> dict[str, Any]:
    return {"pattern": pattern, **fields}


def _limit(concurrency: object) -> dict[str, Any]:
    return {"limits": {"concurrency": concurrency}}


#: Method, path and body, in the order in which they are asked: later ones see what earlier ones did.
REQUESTS: list[tuple[str, str, Any]] = [
    ("PUT", _RULES, [_rule(**_limit(2))]),
    ("PUT", _RULES, [_rule(**_limit(2))]),
    ("PUT", _RULES, [_rule(**_limit(2), description="d")]),
    ("PUT", _RULES, [_rule(**_limit(3), description="d")]),
    ("PUT", _RULES, [_rule("t")]),
    ("PUT", _RULES, [_rule("t", limits={}), _rule("t", **_limit(4))]),
    ("PUT", _RULES, [_rule(" u / * /", **_limit(None), disabled=True)]),
    *(("PUT", _RULES, [_rule(**_limit(value))]) for value in (0, -1, 1.5, "1", True, 1 << 32, (1 << 32) - 1, 1)),
    ("PUT", _RULES, [_rule(limits={"concurrency": 1, "rate": 3}, unknown=1)]),
    *(
        ("PUT", _RULES, [_rule(pattern)])
        for pattern in ("", "a/b/c/d", "a//b", "/", "a b", "a*", "x" * 37, "x" * 36, "é", 5, None, "*", "*/b/*", "a/")
    ),
    ("PUT", _RULES, [{"limits": {}}]),
    ("PUT", _RULES, _rule()),
    ("PUT", _RULES, []),
    ("PUT", _RULES, b"[{"),
    ("PUT", _RULES, b""),
    *(
        ("PUT", _RULES, [_rule("new"), _rule(pattern, precondition=precondition, **_limit(9))])
        for pattern in ("s", "nope")
        for precondition in (
            {"type": "matches", "version": 77},
            {"type": "matches", "version": 0},
            {"type": "matches", "version": -1},
            {"type": "matches"},
            {"type": "x"},
            {},
            None,
        )
    ),
    ("PUT", _RULES, [_rule("new"), _rule(precondition={"type": "does_not_exist"})]),
    ("PUT", _RULES, [_rule(precondition={"type": "none"}, description=None)]),
    ("PUT", _RULES, [_rule("new2", precondition={"type": "does_not_exist"}), _rule("s", disabled=True)]),
    ("PUT", _RULES, [_rule(limits=None)]),
    ("PUT", _RULES, [_rule(disabled=None)]),
    ("POST", _DELETE, [_rule("zz")]),
    ("POST", _DELETE, [_rule("zz", expected_version=1)]),
    ("POST", _DELETE, [_rule("*"), _rule("t", expected_version=1)]),
    ("POST", _DELETE, [_rule("t"), _rule("t"), _rule("zz")]),
    ("POST", _DELETE, []),
    ("POST", _DELETE, [_rule("")]),
    ("POST", _DELETE, {}),
    ("POST", _DELETE, [_rule(" s ", expected_version=None)]),
    ("GET", _RULES, None),
    ("GET", _DELETE, None),
    ("POST", _RULES, []),
    ("DELETE", _RULES, []),
    ("GET", "/limits", None),
    ("PUT", "/v1/limits/rules", [_rule("v1")]),
    *(("PUT", f"/v{version}/limits/rules", [_rule(f"v{version}")]) for version in (2, 3, 4)),
    *(("POST", f"/v{version}/limits/rules/bulk-delete", [_rule(f"v{version}")]) for version in (2, 3, 4)),
]


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


@pytest.mark.slow
def test_rules_are_as_the_oracles(tmp_path: Path) -> None:
    async def main(oracle: PrivateOracle) -> None:
        differing = []
        async with Node(new_settings(tmp_path)) as node:
            for method, path, body in REQUESTS:
                theirs = ask_oracle(method, path, body, admin=oracle.admin)
                ours = await node.call(method, path, body)
                if _told(ours) != _told(theirs):
                    differing.append(f"{method} {path} {body!r}\n   ours   {ours}\n   theirs {theirs}")
            catalog = node.catalogs.catalog
            assert catalog is not None
            mine = [(rule.pattern, rule.concurrency, rule.version, rule.disabled) for rule in catalog.rules.values()]
        assert not differing, "\n".join(differing)
        rows = oracle.query("select pattern, concurrency, version, disabled from sys_rules")
        assert sorted(mine) == sorted(
            (row["pattern"], row.get("concurrency"), row["version"], row["disabled"]) for row in rows
        )

    (tmp_path / "oracle").mkdir()
    with private_oracle(tmp_path / "oracle") as oracle:
        uvloop.run(main(oracle))


def _told(reply: Reply) -> Any:
    """What must be the same: all but times and the wording of errors."""
    kind = reply.headers.get("Content-Type", "").partition(";")[0] if reply.body else None
    if kind != "application/json":
        return reply.status, kind
    value = reply.json
    if isinstance(value, dict):
        return reply.status, kind, sorted(value), value["restate_code"]
    shown = [each if isinstance(each, str) else each | {"last_modified_millis_since_epoch": 0} for each in value]
    return reply.status, kind, shown
