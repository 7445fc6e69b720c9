"""Cases of the rule book, in the order in which they are asked: later ones see what earlier ones did. Pure: no I/O."""

from __future__ import annotations

from typing import Any

from tests.compat.admin.case import NOTHING, Ask, Case

__all__ = ["CASES"]

_RULES = "/limits/rules"
_DELETE = "/limits/rules/bulk-delete"


def _rule(pattern: object = "s", **fields: Any) -> dict[str, Any]:
    return {"pattern": pattern, **fields}


def _limit(concurrency: object) -> dict[str, Any]:
    return {"limits": {"concurrency": concurrency}}


_REQUESTS: list[tuple[str, str, Any]] = [
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
    ("GET", _RULES, NOTHING),
    ("GET", _DELETE, NOTHING),
    ("POST", _RULES, []),
    ("DELETE", _RULES, []),
    ("GET", "/limits", NOTHING),
    ("PUT", "/v1/limits/rules", [_rule("v1")]),
    *(("PUT", f"/v{version}/limits/rules", [_rule(f"v{version}")]) for version in (2, 3, 4)),
    *(("POST", f"/v{version}/limits/rules/bulk-delete", [_rule(f"v{version}")]) for version in (2, 3, 4)),
]

CASES = (Case("the rule book", tuple(Ask(method, path, body) for method, path, body in _REQUESTS)),)
