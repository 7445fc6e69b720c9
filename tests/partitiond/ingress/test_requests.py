"""What becomes of a request: the Invoke command, or a refusal."""

from __future__ import annotations

from typing import Any

import pytest

from partitiond.ingress.errors import IngressError
from partitiond.ingress.names import idempotent_invocation_id, workflow_invocation_id
from partitiond.ingress.paths import CallRoute, parse
from partitiond.ingress.requests import ENTROPY_BYTES, check_call, make_invoke
from shared.ids import encode_ulid, key_partition_key, partition_key_of, scope_partition_key
from shared.protocol.input import encode_input, input_headers
from shared.wal.commands import HandlerKind, Invoke, Target
from tests.partitiond.ingress.catalogs import directory

DIRECTORY = directory()
NOW_MS = 1_790_000_000_123
ENTROPY = bytes(range(ENTROPY_BYTES))
ULID = encode_ulid(NOW_MS, ENTROPY[:16])
HOUR_MS, DAY_MS = 3_600_000, 86_400_000
JSON = {"content-type": "application/json"}


def route_of(path: str) -> CallRoute:
    route = parse("POST", path, DIRECTORY)
    assert isinstance(route, CallRoute)
    return route


def invoke_of(path: str, headers: dict[str, str] | None = None, body: bytes = b"", query: str = "") -> Invoke:
    route, headers = route_of(path), headers or {}
    check_call(route, "POST", headers)
    return make_invoke(route, headers, body, path=path, query=query, now_ms=NOW_MS, entropy=ENTROPY)


def test_call_of_a_service_carries_everything() -> None:
    headers = JSON | {"host": "x", "connection": "close", "x-a": "b", "content-length": "3"}
    assert invoke_of("/Greeter/greet", headers, b'"x"', "a=b") == Invoke(
        id=idempotent_invocation_id("Greeter", None, "greet", ULID),
        target=Target("Greeter", "greet", None, HandlerKind.SERVICE),
        input=encode_input(
            [
                ("x-restate-ingress-path", "/Greeter/greet?a=b"),
                ("content-type", "application/json"),
                ("x-a", "b"),
                ("content-length", "3"),
            ],
            b'"x"',
        ),
        idempotency_key=ULID,
        completion_retention_ms=DAY_MS,
        journal_retention_ms=DAY_MS,
        request_uid=ENTROPY[16:],
    )


def test_own_key_decides_the_id_and_is_not_given_to_the_handler() -> None:
    headers = JSON | {"idempotency-key": "i", "idempotency-expires": "z"}
    invoke = invoke_of("/Counter/k/add", headers, b"1")
    assert invoke.id == idempotent_invocation_id("Counter", "k", "add", "i")
    assert partition_key_of(invoke.id) == key_partition_key("k")
    assert invoke.idempotency_key == "i"
    assert [name for name, _ in input_headers(invoke.input)] == ["x-restate-ingress-path", "content-type"]


@pytest.mark.parametrize(
    ("path", "own_key", "told_key", "completion_ms", "journal_ms"),
    [
        ("/Greeter/none", None, ULID, DAY_MS, DAY_MS),
        ("/Greeter/none", "", "", DAY_MS, DAY_MS),
        ("/Greeter/short", None, ULID, HOUR_MS, HOUR_MS),
        ("/Greeter/unkept", "i", "i", 0, 0),
        ("/Counter/k/peek", None, ULID, DAY_MS, DAY_MS),
        ("/Signup/k/run", None, None, HOUR_MS, HOUR_MS),
        ("/Signup/k/status", None, None, 2 * HOUR_MS, 2 * HOUR_MS),
        ("/Signup/k/status", "i", "i", DAY_MS, 2 * HOUR_MS),
        ("/Signup/k/unkept", None, None, 0, 0),
    ],
)
def test_retention(path: str, own_key: str | None, told_key: str | None, completion_ms: int, journal_ms: int) -> None:
    headers = {} if own_key is None else {"idempotency-key": own_key}
    invoke = invoke_of(path, headers)
    assert invoke.idempotency_key == told_key
    assert (invoke.completion_retention_ms, invoke.journal_retention_ms) == (completion_ms, journal_ms)


def test_workflow_runs_under_the_id_of_its_key() -> None:
    assert invoke_of("/Signup/k/run").id == workflow_invocation_id("Signup", "k")
    shared = invoke_of("/Signup/k/status")
    assert partition_key_of(shared.id) == key_partition_key("k")
    assert shared.id[8:] == NOW_MS.to_bytes(6, "big") + ENTROPY[:10]


def test_traceparent_is_passed_on_when_it_is_one() -> None:
    parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    assert invoke_of("/Greeter/none", {"traceparent": parent}).traceparent == parent
    assert invoke_of("/Greeter/none", {"traceparent": "zz"}).traceparent is None
    traced = invoke_of("/Greeter/none", {"traceparent": parent, "tracestate": "a=1 ,b=2"})
    assert (traced.traceparent, traced.tracestate) == (parent, "a=1,b=2")
    assert invoke_of("/Greeter/none", {"tracestate": "a=1"}).tracestate is None


@pytest.mark.parametrize(
    ("query", "start_at_ms"),
    [
        ("", 0),
        ("a=b", 0),
        ("delay=10s", NOW_MS + 10_000),
        ("DELAY=1m+30s", NOW_MS + 90_000),
        ("a&de%6Cay=1m%2030s&delay=1s", NOW_MS + 90_000),
        ("delay=0", NOW_MS),
        ("delay=PT9223372036854775807S", (1 << 64) - 1),
    ],
)
def test_delay_of_a_send(query: str, start_at_ms: int) -> None:
    assert invoke_of("/Greeter/none/send", query=query).start_at_ms == start_at_ms


PRIVATE = "the invoked service is not public"
WORKFLOW = "cannot use the idempotency key with workflow handlers. "
BAD_DELAY = "bad delay query parameter, must be a ISO8601 duration: "
DELAYED_CALL = "cannot use the delay query parameter with calls. The delay is supported only with sends"
NO_SCOPE = "limit-key requires a scope to be set"
KEY = {"idempotency-key": "i"}


@pytest.mark.parametrize(
    ("path", "headers", "query", "message"),
    [
        ("/Greeter/secret", {}, "delay=bad", PRIVATE),
        ("/Hidden/greet", {}, "", PRIVATE),
        ("/Greeter/greet", {"idempotency-key": "\xe9"}, "", "bad header idempotency-key: "),
        ("/Signup/k/run", KEY, "", WORKFLOW),
        ("/restate/scope/s/call/Signup/k/run", KEY, "", WORKFLOW),
        ("/restate/scope/s/call/Greeter/none", {"x-restate-limit-key": "\xe9"}, "", "bad header x-restate-limit-key: "),
        ("/restate/scope/s/call/Greeter/none", {}, "limit-key=/", "invalid limit-key: invalid limit-key component: "),
        ("/restate/scope//call/Greeter/none", {}, "", "bad scope value: value cannot be empty"),
        ("/restate/scope/%20/call/Greeter/none", {}, "", "bad scope value: value contains characters outside"),
        ("/Greeter/greet", {"content-type": "\xe9"}, "", "bad header content-type: "),
        ("/Greeter/greet", {"content-type": "a/b"}, "delay=bad", "input validation error: "),
        ("/Greeter/none", {}, "delay=bad", BAD_DELAY),
        ("/Greeter/none", {}, "delay", BAD_DELAY),
        ("/Greeter/none", {}, "delay=1s", DELAYED_CALL),
        ("/Greeter/none", {"x-a": "\xe9"}, "delay=1s", "bad header x-a: "),
        ("/Greeter/none", {"x-a": "\xe9"}, "limit-key=a", NO_SCOPE),
        ("/Greeter/none", {"x-restate-limit-key": "a/b"}, "limit-key=!", NO_SCOPE),
        ("/Greeter/none", {"x-restate-limit-key": "a/b/c"}, "", "invalid limit-key: too many path components"),
        (
            "/Greeter/none",
            {"x-restate-limit-key": "a b"},
            "",
            "invalid limit-key: invalid limit-key component: value c",
        ),
        (
            "/Greeter/none",
            {"x-restate-limit-key": "a" * 37},
            "",
            "invalid limit-key: invalid limit-key component: value t",
        ),
    ],
)
def test_request_is_refused(path: str, headers: dict[str, str], query: str, message: str) -> None:
    with pytest.raises(IngressError) as caught:
        invoke_of(path, headers, b"", query)
    assert caught.value.status == 400
    assert caught.value.message.startswith(message)


@pytest.mark.parametrize(
    ("headers", "query", "limit_key"),
    [
        ({}, "", None),
        ({"x-restate-limit-key": "a"}, "", "a"),
        ({"x-restate-limit-key": "a/b/"}, "limit-key=c", "a/b"),
        ({"x-restate-limit-key": ""}, "limit-key=c", None),
        ({}, "Limit-Key=a%2Fb&limit-key=c", "a/b"),
        ({}, "limit-key=", None),
    ],
)
def test_a_scoped_request_may_have_a_limit_key(headers: dict[str, str], query: str, limit_key: str | None) -> None:
    invoke = invoke_of("/restate/scope/t-1/send/Counter/k/add", headers, query=query)
    assert (invoke.target.scope, invoke.target.key, invoke.limit_key) == ("t-1", "k", limit_key)


@pytest.mark.parametrize(
    "target",
    ["Greeter/none", "Counter/k/add", "Signup/k/run", "Signup/k/status"],
)
def test_a_scope_decides_the_partition_and_keeps_ids_apart(target: str) -> None:
    headers = {} if target.endswith("run") else KEY
    ids = {scope: invoke_of(f"/restate{scope}/call/{target}", headers).id for scope in ("", "/scope/s", "/scope/t")}
    assert len({each[8:] for each in ids.values()}) == 3
    for scope in "st":
        place = scope_partition_key(scope).to_bytes(8, "big")
        assert ids[f"/scope/{scope}"][:8] == place
        assert invoke_of(f"/restate/scope/{scope}/call/{target}").id[:8] == place


@pytest.mark.parametrize("method", ["PUT", "DELETE", "HEAD"])
def test_other_methods_are_refused(method: str) -> None:
    with pytest.raises(IngressError) as caught:
        check_call(route_of("/Greeter/none"), method, {})
    assert caught.value.status == 405
    with pytest.raises(IngressError) as caught:
        check_call(route_of("/Greeter/secret"), method, {})
    assert caught.value.message == PRIVATE


def test_header_that_no_handler_sees_may_be_anything() -> None:
    headers: dict[str, Any] = {"connection": "\xe9"}
    assert input_headers(invoke_of("/Greeter/none", headers).input) == [("x-restate-ingress-path", "/Greeter/none")]
