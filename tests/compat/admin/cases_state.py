"""Cases of state that is replaced, and of previews of values. Pure: no I/O.

When a change is made, and what calls see of it, is in `tests/processes/test_state_edits.py`.
"""

from __future__ import annotations

from typing import Any

from tests.compat.admin.case import Ask, Case, Serve, Step
from tests.metad.harness import manifest, service

__all__ = ["CASES"]

_OBJECT, _WORKFLOW, _PLAIN, _GONE = "$tObj", "$tFlow", "$tPlain", "$tGone"
_NO_DEPLOYMENT = "dp_17sztQp4gnEC1L0OCFM9aEh"
_EMPTY = "47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU"
_REGISTERED: tuple[Step, ...] = (
    Serve("a", manifest(service(_PLAIN), service(_OBJECT, "VIRTUAL_OBJECT"), service(_WORKFLOW, "WORKFLOW"))),
    Ask("POST", "/deployments", {"uri": "$a"}, name="d"),
)


def _body(**changes: Any) -> dict[str, Any]:
    return {"object_key": "k", "new_state": {"n": [49]}} | changes


_BODIES: tuple[Any, ...] = (
    _body(),
    _body(version=_EMPTY),
    _body(version="", scope=None, unknown=1),
    _body(version=None, new_state={}),
    _body(scope="tenant-1"),
    _body(object_key="", new_state={"": [], "é": [0, 255], "text": "ab"}),
    _body(version=1),
    _body(object_key=1),
    _body(object_key=None),
    _body(scope=1),
    _body(new_state=[]),
    _body(new_state=None),
    *(_body(new_state={"n": value}) for value in ([256], [-1], [1.5], [1e2], ["1"], [True], [None], None, 1, {}, "x")),
    {"object_key": "k"},
    {"new_state": {}},
    {},
    [],
    "text",
    b"null",
    b"{",
    b"",
    b'{"object_key":"\\ud800","new_state":{}}',
    b'{"object_key":"k\xff","new_state":{}}',
)


def _changed(name: str) -> Case:
    asked = [Ask("POST", f"/services/{name}/state", body) for body in _BODIES]
    return Case(f"state of {name[2:]}", (*_REGISTERED, *asked))


def _refused(title: str, *bodies: Any) -> Case:
    """By us."""
    return Case(title, (*_REGISTERED, *(Ask("POST", f"/services/{_OBJECT}/state", body) for body in bodies)))


def _preview(operation: str, service_name: str, rest: str) -> Ask:
    return Ask("POST", f"/internal/services/{service_name}/serdes/{operation}/{rest}", b"abc")


CASES = (
    *(_changed(name) for name in (_OBJECT, _WORKFLOW, _PLAIN, _GONE)),
    _refused("state of a bad scope", *(_body(scope=scope) for scope in ("a b", "", "x" * 37))),
    _refused("state of a key that cannot be called", _body(object_key="k" * 60_000)),
    Case(
        "state: versions, methods and types",
        (
            *_REGISTERED,
            *(Ask("POST", f"/v{version}/services/{_OBJECT}/state", _body()) for version in (1, 2, 3, 4, 5)),
            *(Ask(method, f"/services/{_OBJECT}/state") for method in ("GET", "DELETE")),
            Ask("PUT", f"/services/{_OBJECT}/state", _body()),
            Ask("POST", f"/services/{_OBJECT}/state", _body(), headers={"content-type": "text/plain"}),
            Ask("POST", f"/services/{_OBJECT}/state/k", _body()),
        ),
    ),
    Case(
        "previews: what is not there",
        (
            *_REGISTERED,
            _preview("decode", _GONE, "h/input"),
            _preview("encode", _GONE, "h/input"),
            _preview("decode", _OBJECT, f"h/input?deployment={_NO_DEPLOYMENT}"),
            _preview("decode", _OBJECT, "h/input?deployment=x"),
            _preview("decode", _OBJECT, "h/input?deployment="),
            _preview("decode", _OBJECT, ""),
            _preview("describe", _OBJECT, "h/input"),
            Ask("GET", f"/internal/services/{_OBJECT}/serdes/decode/h/input"),
            *(
                step
                for status in (302, 400, 404, 500)
                for step in (Serve("a", b"no", status=status), _preview("encode", _OBJECT, "h/output"))
            ),
        ),
    ),
    Case(
        "previews",
        (
            *_REGISTERED,
            Serve("a", b"told"),
            _preview("decode", _OBJECT, "h/input"),
            _preview("encode", _OBJECT, "h/input?deployment=$d_id"),
            _preview("encode", _GONE, "h/input?deployment=$d_id"),
        ),
    ),
)
