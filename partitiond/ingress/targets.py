"""JSON bodies of attach, output and lookup -> the invocation they mean. Pure: no I/O."""

from __future__ import annotations

import msgspec

from partitiond.ingress.directory import Directory, HandlerEntry
from partitiond.ingress.errors import IngressError, bad_scope
from partitiond.ingress.names import idempotent_invocation_id, parse_invocation_id, workflow_invocation_id
from shared.limits import check_scope

__all__ = ["parse_target"]


class _Workflow(msgspec.Struct, tag="workflow", tag_field="target", rename="camel"):
    workflow_name: str
    workflow_key: str
    scope: str | None = None


class _Idempotent(msgspec.Struct, tag="idempotentInvocation", tag_field="target", rename="camel"):
    service: str
    handler: str
    idempotency_key: str
    key: str | None = None
    scope: str | None = None


class _Invocation(msgspec.Struct, tag="invocation", tag_field="target", rename="camel"):
    invocation_id: str


_decoder = msgspec.json.Decoder(_Workflow | _Idempotent | _Invocation)


def parse_target(action: str, body: bytes, directory: Directory) -> tuple[bytes, HandlerEntry | None]:
    """-> the invocation's id and, when the catalog has it, its handler. Nothing needs to exist."""
    try:
        target = _decoder.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        what = "lookup" if action == "lookup" else "request"
        # 500, though the client is at fault: clients know it so.
        raise IngressError(500, f"cannot read body: invalid {what} body: {error}") from error
    if isinstance(target, _Invocation):
        return parse_invocation_id(target.invocation_id), None
    scope = target.scope
    if scope is not None:
        try:
            check_scope(scope)
        except ValueError as error:
            raise bad_scope(error) from error
    if isinstance(target, _Workflow):
        service = directory.services.get(target.workflow_name)
        invocation_id = workflow_invocation_id(target.workflow_name, target.workflow_key, scope)
        return invocation_id, service.run if service else None
    service = directory.services.get(target.service)
    entry = service.handlers.get(target.handler) if service else None
    invocation_id = idempotent_invocation_id(target.service, target.key, target.handler, target.idempotency_key, scope)
    return invocation_id, entry
