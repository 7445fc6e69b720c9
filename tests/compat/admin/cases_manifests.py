"""Cases of manifests: what a deployment may say of itself, and how it is shown. Pure: no I/O."""

from __future__ import annotations

from typing import Any

from tests.compat.admin.case import Ask, Case, Serve, Step
from tests.metad.harness import handler, manifest, service

__all__ = ["CASES"]

_JSON = "application/json"
_FULL_OPTIONS: dict[str, Any] = {
    "documentation": "what it does",
    "metadata": {"a": "b"},
    "inactivityTimeout": 1500,
    "abortTimeout": 90_061_001,
    "journalRetention": 86_400_000,
    "idempotencyRetention": 3_600_000,
    "enableLazyState": True,
    "retryPolicyInitialInterval": 250,
    "retryPolicyMaxInterval": 61_000,
    "retryPolicyMaxAttempts": 3,
    "retryPolicyExponentiationFactor": 1.1,
    "retryPolicyOnMaxAttempts": "KILL",
}
_INPUTS: list[Any] = [
    None,
    {},
    {"required": True},
    {"required": True, "jsonSchema": {}},
    {"contentType": "*/*", "required": True},
    {"contentType": _JSON, "jsonSchema": True},
    {"contentType": _JSON, "jsonSchema": False},
    {"contentType": _JSON, "jsonSchema": None},
    {"contentType": _JSON, "jsonSchema": {"title": "T", "type": "string"}},
    {"contentType": _JSON, "jsonSchema": {"type": "string"}},
    {"contentType": _JSON, "jsonSchema": {"type": ["string", "null"]}},
    {"contentType": "text/plain", "jsonSchema": {"title": "T"}, "required": True},
]
_OUTPUTS: list[Any] = [
    None,
    {},
    {"setContentTypeIfEmpty": True, "jsonSchema": {"title": "T"}},
    {"contentType": _JSON, "setContentTypeIfEmpty": True},
    {"contentType": _JSON, "jsonSchema": {"title": "T"}, "setContentTypeIfEmpty": True},
    {"contentType": _JSON, "jsonSchema": {"type": "object", "properties": {}}},
    {"contentType": "text/plain", "jsonSchema": {"title": "T"}},
]
_S = "$tS"

_TAKEN: dict[str, Any] = {
    "plain": manifest(service(_S)),
    "nothing": manifest(),
    "no handlers": manifest(service(_S, handlers=[])),
    "all options": manifest(
        service(
            _S,
            "VIRTUAL_OBJECT",
            [handler("all", ty="EXCLUSIVE", **_FULL_OPTIONS), handler("none", ty="SHARED"), handler("untyped")],
            **_FULL_OPTIONS,
        )
    ),
    "zero options": manifest(
        service(
            _S,
            handlers=[handler(inactivityTimeout=0, retryPolicyMaxAttempts=0)],
            inactivityTimeout=0,
            abortTimeout=1,
            retryPolicyMaxAttempts=0,
            retryPolicyInitialInterval=0,
        )
    ),
    "workflow": manifest(
        service(
            _S,
            "WORKFLOW",
            [
                # Of two, the oracle describes and shows the one or the other, as its hash map has it.
                handler("run", ty="WORKFLOW", workflowCompletionRetention=5000),
                handler("ask", ty="SHARED"),
                handler("untyped"),
            ],
        )
    ),
    "private": manifest(service(_S, ingressPrivate=True)),
    "partly private": manifest(service(_S, handlers=[handler("a", ingressPrivate=True), handler("b")])),
    "inputs": manifest(service(_S, handlers=[handler(f"h{at}", input=each) for at, each in enumerate(_INPUTS)])),
    "outputs": manifest(service(_S, handlers=[handler(f"h{at}", output=each) for at, each in enumerate(_OUTPUTS)])),
    "request-response": manifest(
        service(_S, handlers=[handler("a", inactivityTimeout=7), handler("b")], inactivityTimeout=5),
        protocolMode="REQUEST_RESPONSE",
    ),
    "versions 5 to 5": manifest(service(_S), maxProtocolVersion=5),
    "versions 7 to 7": manifest(service(_S), minProtocolVersion=7, maxProtocolVersion=7),
    "null options": manifest(service(_S, abortTimeout=None, enableLazyState=None)),
    "shared in a service": manifest(service(_S, handlers=[handler(ty="SHARED")])),
    "a service twice": manifest(service(_S), service(_S, "VIRTUAL_OBJECT", [handler("other")])),
    "schemas with references": manifest(
        service(
            _S,
            handlers=[
                handler(
                    input={
                        "contentType": _JSON,
                        "jsonSchema": {"$ref": "#/$defs/A", "$defs": {"A": {"type": "object", "title": "A"}}},
                    }
                )
            ],
        )
    ),
}
_REFUSED: dict[str, Any] = {
    "versions 1 to 4": manifest(service(_S), minProtocolVersion=1, maxProtocolVersion=4),
    "versions 8 to 9": manifest(service(_S), minProtocolVersion=8, maxProtocolVersion=9),
    "versions turned": manifest(service(_S), minProtocolVersion=6, maxProtocolVersion=5),
    "version 0": manifest(service(_S), minProtocolVersion=0),
    "version 2^31": manifest(service(_S), maxProtocolVersion=2**31),
    "no mode": manifest(service(_S), protocolMode=None),
    "bad mode": manifest(service(_S), protocolMode="UDP"),
    "bad type": manifest(service(_S, "THING")),
    "bad handler type": manifest(service(_S, handlers=[handler(ty="THING")])),
    "unknown field": manifest({**service(_S), "extra": 1}),
    "bad name": manifest(service("9" + _S)),
    "empty name": manifest(service("")),
    "bad handler name": manifest(service(_S, handlers=[handler("a-b")])),
    "reserved name": manifest(service("restate" + _S)),
    "reserved name, other case": manifest(service("OpenAPI")),
    "negative": manifest(service(_S, abortTimeout=-1)),
    "fraction": manifest(service(_S, abortTimeout=1.5)),
    "null metadata": manifest(service(_S, metadata=None)),
    "exclusive in a service": manifest(service(_S, handlers=[handler(ty="EXCLUSIVE")])),
    "workflow in an object": manifest(service(_S, "VIRTUAL_OBJECT", [handler(ty="WORKFLOW")])),
    "public in private": manifest(service(_S, handlers=[handler(ingressPrivate=False)], ingressPrivate=True)),
    "idempotent run": manifest(service(_S, "WORKFLOW", [handler(ty="WORKFLOW", idempotencyRetention=5)])),
    "retention of no workflow": manifest(service(_S, handlers=[handler(workflowCompletionRetention=5)])),
    "bad input type": manifest(service(_S, handlers=[handler(input={"contentType": "json"})])),
    "bad output type": manifest(service(_S, handlers=[handler(output={"contentType": "a\nb"})])),
    "bad schema": manifest(service(_S, handlers=[handler(input={"contentType": _JSON, "jsonSchema": 5})])),
    "no object": [],
    "no JSON": b'{"protocolMode":',
    "no UTF-8": b'{"protocolMode":"\xff"}',
    "empty": b"",
}
_OTHER_TYPES: dict[str, str | None] = {
    "none": None,
    "JSON": _JSON,
    "version 5": "application/vnd.restate.endpointmanifest.v5+json",
}
_VERSION_1 = "application/vnd.restate.endpointmanifest.v1+json"
_STATUSES = (204, 301, 401, 404, 415, 500, 503)


def _register(**fields: Any) -> Ask:
    return Ask("POST", "/deployments", {"uri": "$a", **fields}, name="a")


def _taken(title: str, found: Any) -> Case:
    """It is registered, and shown in all ways."""
    shown: list[Step] = [Ask("GET", "/deployments/$a_id"), Ask("GET", "/deployments", own=True)]
    for each in found["services"][:1]:
        shown += [
            Ask("GET", f"/services/{each['name']}"),
            Ask("GET", f"/v3/services/{each['name']}/handlers"),
            Ask("GET", f"/services/{each['name']}/openapi"),
        ]
        shown += [Ask("GET", f"/v2/services/{each['name']}/handlers/{held['name']}") for held in each["handlers"][:1]]
    told = {"additional_headers": {"X-B": "c", "authorization": "x"}, "metadata": {"team": "blue"}}
    serve = Serve("a", found, headers={"x-restate-server": "sdk/1.2"})
    return Case(f"manifest: {title}", (serve, _register(**told), *shown))


CASES = (
    *(_taken(title, found) for title, found in _TAKEN.items()),
    *(Case(f"manifest refused: {title}", (Serve("a", found), _register())) for title, found in _REFUSED.items()),
    *(
        Case(f"manifest's type: {title}", (Serve("a", manifest(service(_S)), content_type=kind), _register()))
        for title, kind in _OTHER_TYPES.items()
    ),
    Case("manifest's type: version 1", (Serve("a", manifest(service(_S)), content_type=_VERSION_1), _register())),
    *(
        Case(f"discovery answers {status}", (Serve("a", manifest(service(_S)), status=status), _register()))
        for status in _STATUSES
    ),
)
