"""Cases of services and handlers: shown, changed, hidden. Pure: no I/O."""

from __future__ import annotations

from typing import Any

from tests.compat.admin.case import NOTHING, Ask, Case, Serve, each
from tests.metad.harness import handler, manifest, service

__all__ = ["CASES"]

_S = "$tS"
_BODIES: tuple[Any, ...] = (
    {},
    {"public": False},
    {"public": None, "unknown": 1},
    {"idempotency_retention": "2 hours", "journal_retention": "PT1H30M"},
    {"workflow_completion_retention": "3d"},
    {"inactivity_timeout": "1m 30s", "abort_timeout": "0s"},
    {"abort_timeout": "soon"},
    {"abort_timeout": "-1s"},
    {"abort_timeout": ""},
    {"abort_timeout": 5},
    {"abort_timeout": "99999999999999d"},
    {"public": "yes"},
    {"public": True, "abort_timeout": "soon"},
    b"{",
    "text",
)


def _changed(ty: str) -> Case:
    told = [each for body in _BODIES for each in (Ask("PATCH", f"/services/{_S}", body), Ask("GET", f"/services/{_S}"))]
    return Case(
        f"changes of a {ty}",
        (
            Serve("a", manifest(service(_S, ty, inactivityTimeout=5000))),
            Ask("POST", "/deployments", {"uri": "$a"}),
            *told,
            Ask("POST", "/deployments", {"uri": "$a", "force": True}),
            Ask("GET", f"/services/{_S}"),
        ),
    )


_STATES: tuple[Any, ...] = (
    {"object_key": "k", "new_state": {"a": [1, 2, 255]}},
    {"object_key": "", "new_state": {}},
    {"object_key": "k", "new_state": {"": []}, "version": "47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU"},
    {"object_key": "k", "new_state": {"a": [256]}},
    {"object_key": "k", "new_state": {"a": "text"}},
    {"object_key": "k", "new_state": None},
    {"object_key": 5, "new_state": {}},
    {"new_state": {}},
    {"object_key": "k"},
    b"{",
)
_REFUSED: tuple[tuple[str, str, Any], ...] = (
    ("GET", "/services/Nope", NOTHING),
    ("GET", "/v4/services/Nope/handlers", NOTHING),
    ("GET", "/services/Nope/handlers/h", NOTHING),
    ("GET", "/services/Nope/openapi", NOTHING),
    ("PATCH", "/services/Nope", {"public": True}),
    ("PATCH", "/services/Nope", {}),
    ("PATCH", "/services/Nope", b"{"),
    ("PATCH", "/services/Nope", {"public": 1}),
    ("PUT", "/services/Nope", {}),
    ("POST", "/services/Nope", {}),
    ("DELETE", "/services/Nope", NOTHING),
    ("POST", "/services", {}),
    ("DELETE", "/services/Nope/handlers/h", NOTHING),
    ("POST", "/services/Nope/handlers", {}),
    ("PATCH", "/services/Nope/openapi", {}),
)

CASES = (
    Case(
        "state is replaced",
        (
            Serve("a", manifest(service("$tO", "VIRTUAL_OBJECT"), service("$tW", "WORKFLOW"), service(_S))),
            Ask("POST", "/deployments", {"uri": "$a"}),
            *(Ask("POST", "/services/$tO/state", body) for body in _STATES),
            *(Ask("POST", f"/services/$t{which}/state", _STATES[0]) for which in "WS"),
            Ask("POST", "/v2/services/Nope/state", _STATES[0]),
            Ask("POST", "/v2/services/Nope/state", {"object_key": "k", "new_state": {}}),
            Ask("GET", "/services/$tO/state"),
        ),
    ),
    Case(
        "state of a scope that is none",
        (
            Serve("a", manifest(service("$tO", "VIRTUAL_OBJECT"))),
            Ask("POST", "/deployments", {"uri": "$a"}),
            Ask("POST", "/services/$tO/state", _STATES[0] | {"scope": "a b"}),
        ),
    ),
    Case(
        "a list for an object",
        (
            Serve("a", manifest(service(_S))),
            Ask("POST", "/deployments", {"uri": "$a"}),
            Ask("PATCH", f"/services/{_S}", []),
        ),
    ),
    Case(
        "a duration under a millisecond",
        (
            Serve("a", manifest(service(_S))),
            Ask("POST", "/deployments", {"uri": "$a"}),
            Ask("PATCH", f"/services/{_S}", {"abort_timeout": "1ns"}),
        ),
    ),
    *(_changed(ty) for ty in ("SERVICE", "VIRTUAL_OBJECT", "WORKFLOW")),
    Case(
        "a service made private, and public again",
        (
            Serve("a", manifest(service(_S, handlers=[handler("a"), handler("b", ingressPrivate=True)]))),
            Ask("POST", "/deployments", {"uri": "$a"}),
            Ask("PATCH", f"/services/{_S}", {"public": False}),
            Ask("GET", f"/services/{_S}/handlers"),
            Ask("PATCH", f"/services/{_S}", {"public": True}),
            Ask("GET", f"/services/{_S}/handlers"),
            Ask("GET", f"/services/{_S}/openapi"),
            Ask("GET", f"/services/{_S}/handlers/nope"),
            Ask("GET", "/services", own=True),
        ),
    ),
    Case(
        "what was changed stays when another deployment comes, for its own revision",
        (
            Serve("a", manifest(service(_S))),
            Serve("b", manifest(service(_S))),
            Ask("POST", "/deployments", {"uri": "$a"}, name="a"),
            Ask("PATCH", f"/services/{_S}", {"abort_timeout": "7s", "public": False}),
            Ask("POST", "/deployments", {"uri": "$b"}, name="b"),
            Ask("GET", f"/services/{_S}"),
            Ask("GET", "/deployments/$a_id"),
            Ask("DELETE", "/deployments/$b_id?force=true"),
            Ask("GET", f"/services/{_S}"),
        ),
    ),
    Case(
        "services of the official SDK",
        (
            Ask("POST", "/deployments", {"uri": "$sdk", "use_http_11": True}, name="sdk"),
            Ask("GET", "/deployments/$sdk_id"),
            *(
                Ask("GET", f"/services/{name}{rest}")
                for name in ("Greeter", "Counter", "Signup")
                for rest in ("", "/handlers", "/openapi")
            ),
        ),
    ),
    *each("refused", *_REFUSED),
)
