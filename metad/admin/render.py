"""Catalog -> the JSON of the admin API. Owns: nothing.

Services are shown with the node's defaults in what they leave open, handlers only with what they set themselves.
"""

from __future__ import annotations

import json
from typing import Any

from metad.admin.friendly import friendly_duration, rfc3339
from shared.catalog.defaults import Defaults
from shared.catalog.deployments import Deployment, ProtocolMode
from shared.catalog.services import Handler, InputRules, OutputRules, RetryPolicy, Service, ServiceKind
from shared.wal.commands import HandlerKind

__all__ = ["deployment_json", "handler_json", "registered_json", "service_json"]

_DAY_MS = 86_400_000
_HANDLER_TYPES = {
    HandlerKind.SERVICE: None,
    HandlerKind.OBJECT_EXCLUSIVE: "Exclusive",
    HandlerKind.OBJECT_SHARED: "Shared",
    HandlerKind.WORKFLOW_RUN: "Workflow",
    HandlerKind.WORKFLOW_SHARED: "Shared",
}


def registered_json(deployment: Deployment, defaults: Defaults) -> dict[str, Any]:
    """Answer to a registration."""
    return _set(
        id=deployment.id,
        services=[service_json(service, deployment, defaults) for service in deployment.services.values()],
        min_protocol_version=deployment.min_protocol_version,
        max_protocol_version=deployment.max_protocol_version,
        sdk_version=deployment.sdk_version,
    )


def deployment_json(deployment: Deployment, defaults: Defaults, *, detailed: bool) -> dict[str, Any]:
    """DeploymentResponse, or DetailedDeploymentResponse with the services whole."""
    services: list[dict[str, Any]] = [
        service_json(service, deployment, defaults)
        if detailed
        else {"name": service.name, "revision": service.revision}
        for service in deployment.services.values()
    ]
    return _set(
        id=deployment.id,
        uri=deployment.uri,
        protocol_type=deployment.protocol_mode.value,
        http_version=deployment.http_version,
        additional_headers=deployment.additional_headers or None,
        metadata=deployment.metadata or None,
        created_at=rfc3339(deployment.created_at_ms),
        min_protocol_version=deployment.min_protocol_version,
        max_protocol_version=deployment.max_protocol_version,
        sdk_version=deployment.sdk_version,
        services=services,
    )


def service_json(service: Service, deployment: Deployment, defaults: Defaults) -> dict[str, Any]:
    """ServiceMetadata. `deployment` is the one of this revision."""
    unary = deployment.protocol_mode is ProtocolMode.REQUEST_RESPONSE
    workflow = service.kind is ServiceKind.WORKFLOW
    return _set(
        name=service.name,
        ty=service.kind.value,
        handlers=[handler_json(handler, service, deployment) for handler in service.handlers.values()],
        documentation=service.documentation,
        metadata=service.metadata or None,
        deployment_id=service.deployment_id,
        revision=service.revision,
        public=service.public,
        idempotency_retention=_duration(service.idempotency_retention_ms, _DAY_MS),
        workflow_completion_retention=(
            _duration(service.workflow_completion_retention_ms, _DAY_MS) if workflow else None
        ),
        journal_retention=_duration(service.journal_retention_ms, _DAY_MS),
        # A request-response deployment is never waited for: the request ends before the answer begins.
        inactivity_timeout="0s" if unary else _duration(service.inactivity_timeout_ms, defaults.inactivity_timeout_ms),
        abort_timeout=_duration(service.abort_timeout_ms, defaults.abort_timeout_ms),
        enable_lazy_state=bool(service.enable_lazy_state),
        retry_policy=_service_retry_json(service.retry_policy, defaults),
        info=_inactivity_info(service.inactivity_timeout_ms, "service") if unary else None,
    )


def handler_json(handler: Handler, service: Service, deployment: Deployment) -> dict[str, Any]:
    """HandlerMetadata. No handler of a private service is public."""
    unary = deployment.protocol_mode is ProtocolMode.REQUEST_RESPONSE
    shown = _set(
        name=handler.name,
        ty=_HANDLER_TYPES[handler.kind],
        documentation=handler.documentation,
        metadata=handler.metadata or None,
        idempotency_retention=_duration(handler.idempotency_retention_ms),
        journal_retention=_duration(handler.journal_retention_ms),
        inactivity_timeout=None if unary else _duration(handler.inactivity_timeout_ms),
        abort_timeout=_duration(handler.abort_timeout_ms),
        enable_lazy_state=handler.enable_lazy_state,
        public=service.public and handler.public,
        input_description=_input_description(handler.input),
        output_description=_output_description(handler.output),
        retry_policy=_handler_retry_json(handler.retry_policy),
        info=_inactivity_info(handler.inactivity_timeout_ms, "handler") if unary else None,
    )
    # A schema may be `false`, so that its absence is told by the text alone.
    for name, schema in (
        ("input_json_schema", handler.input.json_schema),
        ("output_json_schema", handler.output.json_schema),
    ):
        if schema is not None:
            shown[name] = json.loads(schema)
    return shown


def _set(**fields: Any) -> dict[str, Any]:
    """The fields that have a value: absent ones are left out of the JSON."""
    return {name: value for name, value in fields.items() if value is not None}


def _duration(duration_ms: int | None, default_ms: int | None = None) -> str | None:
    value = default_ms if duration_ms is None else duration_ms
    return None if value is None else friendly_duration(value)


def _service_retry_json(policy: RetryPolicy, defaults: Defaults) -> dict[str, Any]:
    attempts = defaults.retry_max_attempts if policy.max_attempts is None else policy.max_attempts
    factor = defaults.retry_factor if policy.exponentiation_factor is None else policy.exponentiation_factor
    return {
        "initial_interval": _duration(policy.initial_interval_ms, defaults.retry_initial_interval_ms),
        "exponentiation_factor": _factor(factor),
        "max_attempts": attempts or None,
        "max_interval": _duration(policy.max_interval_ms, defaults.retry_max_interval_ms),
        "on_max_attempts": policy.on_max_attempts or defaults.retry_on_max_attempts,
    }


def _handler_retry_json(policy: RetryPolicy) -> dict[str, Any]:
    factor = policy.exponentiation_factor
    shown = _set(
        initial_interval=_duration(policy.initial_interval_ms),
        exponentiation_factor=None if factor is None else _factor(factor),
        max_interval=_duration(policy.max_interval_ms),
        on_max_attempts=policy.on_max_attempts,
    )
    # Always there, also as null.
    shown["max_attempts"] = policy.max_attempts or None
    return shown


def _factor(value: float) -> float:
    """Six digits: the API's number has 32 bits."""
    return float(f"{value:.6g}")


def _inactivity_info(timeout_ms: int | None, what: str) -> list[dict[str, str]] | None:
    if timeout_ms is None:
        return None
    message = (
        f"inactivity_timeout {friendly_duration(timeout_ms)} has no effect: "
        f"the {what} is served in request-response mode"
    )
    return [{"code": "RT0021", "message": message}]


def _input_description(rules: InputRules) -> str:
    if rules.content_type is None:
        return "<invalid rules>" if rules.required else "none"
    return _schema_description(rules.json_schema) or rules.content_type


def _output_description(rules: OutputRules) -> str:
    if rules.content_type is None:
        return "none"
    described = _schema_description(rules.json_schema)
    if described is not None:
        return described
    return f"optional {rules.content_type}" if rules.set_content_type_if_empty else rules.content_type


def _schema_description(schema: str | None) -> str | None:
    """By the schema's title, else its type, when it has one."""
    value = None if schema is None else json.loads(schema)
    if not isinstance(value, dict):
        return None
    if isinstance(value.get("title"), str):
        return f"JSON '{value['title']}'"
    return f"JSON {value['type']}" if isinstance(value.get("type"), str) else None
