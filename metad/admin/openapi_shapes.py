"""The schemas of what the admin API answers. Pure: no I/O."""

from __future__ import annotations

from typing import Any

__all__ = ["SHAPES", "Json", "named"]

Json = dict[str, Any]


def named(name: str) -> Json:
    """A reference to the schema of this name."""
    return {"$ref": f"#/components/schemas/{name}"}


def _object(required: str, **properties: Json) -> Json:
    return {"type": "object", "properties": properties, "required": required.split()}


_TEXT: Json = {"type": "string"}
_NUMBER: Json = {"type": "integer", "minimum": 0}
_FLAG: Json = {"type": "boolean"}
_MAP: Json = {"type": "object", "additionalProperties": _TEXT}
_DURATION: Json = {"type": "string", "description": "As in `1m 30s`"}
_TIME: Json = {"type": "string", "format": "date-time"}
SHAPES: Json = {
    "Error": _object("message", message=_TEXT, restate_code={"type": ["string", "null"]}),
    "RegisteredDeployment": _object(
        "id services min_protocol_version max_protocol_version",
        id=_TEXT,
        services={"type": "array", "items": named("Service")},
        min_protocol_version=_NUMBER,
        max_protocol_version=_NUMBER,
        sdk_version=_TEXT,
    ),
    "Deployment": _object(
        "id uri protocol_type http_version created_at min_protocol_version max_protocol_version services",
        id=_TEXT,
        uri=_TEXT,
        protocol_type={"enum": ["BidiStream", "RequestResponse"]},
        http_version={"enum": ["HTTP/1.1", "HTTP/2.0"]},
        additional_headers=_MAP,
        metadata=_MAP,
        created_at=_TIME,
        min_protocol_version=_NUMBER,
        max_protocol_version=_NUMBER,
        sdk_version=_TEXT,
        services={
            "type": "array",
            "description": "Names and revisions in a list of deployments, whole of a single one",
            "items": _object("name revision", name=_TEXT, revision=_NUMBER),
        },
    ),
    "Service": _object(
        "name ty handlers deployment_id revision public idempotency_retention inactivity_timeout abort_timeout",
        name=_TEXT,
        ty={"enum": ["Service", "VirtualObject", "Workflow"]},
        handlers={"type": "array", "items": named("Handler")},
        documentation=_TEXT,
        metadata=_MAP,
        deployment_id=_TEXT,
        revision=_NUMBER,
        public=_FLAG,
        idempotency_retention=_DURATION,
        workflow_completion_retention=_DURATION,
        journal_retention=_DURATION,
        inactivity_timeout=_DURATION,
        abort_timeout=_DURATION,
        enable_lazy_state=_FLAG,
        retry_policy={"type": "object"},
        info={"type": "array", "items": {"type": "object"}},
    ),
    "Handler": _object(
        "name public input_description output_description",
        name=_TEXT,
        ty={"enum": ["Exclusive", "Shared", "Workflow"]},
        documentation=_TEXT,
        metadata=_MAP,
        idempotency_retention=_DURATION,
        journal_retention=_DURATION,
        inactivity_timeout=_DURATION,
        abort_timeout=_DURATION,
        enable_lazy_state=_FLAG,
        public=_FLAG,
        input_description=_TEXT,
        output_description=_TEXT,
        input_json_schema={},
        output_json_schema={},
        retry_policy={"type": "object"},
        info={"type": "array", "items": {"type": "object"}},
    ),
    "Restarted": _object("new_invocation_id", new_invocation_id=_TEXT),
    "Rule": _object(
        "pattern limits disabled version last_modified_millis_since_epoch",
        pattern=_TEXT,
        limits=_object("", concurrency=_NUMBER),
        description=_TEXT,
        disabled=_FLAG,
        version=_NUMBER,
        last_modified_millis_since_epoch=_NUMBER,
    ),
    "NoSubscriptions": _object("subscriptions", subscriptions={"type": "array", "maxItems": 0}),
    "NoKafkaClusters": _object("clusters", clusters={"type": "array", "maxItems": 0}),
    "ClusterHealth": _object("cluster_name", cluster_name=_TEXT, metadata_cluster_health={"type": ["object", "null"]}),
    "Version": _object(
        "version min_admin_api_version max_admin_api_version features",
        version=_TEXT,
        min_admin_api_version=_NUMBER,
        max_admin_api_version=_NUMBER,
        ingress_endpoint=_TEXT,
        features={"type": "object", "additionalProperties": _FLAG},
    ),
}
