"""Manifest -> services and handlers of the catalog. Pure: no I/O.

The result holds what the deployment said and nothing else: options it leaves open stay open, defaults are
merged by `Catalog.options_of`.
"""

from __future__ import annotations

import re
from typing import Any, NamedTuple

import msgspec

from metad.registry.answer import HandlerAnswer, InputAnswer, ManifestAnswer, OutputAnswer, ServiceAnswer
from metad.registry.errors import DiscoveryError, ManifestError
from shared.catalog.deployments import ProtocolMode
from shared.catalog.services import Handler, InputRules, OutputRules, RetryPolicy, Service, ServiceKind
from shared.protocol.versions import MIN_SERVICE_PROTOCOL
from shared.wal.commands import HandlerKind

__all__ = ["DURATION_MS_LIMIT", "Manifest", "read_manifest"]

#: A deployment that speaks nothing older than this may be registered (admin_api.md, A2), though we may speak less.
_MAX_REGISTERED_PROTOCOL = 7
_MAX_PROTOCOL = 2**31 - 1
#: 7000 years: a time now plus this still is a date that RFC 3339 can write.
DURATION_MS_LIMIT = 7000 * 365 * 24 * 60 * 60 * 1000

_HEADER_VALUE = re.compile(r"[\t -~\x80-\U0010ffff]*")
_PROTOCOL_MODES = {"BIDI_STREAM": ProtocolMode.BIDI_STREAM, "REQUEST_RESPONSE": ProtocolMode.REQUEST_RESPONSE}
_SERVICE_KINDS = {
    "SERVICE": ServiceKind.SERVICE,
    "VIRTUAL_OBJECT": ServiceKind.VIRTUAL_OBJECT,
    "WORKFLOW": ServiceKind.WORKFLOW,
}
#: (service type, handler type) -> kind. A pair that is not here is an error.
_HANDLER_KINDS = {
    ("SERVICE", None): HandlerKind.SERVICE,
    ("SERVICE", "SHARED"): HandlerKind.SERVICE,
    ("VIRTUAL_OBJECT", None): HandlerKind.OBJECT_EXCLUSIVE,
    ("VIRTUAL_OBJECT", "EXCLUSIVE"): HandlerKind.OBJECT_EXCLUSIVE,
    ("VIRTUAL_OBJECT", "SHARED"): HandlerKind.OBJECT_SHARED,
    # The manifest's schema says that a workflow's handler runs the workflow by default; Restate makes it shared.
    ("WORKFLOW", None): HandlerKind.WORKFLOW_SHARED,
    ("WORKFLOW", "SHARED"): HandlerKind.WORKFLOW_SHARED,
    ("WORKFLOW", "WORKFLOW"): HandlerKind.WORKFLOW_RUN,
}


class Manifest(NamedTuple):
    """What a deployment serves. Services have revision 0 and no deployment yet."""

    protocol_mode: ProtocolMode
    min_protocol_version: int
    max_protocol_version: int
    services: list[Service]


def read_manifest(answer: ManifestAnswer) -> Manifest:
    """Raises DiscoveryError (the deployment does not fit this runtime) or ManifestError (it contradicts itself)."""
    if answer.protocol_mode is None:
        raise DiscoveryError("META0013", "the deployment's manifest has no protocolMode")
    _check_versions(answer.min_protocol_version, answer.max_protocol_version)
    # A name given twice counts once, the last time.
    services = {service.name: _service(service) for service in answer.services}
    return Manifest(
        protocol_mode=_PROTOCOL_MODES[answer.protocol_mode],
        min_protocol_version=answer.min_protocol_version,
        max_protocol_version=answer.max_protocol_version,
        services=list(services.values()),
    )


def _check_versions(minimum: int, maximum: int) -> None:
    if not 1 <= minimum <= maximum <= _MAX_PROTOCOL:
        raise DiscoveryError(
            "META0013",
            f"protocol versions {minimum} to {maximum} are no range within 1 to {_MAX_PROTOCOL}",
        )
    if minimum > _MAX_REGISTERED_PROTOCOL or maximum < MIN_SERVICE_PROTOCOL:
        raise DiscoveryError(
            "META0012",
            f"the deployment speaks service protocol {minimum} to {maximum}, this runtime takes "
            f"{MIN_SERVICE_PROTOCOL} to {_MAX_REGISTERED_PROTOCOL}: use another version of the SDK",
        )


def _service(answer: ServiceAnswer) -> Service:
    handlers = {handler.name: _handler(answer, handler) for handler in answer.handlers}
    retentions = [
        handler.workflow_completion_retention_ms
        for handler in handlers.values()
        if handler.workflow_completion_retention_ms is not None
    ]
    return Service(
        name=answer.name,
        kind=_SERVICE_KINDS[answer.ty],
        handlers=handlers,
        deployment_id="",
        revision=0,
        public=not answer.ingress_private,
        documentation=answer.documentation,
        metadata=answer.metadata,
        inactivity_timeout_ms=_duration(answer.inactivity_timeout),
        abort_timeout_ms=_duration(answer.abort_timeout),
        journal_retention_ms=_duration(answer.journal_retention),
        idempotency_retention_ms=_duration(answer.idempotency_retention),
        workflow_completion_retention_ms=max(retentions, default=None),
        enable_lazy_state=answer.enable_lazy_state,
        retry_policy=_retry_policy(answer),
    )


def _handler(service: ServiceAnswer, answer: HandlerAnswer) -> Handler:
    kind = _HANDLER_KINDS.get((service.ty, answer.ty))
    place = f"handler '{service.name}/{answer.name}'"
    if kind is None:
        raise ManifestError(f"{place}: a {service.ty} has no handlers of type {answer.ty}")
    if service.ingress_private and answer.ingress_private is False:
        raise ManifestError(
            f"{place} is set public and its service private: make the service public and hide the other handlers"
        )
    if kind == HandlerKind.WORKFLOW_RUN and answer.idempotency_retention is not None:
        raise ManifestError(f"{place} sets idempotencyRetention, which a WORKFLOW handler cannot have")
    if kind != HandlerKind.WORKFLOW_RUN and answer.workflow_completion_retention is not None:
        raise ManifestError(f"{place} sets workflowCompletionRetention, which only a WORKFLOW handler can have")
    return Handler(
        name=answer.name,
        kind=kind,
        documentation=answer.documentation,
        metadata=answer.metadata,
        input=_input_rules(place, answer.input),
        output=_output_rules(place, answer.output),
        inactivity_timeout_ms=_duration(answer.inactivity_timeout),
        abort_timeout_ms=_duration(answer.abort_timeout),
        journal_retention_ms=_duration(answer.journal_retention),
        idempotency_retention_ms=_duration(answer.idempotency_retention),
        workflow_completion_retention_ms=_duration(answer.workflow_completion_retention),
        enable_lazy_state=answer.enable_lazy_state,
        public=not (service.ingress_private or answer.ingress_private),
        retry_policy=_retry_policy(answer),
    )


def _input_rules(place: str, answer: InputAnswer | None) -> InputRules:
    if answer is None:
        return InputRules()
    if answer.content_type is None:
        return InputRules(required=bool(answer.required), content_type=None)
    if "/" not in answer.content_type:
        raise ManifestError(f"{place}: input contentType '{answer.content_type}' is no media range: want type/subtype")
    return InputRules(
        required=bool(answer.required),
        content_type=answer.content_type,
        json_schema=_json_schema(f"{place}: input", answer.json_schema),
    )


def _output_rules(place: str, answer: OutputAnswer | None) -> OutputRules:
    if answer is None:
        return OutputRules()
    if answer.content_type is None:
        return OutputRules(
            content_type=None, set_content_type_if_empty=bool(answer.set_content_type_if_empty), json_schema=None
        )
    if not _HEADER_VALUE.fullmatch(answer.content_type):
        raise ManifestError(f"{place}: output contentType {answer.content_type!r} cannot be a header's value")
    return OutputRules(
        content_type=answer.content_type,
        set_content_type_if_empty=bool(answer.set_content_type_if_empty),
        json_schema=_json_schema(f"{place}: output", answer.json_schema),
    )


def _json_schema(place: str, schema: Any) -> str | None:
    """JSON text. Only its outside is checked: a whole validator of schemas is not worth its weight here."""
    if schema is None:
        return None
    if not isinstance(schema, bool | dict):
        raise ManifestError(f"{place} jsonSchema must be an object or a boolean")
    if isinstance(schema, dict) and not isinstance(schema.get("title", ""), str):
        raise ManifestError(f"{place} jsonSchema has a title that is no string")
    return msgspec.json.encode(schema, order="sorted").decode()


def _duration(value_ms: int | None) -> int | None:
    return None if value_ms is None else min(value_ms, DURATION_MS_LIMIT)


def _retry_policy(answer: ServiceAnswer | HandlerAnswer) -> RetryPolicy:
    attempts = answer.retry_policy_max_attempts
    on_max_attempts = answer.retry_policy_on_max_attempts
    return RetryPolicy(
        initial_interval_ms=_duration(answer.retry_policy_initial_interval),
        exponentiation_factor=answer.retry_policy_exponentiation_factor,
        # The first attempt always is made; 0 means unlimited in the catalog.
        max_attempts=None if attempts is None else max(attempts, 1),
        max_interval_ms=_duration(answer.retry_policy_max_interval),
        on_max_attempts=None if on_max_attempts is None else on_max_attempts.capitalize(),
    )
