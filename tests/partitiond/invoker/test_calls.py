"""Who is called, under which id, for how long kept: as seen at Restate 1.7.12 by SQL over ctx calls."""

from __future__ import annotations

from itertools import count
from typing import Any

import pytest
from msgspec.structs import replace

from partitiond.invoker.protocol.calls import CallResolver, retentions
from partitiond.invoker.protocol.preconditions import PreconditionError
from shared.catalog.catalog import Catalog
from shared.ids import (
    SERVICE_BUCKETS,
    idempotent_partition_key,
    idempotent_uuid,
    key_partition_key,
    partition_key_of,
    scope_partition_key,
    service_partition_key,
    workflow_uuid,
)
from shared.protocol import service_pb2 as pb
from shared.protocol.message_types import MessageType
from shared.wal.commands import CallEntry, Caller, HandlerKind
from tests.partitiond.invoker.builders import DAY_MS, catalog, target

_CALLER = bytes(range(24))
_HOUR_MS = 3600 * 1000


def _resolver() -> CallResolver:
    numbers = count(1)
    return CallResolver(
        caller_id=_CALLER,
        caller_target=target("Steps/call"),
        traceparent="00-a-b-01",
        tracestate="a=1",
        random_bytes=lambda length: next(numbers).to_bytes(length, "big"),
    )


def call(path: str, *, known: Catalog | None = None, **fields: Any) -> CallEntry:
    service, *key, handler = path.split("/")
    message = pb.CallCommand(
        service_name=service, handler_name=handler, key=key[0] if key else "", parameter=b"p",
        result_completion_id=2, invocation_id_notification_idx=1, **fields,
    )  # fmt: skip
    return _resolver().read(known or catalog(), MessageType.CALL, message.SerializeToString(), ack=False)


def test_call_of_a_service_has_a_random_id_on_one_of_its_buckets() -> None:
    callee = call("Greeter/greet").callee
    buckets = {service_partition_key("Greeter", bucket) for bucket in range(SERVICE_BUCKETS)}
    assert partition_key_of(callee.id) in buckets
    assert callee.id[8:] == (1).to_bytes(16, "big")
    assert callee.target == target("Greeter/greet")
    assert callee.caller == Caller(_CALLER, 2, target("Steps/call"))
    assert (callee.input, callee.traceparent, callee.request_uid) == (b"", "00-a-b-01", b"")
    assert callee.tracestate == "a=1"


def test_call_of_an_object_goes_where_its_key_is() -> None:
    callee = call("Counter/c1/add").callee
    assert partition_key_of(callee.id) == key_partition_key("c1")
    assert callee.target.kind == HandlerKind.OBJECT_EXCLUSIVE


def test_idempotent_calls_meet() -> None:
    service = call("Greeter/greet", idempotency_key="ik").callee
    assert partition_key_of(service.id) == idempotent_partition_key("Greeter", "ik")
    assert service.id[8:] == idempotent_uuid("Greeter", None, "greet", "ik")
    keyed = call("Counter/c1/add", idempotency_key="ik").callee
    assert partition_key_of(keyed.id) == key_partition_key("c1")
    assert keyed.id[8:] == idempotent_uuid("Counter", "c1", "add", "ik")
    assert (service.idempotency_key, keyed.idempotency_key) == ("ik", "ik")


@pytest.mark.parametrize("fields", [{}, {"idempotency_key": "ik"}])
def test_run_of_a_workflow_has_one_id_a_key(fields: dict[str, Any]) -> None:
    callee = call("Flow/w1/run", **fields).callee
    assert callee.id[8:] == workflow_uuid("Flow", "w1")
    assert callee.request_uid != b""


@pytest.mark.parametrize("path", ["Greeter/greet", "Counter/c1/add", "Flow/w1/run", "Flow/w1/query"])
def test_a_scope_decides_place_and_id(path: str) -> None:
    plain, scoped = (call(path, idempotency_key="ik", **fields).callee for fields in ({}, {"scope": "s"}))
    assert (plain.target.scope, scoped.target.scope) == (None, "s")
    assert replace(scoped.target, scope=None) == plain.target
    assert partition_key_of(scoped.id) == scope_partition_key("s")
    assert plain.id[8:] != scoped.id[8:]
    assert call(path, scope="s").callee.id[:8] == scoped.id[:8]


def test_a_callee_is_in_the_scope_that_the_call_names() -> None:
    """Not in its caller's, and without a scope it has none."""
    message = pb.CallCommand(service_name="Greeter", handler_name="greet")
    resolver = CallResolver(
        caller_id=_CALLER, caller_target=replace(target("Steps/call"), scope="s"), traceparent=None, random_bytes=bytes
    )
    callee = resolver.read(catalog(), MessageType.CALL, message.SerializeToString(), ack=False).callee
    assert callee.target.scope is None
    assert callee.caller is not None
    assert callee.caller.target.scope == "s"


@pytest.mark.parametrize(("text", "kept"), [("", None), ("a", "a"), ("a/", "a"), ("a/b", "a/b"), ("a/b/", "a/b")])
def test_a_limit_key_is_passed_on(text: str, kept: str | None) -> None:
    assert call("Greeter/greet", scope="s", limit_key=text).callee.limit_key == kept


def test_headers_and_completion_ids_are_passed_on() -> None:
    effect = call("Greeter/greet", headers=[pb.Header(key="a", value="b"), pb.Header(key="a", value="c")])
    assert [(h.key, h.value) for h in pb.CallCommand.FromString(effect.raw).headers] == [("a", "b"), ("a", "c")]
    assert effect.id_completion_id == 1
    assert effect.callee.start_at_ms == 0


def test_one_way_call_may_wait_and_has_no_completion() -> None:
    message = pb.OneWayCallCommand(
        service_name="Greeter", handler_name="greet", invoke_time=12345, invocation_id_notification_idx=4
    )
    effect = _resolver().read(catalog(), MessageType.ONE_WAY_CALL, message.SerializeToString(), ack=True)
    assert (effect.callee.start_at_ms, effect.id_completion_id, effect.ack) == (12345, 4, True)
    assert effect.callee.caller == Caller(_CALLER, None, target("Steps/call"))


@pytest.mark.parametrize(
    ("path", "fields", "code"),
    [
        ("Nope/greet", {}, "RT0018"),
        ("Greeter/nope", {}, "RT0018"),
        ("Greeter/key/greet", {}, "RT0017"),
        ("Greeter/greet", {"idempotency_key": ""}, "RT0017"),
        ("Greeter/greet", {"scope": "s/t"}, "RT0024"),
        ("Greeter/greet", {"scope": "s" * 37}, "RT0024"),
        ("Greeter/greet", {"limit_key": "s"}, "RT0024"),
        ("Greeter/greet", {"scope": "", "limit_key": "s"}, "RT0024"),
        ("Greeter/greet", {"scope": "s", "limit_key": "a/b/c"}, "RT0024"),
        ("Greeter/greet", {"scope": "s", "limit_key": "/"}, "RT0024"),
        ("Greeter/greet", {"scope": "s", "limit_key": "a//"}, "RT0024"),
    ],
)
def test_calls_that_cannot_be(path: str, fields: dict[str, Any], code: str) -> None:
    with pytest.raises(PreconditionError) as caught:
        call(path, **fields)
    assert caught.value.doc_code == code


def test_call_without_a_catalog_is_late_not_wrong() -> None:
    with pytest.raises(PreconditionError) as caught:
        _resolver().read(None, MessageType.CALL, pb.CallCommand(service_name="Greeter").SerializeToString(), ack=False)
    assert caught.value.doc_code == "RT0018"


def test_object_call_without_a_key_has_the_empty_one() -> None:
    assert call("Counter//add").callee.target.key == ""


@pytest.mark.parametrize(
    ("options", "kind", "idempotency_key", "expected"),
    [
        ({}, HandlerKind.SERVICE, None, (DAY_MS, DAY_MS)),
        ({}, HandlerKind.SERVICE, "ik", (DAY_MS, DAY_MS)),
        ({"journal_retention_ms": 0}, HandlerKind.SERVICE, None, (0, 0)),
        ({"journal_retention_ms": 0}, HandlerKind.SERVICE, "ik", (DAY_MS, 0)),
        ({"journal_retention_ms": _HOUR_MS}, HandlerKind.OBJECT_EXCLUSIVE, None, (_HOUR_MS, _HOUR_MS)),
        ({"idempotency_retention_ms": _HOUR_MS}, HandlerKind.SERVICE, None, (DAY_MS, DAY_MS)),
        ({"idempotency_retention_ms": _HOUR_MS}, HandlerKind.OBJECT_SHARED, "ik", (_HOUR_MS, _HOUR_MS)),
        ({"idempotency_retention_ms": 0}, HandlerKind.SERVICE, "ik", (0, 0)),
        ({"workflow_completion_retention_ms": _HOUR_MS}, HandlerKind.WORKFLOW_RUN, None, (_HOUR_MS, _HOUR_MS)),
        ({"workflow_completion_retention_ms": _HOUR_MS}, HandlerKind.WORKFLOW_SHARED, "ik", (DAY_MS, DAY_MS)),
    ],
)
def test_retentions(
    options: dict[str, Any], kind: HandlerKind, idempotency_key: str | None, expected: tuple[int, int]
) -> None:
    known = catalog(**options)
    merged = known.options_of(known.services["Greeter"], known.services["Greeter"].handlers["greet"])
    assert retentions(merged, kind, idempotency_key) == expected
