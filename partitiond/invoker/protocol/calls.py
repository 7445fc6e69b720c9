"""Call and OneWayCall with their target resolved from the catalog: who is invoked, under which id. Pure: no I/O."""

from __future__ import annotations

from collections.abc import Callable

from partitiond.invoker.protocol.preconditions import (
    BAD_ENTRY,
    BAD_SCOPE,
    NO_HANDLER,
    TOO_LARGE,
    PreconditionError,
    require_scope,
)
from shared.catalog.catalog import Catalog, HandlerOptions
from shared.ids import (
    SERVICE_BUCKETS,
    idempotent_partition_key,
    idempotent_uuid,
    key_partition_key,
    scope_partition_key,
    service_partition_key,
    workflow_uuid,
)
from shared.limits import normal_limit_key
from shared.protocol import service_pb2 as pb
from shared.protocol.message_types import MessageType
from shared.wal.commands import CallEntry, Caller, HandlerKind, Invoke, Target

__all__ = ["CallResolver", "callee_id", "retentions"]

#: Service, handler, key and idempotency key travel beside the message that holds them already, and the caller's key
#: with each of its calls: logd leaves 64 KiB for what is beside a message, and the store 2 bytes for a name's length.
_NAMES_BYTES_MAX = 60_000


def retentions(options: HandlerOptions, kind: HandlerKind, idempotency_key: str | None) -> tuple[int, int]:
    """(completion, journal) in milliseconds. The journal is never kept longer than the result; without anybody
    who could ask for the result, it is kept as long as the journal. (Seen at Restate 1.7.12.)"""
    if kind == HandlerKind.WORKFLOW_RUN:
        completion_ms = options.workflow_completion_retention_ms
    elif idempotency_key is not None:
        completion_ms = options.idempotency_retention_ms
    else:
        completion_ms = options.journal_retention_ms
    return completion_ms, min(options.journal_retention_ms, completion_ms)


def callee_id(target: Target, idempotency_key: str | None, random_bytes: Callable[[int], bytes]) -> bytes:
    """Derived where a second call must meet the first (workflow run, idempotency key), else random."""
    if target.kind == HandlerKind.WORKFLOW_RUN:
        assert target.key is not None
        uuid = workflow_uuid(target.service, target.key, target.scope)
    elif idempotency_key is not None:
        uuid = idempotent_uuid(target.service, target.key, target.handler, idempotency_key, target.scope)
    else:
        uuid = random_bytes(16)
    if target.scope is not None:
        partition_key = scope_partition_key(target.scope)
    elif target.key is not None:
        partition_key = key_partition_key(target.key)
    elif idempotency_key is not None:
        partition_key = idempotent_partition_key(target.service, idempotency_key)
    else:
        bucket = int.from_bytes(random_bytes(2), "big") % SERVICE_BUCKETS
        partition_key = service_partition_key(target.service, bucket)
    return partition_key.to_bytes(8, "big") + uuid


class CallResolver:
    """Makes the `CallEntry` effects of one caller. Raises DecodeError, or PreconditionError when the call cannot be."""

    __slots__ = ("_caller_id", "_caller_target", "_random_bytes", "_traceparent", "_tracestate")

    def __init__(
        self,
        *,
        caller_id: bytes,
        caller_target: Target,
        traceparent: str | None,
        tracestate: str | None = None,
        random_bytes: Callable[[int], bytes],
    ) -> None:
        self._caller_id = caller_id
        self._caller_target = caller_target
        self._traceparent = traceparent
        self._tracestate = tracestate
        self._random_bytes = random_bytes

    def read(self, catalog: Catalog | None, message_type: int, raw: bytes, *, ack: bool) -> CallEntry:
        """The effect for one CallCommand or OneWayCallCommand."""
        message: pb.CallCommand | pb.OneWayCallCommand
        if message_type == MessageType.CALL:
            call = message = pb.CallCommand.FromString(raw)
            completion_id, start_at_ms = call.result_completion_id, 0
        else:
            send = message = pb.OneWayCallCommand.FromString(raw)
            completion_id, start_at_ms = None, send.invoke_time
        if len(raw) > _NAMES_BYTES_MAX:
            _check_names(message)
        callee = self._resolve(catalog, message, completion_id)
        callee.start_at_ms = start_at_ms
        return CallEntry(message_type, raw, callee, message.invocation_id_notification_idx, ack)

    def _resolve(
        self, catalog: Catalog | None, message: pb.CallCommand | pb.OneWayCallCommand, completion_id: int | None
    ) -> Invoke:
        service = catalog.services.get(message.service_name) if catalog is not None else None
        handler = service.handlers.get(message.handler_name) if service is not None else None
        if catalog is None or service is None or handler is None:
            name = f"{message.service_name}/{message.handler_name}"
            raise PreconditionError(NO_HANDLER, f"no such handler: {name}; register its deployment")
        key = _key_of(message, handler.kind)
        # A callee is in the scope that the call names, not in its caller's.
        scope = message.scope or None
        if scope is not None:
            require_scope(scope)
        idempotency_key = message.idempotency_key if message.HasField("idempotency_key") else None
        if idempotency_key == "":
            raise PreconditionError(BAD_ENTRY, "the idempotency key is empty")
        limit_key = _limit_key_of(message.limit_key, scope)
        target = Target(message.service_name, message.handler_name, key, handler.kind, scope)
        options = catalog.options_of(service, handler)
        completion_ms, journal_ms = retentions(options, handler.kind, idempotency_key)
        # A second run of a workflow is refused, and tells itself from a repeated first one by this uid.
        is_run = handler.kind == HandlerKind.WORKFLOW_RUN
        return Invoke(
            id=callee_id(target, idempotency_key, self._random_bytes),
            target=target,
            input=b"",
            idempotency_key=idempotency_key,
            completion_retention_ms=completion_ms,
            journal_retention_ms=journal_ms,
            caller=Caller(self._caller_id, completion_id, self._caller_target),
            traceparent=self._traceparent,
            tracestate=self._tracestate,
            request_uid=self._random_bytes(16) if is_run else b"",
            limit_key=limit_key,
        )


def _check_names(message: pb.CallCommand | pb.OneWayCallCommand) -> None:
    names = (message.service_name, message.handler_name, message.key, message.idempotency_key)
    size = sum(len(name.encode()) for name in names)
    if size > _NAMES_BYTES_MAX:
        raise PreconditionError(
            TOO_LARGE, f"service, handler, key and idempotency key are {size} bytes, the limit is {_NAMES_BYTES_MAX}"
        )


def _limit_key_of(text: str, scope: str | None) -> str | None:
    try:
        limit_key = normal_limit_key(text)
    except ValueError as error:
        raise PreconditionError(BAD_SCOPE, f"the limit key is invalid: {error}") from error
    if limit_key is not None and scope is None:
        raise PreconditionError(BAD_SCOPE, "a limit key without a scope: it counts within a scope only")
    return limit_key


def _key_of(message: pb.CallCommand | pb.OneWayCallCommand, kind: HandlerKind) -> str | None:
    """proto3 cannot tell an empty key from none: for a keyed target it is the key "", else there must be none."""
    if kind != HandlerKind.SERVICE:
        return message.key
    if message.key:
        raise PreconditionError(BAD_ENTRY, f"service {message.service_name} takes no key, got {message.key!r}")
    return None
