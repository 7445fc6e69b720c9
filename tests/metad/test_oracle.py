"""The same requests to metad and to the oracle: same status, same JSON but for ids, times and wording."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
import restate
import uvloop

from tests.metad.harness import Deployments, Node, Reply, handler, manifest, new_settings, service
from tests.metad.oracle import ask_oracle, require_oracle

pytestmark = pytest.mark.slow

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

#: Name -> manifest, given a name for its service that is this test's own.
_MANIFESTS: dict[str, Callable[[str], dict[str, Any]]] = {
    "plain": lambda name: manifest(service(name)),
    "nothing": lambda name: manifest(),
    "no handlers": lambda name: manifest(service(name, handlers=[])),
    "all options": lambda name: manifest(
        service(
            name,
            "VIRTUAL_OBJECT",
            [handler("all", ty="EXCLUSIVE", **_FULL_OPTIONS), handler("none", ty="SHARED"), handler("untyped")],
            **_FULL_OPTIONS,
        )
    ),
    "zero options": lambda name: manifest(
        service(
            name,
            handlers=[handler(inactivityTimeout=0, retryPolicyMaxAttempts=0)],
            inactivityTimeout=0,
            abortTimeout=1,
            retryPolicyMaxAttempts=0,
            retryPolicyInitialInterval=0,
        )
    ),
    "workflow": lambda name: manifest(
        service(
            name,
            "WORKFLOW",
            [
                handler("run", ty="WORKFLOW", workflowCompletionRetention=5000),
                # Of two different ones the oracle shows one or the other, as its hash map has it; we show the longest.
                handler("again", ty="WORKFLOW", workflowCompletionRetention=5000),
                handler("ask", ty="SHARED"),
                handler("untyped"),
            ],
        )
    ),
    "private": lambda name: manifest(service(name, ingressPrivate=True)),
    "partly private": lambda name: manifest(service(name, handlers=[handler("a", ingressPrivate=True), handler("b")])),
    "inputs": lambda name: manifest(
        service(name, handlers=[handler(f"h{number}", input=each) for number, each in enumerate(_INPUTS)])
    ),
    "outputs": lambda name: manifest(
        service(name, handlers=[handler(f"h{number}", output=each) for number, each in enumerate(_OUTPUTS)])
    ),
    "request-response": lambda name: manifest(
        service(name, handlers=[handler("a", inactivityTimeout=7), handler("b")], inactivityTimeout=5),
        protocolMode="REQUEST_RESPONSE",
    ),
    "versions 5 to 5": lambda name: manifest(service(name), maxProtocolVersion=5),
    "versions 7 to 7": lambda name: manifest(service(name), minProtocolVersion=7, maxProtocolVersion=7),
    "versions 1 to 4": lambda name: manifest(service(name), minProtocolVersion=1, maxProtocolVersion=4),
    "versions 8 to 9": lambda name: manifest(service(name), minProtocolVersion=8, maxProtocolVersion=9),
    "versions turned": lambda name: manifest(service(name), minProtocolVersion=6, maxProtocolVersion=5),
    "version 0": lambda name: manifest(service(name), minProtocolVersion=0),
    "version 2^31": lambda name: manifest(service(name), maxProtocolVersion=2**31),
    "no mode": lambda name: manifest(service(name), protocolMode=None),
    "bad mode": lambda name: manifest(service(name), protocolMode="UDP"),
    "bad type": lambda name: manifest(service(name, "THING")),
    "bad handler type": lambda name: manifest(service(name, handlers=[handler(ty="THING")])),
    "unknown field": lambda name: manifest({**service(name), "extra": 1}),
    "bad name": lambda name: manifest(service("9" + name)),
    "bad handler name": lambda name: manifest(service(name, handlers=[handler("a-b")])),
    "reserved name": lambda name: manifest(service("restate" + name)),
    "negative": lambda name: manifest(service(name, abortTimeout=-1)),
    "fraction": lambda name: manifest(service(name, abortTimeout=1.5)),
    "null metadata": lambda name: manifest(service(name, metadata=None)),
    "null options": lambda name: manifest(service(name, abortTimeout=None, enableLazyState=None)),
    "exclusive in a service": lambda name: manifest(service(name, handlers=[handler(ty="EXCLUSIVE")])),
    "shared in a service": lambda name: manifest(service(name, handlers=[handler(ty="SHARED")])),
    "public in private": lambda name: manifest(
        service(name, handlers=[handler(ingressPrivate=False)], ingressPrivate=True)
    ),
    "idempotent run": lambda name: manifest(
        service(name, "WORKFLOW", [handler(ty="WORKFLOW", idempotencyRetention=5)])
    ),
    "retention of no workflow": lambda name: manifest(service(name, handlers=[handler(workflowCompletionRetention=5)])),
    "bad input type": lambda name: manifest(service(name, handlers=[handler(input={"contentType": "json"})])),
    "bad output type": lambda name: manifest(service(name, handlers=[handler(output={"contentType": "a\nb"})])),
    "bad schema": lambda name: manifest(
        service(name, handlers=[handler(input={"contentType": _JSON, "jsonSchema": 5})])
    ),
}


class Pair:
    """metad and the oracle, asked the same. What a test registered at the oracle is removed at the end."""

    def __init__(self, node: Node, deployments: Deployments) -> None:
        self.node = node
        self.deployments = deployments
        #: Names of this test's services begin with it.
        self.token = f"T{os.urandom(6).hex()}"
        self._left: set[str] = set()

    async def call(self, method: str, path: str, body: Any = None, **options: Any) -> Reply:
        """Compare the two answers; metad's."""
        ours = await self.node.call(method, path, body, **options)
        theirs = await asyncio.to_thread(ask_oracle, method, path, body, **options)
        self._remember(theirs)
        self._compare(f"{method} {path} {body!r}", ours, theirs)
        return ours

    async def call_each(self, method: str, path: Callable[[str], str], ids: tuple[str, str], body: Any = None) -> None:
        """Where the path holds an id, which differs: ours first."""
        ours = await self.node.call(method, path(ids[0]), body)
        theirs = await asyncio.to_thread(ask_oracle, method, path(ids[1]), body)
        self._compare(f"{method} {path('<id>')} {body!r}", ours, theirs)

    async def register(self, uri: str, *, api: str = "", **fields: Any) -> tuple[str, str]:
        """Ids that a deployment got, ours first; empty when it was refused."""
        body = {"uri": uri, **fields}
        ours = await self.node.call("POST", f"{api}/deployments", body)
        theirs = await asyncio.to_thread(ask_oracle, "POST", f"{api}/deployments", body)
        self._remember(theirs)
        self._compare(f"POST {api}/deployments {body}", ours, theirs)
        return ours.json.get("id", ""), theirs.json.get("id", "")

    async def remove_all(self) -> None:
        for deployment_id in self._left:
            await asyncio.to_thread(ask_oracle, "DELETE", f"/deployments/{deployment_id}?force=true")

    def _remember(self, reply: Reply) -> None:
        if reply.status in (200, 201) and b'"id":"dp_' in reply.body:
            self._left.add(reply.json["id"])

    def _compare(self, what: str, ours: Reply, theirs: Reply) -> None:
        described = f"{what}\nours   {ours.status} {ours.body[:2000]!r}\noracle {theirs.status} {theirs.body[:2000]!r}"
        assert ours.status == theirs.status, described
        assert _media_type(ours) == _media_type(theirs), described
        assert ("Location" in ours.headers) == ("Location" in theirs.headers), described
        if _media_type(ours) == _JSON:
            assert _comparable(ours.json) == _comparable(theirs.json), described
        elif not ours.body or not theirs.body:
            assert ours.body == theirs.body, described


def _media_type(reply: Reply) -> str:
    return reply.headers.get("Content-Type", "").partition(";")[0] if reply.body else ""


#: The oracle describes handlers that nobody may call, and of two run handlers of a workflow either one.
_OTHER_OPENAPI = {"private", "workflow"}
#: Of an OpenAPI document: texts for people, and what differs by the port.
_OURS_TO_WORD = {"description", "externalDocs", "example", "servers"}


def _comparable(value: Any) -> Any:
    """Ids and times by their form, messages by their presence, lists of named things by name."""
    if isinstance(value, dict):
        value = {key: each for key, each in value.items() if key not in _OURS_TO_WORD}
        return {
            key: "<message>" if key == "message" and isinstance(each, str) else _comparable(each)
            for key, each in value.items()
        }
    if isinstance(value, list):
        return sorted((_comparable(each) for each in value), key=lambda each: json.dumps(each, sort_keys=True))
    if isinstance(value, str):
        value = re.sub(r"dp_1[0-9A-Za-z]{22}", "<deployment>", value)
        return re.sub(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{9})?Z", "<time>", value)
    return value


@contextlib.asynccontextmanager
async def _pair(tmp_path: Path) -> AsyncIterator[Pair]:
    deployments = Deployments()
    async with deployments.serving(), Node(new_settings(tmp_path)) as node:
        pair = Pair(node, deployments)
        try:
            yield pair
        finally:
            await pair.remove_all()


def _run(tmp_path: Path, story: Callable[[Pair], Any]) -> None:
    require_oracle()

    async def main() -> None:
        async with _pair(tmp_path) as pair:
            await story(pair)

    uvloop.run(main())


@pytest.mark.parametrize("name", _MANIFESTS)
def test_manifests(tmp_path: Path, name: str) -> None:
    async def story(pair: Pair) -> None:
        found = _MANIFESTS[name](pair.token)
        uri = pair.deployments.put("a", found, headers={"x-restate-server": "sdk/1.2"})
        ids = await pair.register(uri, additional_headers={"X-B": "c", "authorization": "x"}, metadata={"team": "blue"})
        if not ids[0]:
            return
        await pair.call_each("GET", lambda each: f"/deployments/{each}", ids)
        for each in found["services"]:
            await pair.call("GET", f"/services/{each['name']}")
            await pair.call("GET", f"/v3/services/{each['name']}/handlers")
            if name not in _OTHER_OPENAPI:
                await pair.call("GET", f"/services/{each['name']}/openapi")
            for held in each["handlers"]:
                await pair.call("GET", f"/v2/services/{each['name']}/handlers/{held['name']}")

    _run(tmp_path, story)


@pytest.mark.parametrize(
    "content_type",
    [
        None,
        _JSON,
        "application/vnd.restate.endpointmanifest.v1+json",
        "application/vnd.restate.endpointmanifest.v5+json",
    ],
)
def test_content_types_of_manifests(tmp_path: Path, content_type: str | None) -> None:
    async def story(pair: Pair) -> None:
        await pair.register(pair.deployments.put("a", manifest(service(pair.token)), content_type=content_type))

    _run(tmp_path, story)


@pytest.mark.parametrize("use_http_11", [False, True])
def test_life_of_deployments(tmp_path: Path, use_http_11: bool) -> None:
    async def story(pair: Pair) -> None:
        name = pair.token
        one = pair.deployments.put("one", manifest(service(name), service(name + "Extra")))
        two = pair.deployments.put("two", manifest(service(name)))
        first = await pair.register(one, use_http_11=use_http_11)
        await pair.register(one)
        await pair.register(one + "?x=1")
        await pair.register(one, api="/v2", force=False)
        await pair.register(one, dry_run=True, force=True)
        second = await pair.register(two, dry_run=True)
        second = await pair.register(two, use_http_11=use_http_11, breaking=True)
        await pair.call("GET", f"/services/{name}")
        await pair.register(one, force=True)
        await pair.call("GET", f"/services/{name}")
        pair.deployments.put("one", manifest(service(name, "VIRTUAL_OBJECT")))
        await pair.register(one, api="/v2")
        await pair.call("GET", f"/services/{name}")
        await pair.call("GET", f"/services/{name}Extra")
        three = pair.deployments.put("three", manifest(service(name + "Other"), service(name)))
        await pair.register(three)
        await pair.call("GET", f"/services/{name}Other")
        await pair.register(three, breaking=True, dry_run=True)
        await pair.call_each("DELETE", lambda each: f"/deployments/{each}", first)
        await pair.call_each("DELETE", lambda each: f"/deployments/{each}?force=false", first)
        await pair.call_each("DELETE", lambda each: f"/v2/deployments/{each}?force=maybe", first)
        await pair.call_each("DELETE", lambda each: f"/deployments/{each}?force=true", first)
        await pair.call_each("GET", lambda each: f"/deployments/{each}", first)
        await pair.call_each("GET", lambda each: f"/deployments/{each}", second)
        await pair.call("GET", f"/services/{name}")

    _run(tmp_path, story)


def test_changes_of_deployments(tmp_path: Path) -> None:
    async def story(pair: Pair) -> None:
        name, put = pair.token, pair.deployments.put
        one = put("one", manifest(service(name, handlers=[handler("a"), handler("b")]), service(name + "Extra")))
        ids = await pair.register(one, additional_headers={"x-a": "b"}, metadata={"k": "v"})

        async def patch(body: Any, *, method: str = "PATCH", api: str = "") -> None:
            await pair.call_each(method, lambda each: f"{api}/deployments/{each}", ids, body)
            await pair.call("GET", f"/services/{name}")

        await patch({})
        await patch({"overwrite": True, "dry_run": True, "unknown": 1})
        await patch({"additional_headers": {"X-C": "d"}})
        services = (service(name, handlers=[handler("c")]), service(name + "New"))
        moved = put("moved", manifest(*services), headers={"x-restate-server": "sdk/2"})
        await patch({"uri": moved, "dry_run": True})
        await patch({"uri": moved})
        await patch({"uri": moved, "overwrite": True})
        await pair.call("GET", f"/services/{name}Extra")
        await pair.call("GET", f"/services/{name}New")
        await patch({"additional_headers": {}})
        await patch({"uri": put("newer", manifest(service(name), maxProtocolVersion=7))})
        await patch({"uri": put("newer", manifest(service(name), maxProtocolVersion=7)), "overwrite": True})
        await patch({"uri": put("other", manifest(service(name, "VIRTUAL_OBJECT"))), "overwrite": True})
        await patch({"uri": put("reserved", manifest(service("restateful"))), "overwrite": True})
        await patch({"uri": _NOBODY})
        await patch({"uri": moved}, method="PUT", api="/v2")
        await patch({"uri": moved}, method="PUT", api="/v3")
        await patch({"uri": moved}, api="/v4")
        # Not {"uri": 5}, which the oracle takes for a change of a Lambda that changes nothing.
        for body in (b"{", {"uri": "/relative"}, {"overwrite": "x"}):
            await patch(body)

    _run(tmp_path, story)


@pytest.mark.parametrize("ty", ["SERVICE", "VIRTUAL_OBJECT", "WORKFLOW"])
def test_changes_of_services(tmp_path: Path, ty: str) -> None:
    async def story(pair: Pair) -> None:
        name = pair.token
        uri = pair.deployments.put("one", manifest(service(name, ty, inactivityTimeout=5000)))
        await pair.register(uri)
        bodies: list[Any] = [
            {},
            {"public": False},
            {"public": None, "unknown": 1},
            {"idempotency_retention": "2 hours", "journal_retention": "PT1H30M"},
            {"workflow_completion_retention": "3d"},
            {"inactivity_timeout": "1m 30s", "abort_timeout": "0s"},
            {"abort_timeout": "soon"},
            {"abort_timeout": 5},
            {"public": "yes"},
            b"{",
        ]
        for body in bodies:
            await pair.call("PATCH", f"/services/{name}", body)
            await pair.call("GET", f"/services/{name}")
        await pair.call("PATCH", "/services/Nope", {"public": True})
        await pair.call("PATCH", "/services/Nope", {})
        await pair.register(uri, force=True)
        await pair.call("GET", f"/services/{name}")

    _run(tmp_path, story)


_NOBODY = "http://127.0.0.1:1/"


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/deployments", b'{"uri":'),
        ("POST", "/deployments", b""),
        ("POST", "/deployments", {}),
        ("POST", "/deployments", []),
        ("POST", "/deployments", {"uri": 5}),
        ("POST", "/deployments", {"uri": ""}),
        ("POST", "/deployments", {"uri": "/relative"}),
        ("POST", "/deployments", {"uri": "127.0.0.1:1"}),
        ("POST", "/deployments", {"uri": "http://"}),
        ("POST", "/deployments", {"uri": "http://a b/"}),
        ("POST", "/deployments", {"uri": _NOBODY}),
        ("POST", "/v2/deployments", {"uri": _NOBODY, "dry_run": True}),
        ("POST", "/deployments", {"uri": _NOBODY, "use_http_11": True}),
        ("POST", "/deployments", {"uri": _NOBODY, "additional_headers": None, "unknown": 1}),
        ("POST", "/deployments", {"uri": "http://127.0.0.1:99999/"}),
        ("POST", "/deployments", {"uri": _NOBODY, "force": "x"}),
        ("POST", "/deployments", {"uri": _NOBODY, "force": None}),
        ("POST", "/deployments", {"uri": _NOBODY, "breaking": None}),
        ("POST", "/deployments", {"uri": _NOBODY, "use_http_11": None}),
        ("POST", "/deployments", {"uri": _NOBODY, "metadata": None}),
        ("POST", "/deployments", {"uri": _NOBODY, "metadata": {"a": 1}}),
        ("POST", "/deployments", {"uri": _NOBODY, "additional_headers": {"a b": "c"}}),
        ("POST", "/deployments", {"uri": _NOBODY, "additional_headers": {"a": "b\nc"}}),
        ("POST", "/deployments", {"uri": _NOBODY, "auth": 5}),
        ("POST", "/deployments", {"arn": "foo"}),
        ("PUT", "/deployments", {}),
        ("GET", "/deployments/foo", None),
        ("GET", "/deployments/dp_1", None),
        ("GET", "/deployments/dp_1-000000000000000000000", None),
        ("GET", "/deployments/dp_10000000000000000000000", None),
        ("DELETE", "/deployments/dp_10000000000000000000000", None),
        ("DELETE", "/deployments/dp_10000000000000000000000?force=true", None),
        ("DELETE", "/deployments/foo?force=true", None),
        ("GET", "/services/Nope", None),
        ("GET", "/v4/services/Nope/handlers", None),
        ("GET", "/services/Nope/handlers/h", None),
        ("GET", "/services/", None),
        ("GET", "/nope", None),
        ("GET", "/v1/version", None),
        ("GET", "/v5/version", None),
        ("POST", "/version", {}),
        ("POST", "/query", b"{"),
        ("POST", "/query", {}),
        ("POST", "/query", {"query": 1}),
        ("PATCH", "/invocations/foo/cancel", None),
        ("PATCH", "/invocations/inv_1/kill", None),
        ("DELETE", "/invocations/foo", None),
        ("PATCH", "/invocations/inv_1dceKvwtEc2n6bqpHd0j9orRaNoWIcqk2l/explode", None),
        ("DELETE", "/invocations/inv_1dceKvwtEc2n6bqpHd0j9orRaNoWIcqk2l?mode=explode", None),
    ],
)
def test_requests_that_are_refused(tmp_path: Path, method: str, path: str, body: Any) -> None:
    async def story(pair: Pair) -> None:
        await pair.call(method, path, body)

    _run(tmp_path, story)


def test_version_has_the_same_shape(tmp_path: Path) -> None:
    async def story(pair: Pair) -> None:
        ours = (await pair.node.call("GET", "/version")).json
        theirs = (await asyncio.to_thread(ask_oracle, "GET", "/version")).json
        assert ours.keys() == theirs.keys()
        assert ours["features"].keys() == theirs["features"].keys()
        for name in ("min_admin_api_version", "max_admin_api_version"):
            assert ours[name] == theirs[name]

    _run(tmp_path, story)


def _sdk_app(token: str) -> Any:
    """One of each kind, as users write them."""
    greeter = restate.Service(f"{token}Greeter", description="greets", metadata={"team": "blue"})
    counter = restate.VirtualObject(f"{token}Counter")
    signup = restate.Workflow(f"{token}Signup")

    @greeter.handler()
    async def greet(ctx: restate.Context, name: str) -> str:
        return f"Hello {name}"

    @counter.handler()
    async def add(ctx: restate.ObjectContext, by: int) -> int:
        return by

    @counter.handler(kind="shared")
    async def peek(ctx: restate.ObjectSharedContext) -> int:
        return 0

    @signup.main()
    async def run(ctx: restate.WorkflowContext, email: str) -> bool:
        return True

    @signup.handler()
    async def click(ctx: restate.WorkflowSharedContext, secret: dict[str, str]) -> None:
        return None

    return restate.app([greeter, counter, signup])


@pytest.mark.parametrize("use_http_11", [False, True])
def test_an_endpoint_of_the_official_sdk(tmp_path: Path, use_http_11: bool) -> None:
    async def story(pair: Pair) -> None:
        sdk = Deployments(app=_sdk_app(pair.token))
        async with sdk.serving():
            ids = await pair.register(sdk.uri(""), use_http_11=use_http_11)
            assert ids[0]
            await pair.call_each("GET", lambda each: f"/deployments/{each}", ids)
            for name in ("Greeter", "Counter", "Signup"):
                await pair.call("GET", f"/services/{pair.token}{name}")

    _run(tmp_path, story)
