"""Catalogs, invocations and messages for the invoker's tests."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from typing import Any

from msgspec.structs import replace

from shared.catalog.catalog import Catalog
from shared.catalog.deployments import Deployment, ProtocolMode
from shared.catalog.partitions import PartitionTable, even_partitions
from shared.catalog.services import Handler, RetryPolicy, Service, ServiceKind
from shared.ids import idempotent_uuid, target_partition_key, workflow_uuid
from shared.protocol import service_pb2 as pb
from shared.protocol.input import encode_input
from shared.protocol.message_types import MessageType
from shared.storage.values import InvocationRow, Status
from shared.wal.commands import HandlerKind, Invoke, Target

__all__ = ["END", "OUTPUT", "catalog", "deployment", "invoke", "output", "row", "suspension", "target", "value"]

DAY_MS = 24 * 60 * 60 * 1000


def value(content: object) -> bytes:
    """JSON."""
    return json.dumps(content).encode()


def output(content: object) -> tuple[int, bytes]:
    return MessageType.OUTPUT, pb.OutputCommand(value=pb.Value(content=value(content))).SerializeToString()


def suspension(*, completions: Iterable[int] = (), signals: Iterable[int] = ()) -> tuple[int, bytes]:
    """Waits for any of these, in the words of each protocol version."""
    future = pb.Future(waiting_completions=completions, waiting_signals=signals)
    message = pb.Suspension(
        waiting_completions=completions, waiting_signals=signals, awaiting_on=future.SerializeToString()
    )
    return MessageType.SUSPENSION, message.SerializeToString()


OUTPUT = output("ok")
END = (int(MessageType.END), b"")

_SERVICES = {
    "Greeter": (ServiceKind.SERVICE, {"greet": HandlerKind.SERVICE}),
    "Steps": (
        ServiceKind.SERVICE,
        dict.fromkeys(
            (
                "run_twice", "run_fails_once", "fails_once", "terminal", "sleep", "await_awakeable", "call", "call_all",
                "call_many", "stop_in_the_middle",
            ),
            HandlerKind.SERVICE,
        ),
    ),
    "Counter": (
        ServiceKind.VIRTUAL_OBJECT,
        {
            "add": HandlerKind.OBJECT_EXCLUSIVE,
            "add_lazily": HandlerKind.OBJECT_EXCLUSIVE,
            "forget": HandlerKind.OBJECT_EXCLUSIVE,
            "fill": HandlerKind.OBJECT_EXCLUSIVE,
            "get": HandlerKind.OBJECT_SHARED,
        },
    ),
    "Flow": (ServiceKind.WORKFLOW, {"run": HandlerKind.WORKFLOW_RUN, "query": HandlerKind.WORKFLOW_SHARED}),
}  # fmt: skip


def deployment(uri: str = "http://127.0.0.1:9080", deployment_id: str = "dp_1", **changes: Any) -> Deployment:
    """A deployment of every service of the tests."""
    fields: dict[str, Any] = {
        "id": deployment_id,
        "uri": uri,
        "protocol_mode": ProtocolMode.BIDI_STREAM,
        "http_version": "HTTP/2.0",
        "min_protocol_version": 5,
        "max_protocol_version": 7,
        "created_at_ms": 1,
        "services": {},
    }
    return Deployment(**(fields | changes))


def catalog(*deployments: Deployment, version: int = 1, retry: RetryPolicy | None = None, **options: Any) -> Catalog:
    """The last deployment serves new invocations; `options` are those of every service."""
    deployments = deployments or (deployment(),)
    services = {}
    for name, (kind, handlers) in _SERVICES.items():
        made = {
            handler: Handler(handler, handler_kind, enable_lazy_state=True if handler.endswith("_lazily") else None)
            for handler, handler_kind in handlers.items()
        }
        services[name] = Service(
            name, kind, made, deployments[-1].id, 1, retry_policy=retry or RetryPolicy(), **options
        )
    return Catalog(version, services, {each.id: each for each in deployments}, PartitionTable(1, even_partitions(1)))


def target(path: str) -> Target:
    """`Service/handler` or `Service/key/handler`."""
    parts = path.split("/")
    kind = _SERVICES[parts[0]][1].get(parts[-1], HandlerKind.SERVICE) if parts[0] in _SERVICES else HandlerKind.SERVICE
    return Target(parts[0], parts[-1], parts[1] if len(parts) == 3 else None, kind)


def invoke(
    path: str, argument: object = "Bob", *, idempotency_key: str | None = None, scope: str | None = None
) -> Invoke:
    """A call from outside whose result is kept."""
    goal = replace(target(path), scope=scope)
    uuid = os.urandom(16)
    if goal.kind == HandlerKind.WORKFLOW_RUN:
        uuid = workflow_uuid(goal.service, goal.key or "")
    elif idempotency_key is not None:
        uuid = idempotent_uuid(goal.service, goal.key, goal.handler, idempotency_key)
    prefix = os.urandom(8)
    if scope is not None or goal.key is not None:
        prefix = target_partition_key(scope, goal.key or "").to_bytes(8, "big")
    return Invoke(
        prefix + uuid,
        goal,
        encode_input([], b"")
        if argument is None
        else encode_input([("content-type", "application/json")], value(argument)),
        completion_retention_ms=DAY_MS,
        journal_retention_ms=DAY_MS,
    )


def row(path: str = "Greeter/greet", **changes: Any) -> InvocationRow:
    """A row as the machine hands it over with StartInvocation."""
    fields: dict[str, Any] = {
        "status": Status.INVOKED,
        "target": target(path),
        "generation": 1,
        "journal_length": 1,
        "command_count": 1,
        "created_at_ms": 1,
        "modified_at_ms": 1,
        "completion_retention_ms": 0,
        "journal_retention_ms": 0,
    }
    return InvocationRow(**(fields | changes))
