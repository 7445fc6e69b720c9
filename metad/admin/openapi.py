"""The admin API described as OpenAPI 3.1. Owns: nothing.

Bodies of requests are described by the structs that read them, so that they cannot drift apart; a test holds the
table of operations to the routes that are served. What only consoles use (`/internal`) and old forms are left out.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec

from metad.admin.bodies import (
    KafkaClusterBody,
    KafkaPropertiesBody,
    ModifyBody,
    QueryBody,
    RegisterBody,
    RuleDeleteBody,
    RuleUpsertBody,
    StateBody,
    SubscriptionBody,
    UpdateBody,
)
from metad.admin.openapi_shapes import SHAPES, Json, named

__all__ = ["admin_openapi"]

_TAGS = {
    "deployment": "Where services run: register, move and remove them",
    "service": "What is registered: services and their handlers",
    "invocation": "Cancel, kill, pause, resume, restart and forget invocations",
    "limits": "How many invocations of a scope run at once",
    "kafka": "Kafka is not supported: lists are empty, and the rest says what to do instead",
    "introspection": "What there is to see: SQL, health, version",
}


class _Operation(NamedTuple):
    """`answers`: status -> what it means; of 2xx, `shape` is the body's schema, if there is one."""

    method: str
    path: str
    id: str
    tag: str
    summary: str
    answers: dict[int, str]
    shape: Json | None = None
    body: Any = None
    query: tuple[str, ...] = ()


def _listed(field: str, name: str) -> Json:
    return {"type": "object", "properties": {field: {"type": "array", "items": named(name)}}, "required": [field]}


_NO_BODY = {400: "A field or parameter is wrong", 503: "The log or the partition cannot be reached now: ask again"}
_NOT_FOUND = {400: "The name or id cannot be read", 404: "There is none of this name or id"}
_FITS = {413: "The body is too large", 415: "The body is no JSON by its type", 422: "The body does not fit"}
_CHANGES = {400: "A field is wrong", 503: "The log cannot be reached now: ask again"} | _FITS
_DISCOVERS = {500: "The deployment cannot be asked, or does not fit this runtime (META0003, META0012 to META0014)"}
_NO_ID = {400: "No id of this kind"}
_REFUSED = {400: "A field is wrong"} | _FITS
_VERB = _NO_BODY | _NOT_FOUND | {409: "Its status does not allow this"}

_OPERATIONS = (
    _Operation(
        "post",
        "/deployments",
        "create_deployment",
        "deployment",
        "Register the services of a deployment",
        {200: "It was there before, or is replaced", 201: "Registered", 409: "A service would change its type"}
        | _CHANGES
        | _DISCOVERS,
        named("RegisteredDeployment"),
        RegisterBody,
    ),
    _Operation(
        "get",
        "/deployments",
        "list_deployments",
        "deployment",
        "All deployments",
        {200: "With the names and revisions of their services"},
        _listed("deployments", "Deployment"),
    ),
    _Operation(
        "get",
        "/deployments/{deployment}",
        "get_deployment",
        "deployment",
        "One deployment, its services whole",
        {200: "The deployment"} | _NOT_FOUND,
        named("Deployment"),
    ),
    _Operation(
        "patch",
        "/deployments/{deployment}",
        "update_deployment",
        "deployment",
        "Move a deployment, or change what is sent to it",
        {200: "As it is now", 409: "Others change it again and again"} | _NOT_FOUND | _CHANGES | _DISCOVERS,
        named("Deployment"),
        UpdateBody,
    ),
    _Operation(
        "delete",
        "/deployments/{deployment}",
        "delete_deployment",
        "deployment",
        "Forget a deployment; its services fall back to their next older revision",
        {202: "It is gone", 501: "Only `force=true` is supported"} | _NO_BODY | _NOT_FOUND,
        query=("force",),
    ),
    _Operation(
        "get",
        "/services",
        "list_services",
        "service",
        "All services at their newest revision",
        {200: "The services"},
        _listed("services", "Service"),
    ),
    _Operation(
        "get",
        "/services/{service}",
        "get_service",
        "service",
        "One service at its newest revision",
        {200: "The service"} | _NOT_FOUND,
        named("Service"),
    ),
    _Operation(
        "patch",
        "/services/{service}",
        "modify_service",
        "service",
        "Change a service's options, until it is registered again",
        {200: "As it is now"} | _NOT_FOUND | _CHANGES,
        named("Service"),
        ModifyBody,
    ),
    _Operation(
        "post",
        "/services/{service}/state",
        "modify_service_state",
        "service",
        "Replace the state of an object or workflow, once the calls before it have ended",
        {202: "It will be replaced, if its version is right then"} | _NOT_FOUND | _CHANGES,
        body=StateBody,
    ),
    _Operation(
        "get",
        "/services/{service}/openapi",
        "get_service_openapi",
        "service",
        "OpenAPI of its routes at the ingress",
        {200: "The document"} | _NOT_FOUND,
        {"type": "object"},
    ),
    _Operation(
        "get",
        "/services/{service}/handlers",
        "list_service_handlers",
        "service",
        "Its handlers",
        {200: "The handlers"} | _NOT_FOUND,
        _listed("handlers", "Handler"),
    ),
    _Operation(
        "get",
        "/services/{service}/handlers/{handler}",
        "get_service_handler",
        "service",
        "One handler",
        {200: "The handler"} | _NOT_FOUND,
        named("Handler"),
    ),
    *(
        _Operation("patch", f"/invocations/{{invocation_id}}/{verb}", name, "invocation", summary, answers | _VERB)
        for verb, name, summary, answers in (
            (
                "cancel",
                "cancel_invocation",
                "Tell the handler to stop and clean up",
                {200: "It had not begun, and is gone", 202: "The handler is told"},
            ),
            ("kill", "kill_invocation", "End it at once, with all that it has called", {200: "It has ended"}),
            ("purge", "purge_invocation", "Forget one that has ended", {200: "It is forgotten"}),
            ("purge-journal", "purge_journal", "Forget the journal of one that has ended", {200: "It is forgotten"}),
            (
                "pause",
                "pause_invocation",
                "Stop it where it is",
                {200: "It is paused already", 202: "It is paused at its next step"},
            ),
        )
    ),
    _Operation(
        "patch",
        "/invocations/{invocation_id}/resume",
        "resume_invocation",
        "invocation",
        "Let a paused one go on, or one that backs off try again now",
        {200: "It goes on", 425: "It has not begun"} | _VERB,
        query=("deployment",),
    ),
    _Operation(
        "patch",
        "/invocations/{invocation_id}/restart-as-new",
        "restart_as_new_invocation",
        "invocation",
        "Do one that has ended again, from its input or from an entry of its journal",
        {200: "The new one", 410: "Its input was not kept", 422: "A workflow, or of an old protocol", 425: "Not begun"}
        | _VERB,
        named("Restarted"),
        query=("from", "deployment"),
    ),
    _Operation(
        "delete",
        "/invocations/{invocation_id}",
        "delete_invocation",
        "invocation",
        "The old form of cancel, kill and purge",
        {202: "Accepted, whatever becomes of it"} | _NO_BODY,
        query=("mode",),
    ),
    _Operation(
        "put",
        "/limits/rules",
        "upsert_rules",
        "limits",
        "Make or change rules, all of them or none",
        {200: "The rules as they are now", 409: "A precondition does not hold"} | _CHANGES,
        {"type": "array", "items": named("Rule")},
        list[RuleUpsertBody],
    ),
    _Operation(
        "post",
        "/limits/rules/bulk-delete",
        "bulk_delete_rules",
        "limits",
        "Remove rules, all of them or none",
        {200: "The patterns of those that were there", 409: "A precondition does not hold"} | _CHANGES,
        {"type": "array", "items": {"type": "string"}},
        list[RuleDeleteBody],
    ),
    _Operation(
        "post",
        "/query",
        "query",
        "introspection",
        "SQL over the state of the runtime",
        {200: "Rows, as JSON or as an Arrow stream by `accept`", 500: "The query failed"} | _CHANGES,
        {"type": "object", "properties": {"rows": {"type": "array", "items": {"type": "object"}}}},
        QueryBody,
    ),
    _Operation(
        "get",
        "/subscriptions",
        "list_subscriptions",
        "kafka",
        "All subscriptions: none",
        {200: "An empty list", 400: "A parameter is given twice"},
        named("NoSubscriptions"),
        query=("sink", "source"),
    ),
    _Operation(
        "post",
        "/subscriptions",
        "create_subscription",
        "kafka",
        "Refused: there is no Kafka cluster to read from",
        _REFUSED,
        body=SubscriptionBody,
    ),
    *(
        _Operation(method, "/subscriptions/{subscription}", name, "kafka", "There is none", _NO_ID | _NOT_FOUND)
        for method, name in (("get", "get_subscription"), ("delete", "delete_subscription"))
    ),
    _Operation(
        "get",
        "/kafka-clusters",
        "list_kafka_clusters",
        "kafka",
        "All Kafka clusters: none",
        {200: "An empty list"},
        named("NoKafkaClusters"),
    ),
    _Operation(
        "post",
        "/kafka-clusters",
        "create_kafka_cluster",
        "kafka",
        "Refused: Kafka is not supported",
        _REFUSED | {501: "Kafka is not supported"},
        body=KafkaClusterBody,
    ),
    _Operation(
        "get",
        "/kafka-clusters/{cluster_name}",
        "get_kafka_cluster",
        "kafka",
        "There is none",
        {400: "A parameter is wrong"} | _NOT_FOUND,
        query=("include_subscriptions",),
    ),
    _Operation(
        "patch",
        "/kafka-clusters/{cluster_name}",
        "update_kafka_cluster",
        "kafka",
        "There is none",
        _REFUSED | _NOT_FOUND,
        body=KafkaPropertiesBody,
    ),
    _Operation(
        "delete",
        "/kafka-clusters/{cluster_name}",
        "delete_kafka_cluster",
        "kafka",
        "There is none",
        {400: "A parameter is wrong"} | _NOT_FOUND,
        query=("force",),
    ),
    _Operation("get", "/health", "health", "introspection", "Can it serve", {200: "It can", 503: "What is missing"}),
    _Operation(
        "get",
        "/cluster-health",
        "cluster_health",
        "introspection",
        "The name of the cluster",
        {200: "The name"},
        named("ClusterHealth"),
    ),
    _Operation("get", "/version", "version", "introspection", "What is this", {200: "Versions"}, named("Version")),
    _Operation(
        "get", "/openapi", "openapi", "introspection", "This document", {200: "The document"}, {"type": "object"}
    ),
)
_QUERY: dict[str, Json] = {
    "sink": {"schema": {"type": "string"}},
    "source": {"schema": {"type": "string"}},
    "include_subscriptions": {"schema": {"type": "boolean", "default": False}},
    "force": {"schema": {"type": "boolean", "default": False}, "description": "Do not wait until nothing uses it"},
    "mode": {"schema": {"enum": ["cancel", "kill", "purge"], "default": "cancel"}},
    "from": {
        "schema": {"type": "integer", "minimum": 0, "maximum": (1 << 32) - 1, "default": 0},
        "description": "The last entry of the journal that is kept",
    },
    "deployment": {"schema": {"type": "string"}, "description": "`keep`, `latest` or the id of a deployment"},
}


def admin_openapi(version: str) -> Json:
    """`version`: of this server."""
    bodies = [each.body for each in _OPERATIONS if each.body is not None]
    shapes, components = msgspec.json.schema_components(bodies, ref_template="#/components/schemas/{name}")
    schema_of = iter(shapes)
    paths: dict[str, Json] = {}
    for each in _OPERATIONS:
        body = None if each.body is None else next(schema_of)
        paths.setdefault(each.path, {})[each.method] = _described(each, body)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Everlog admin API", "version": version},
        "paths": paths,
        "tags": [{"name": name, "description": text} for name, text in _TAGS.items()],
        "components": {"schemas": components | SHAPES},
    }


def _described(each: _Operation, body: Json | None) -> Json:
    names = [part[1:-1] for part in each.path.split("/") if part.startswith("{")]
    parameters = [{"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in names]
    parameters += [{"name": name, "in": "query", "required": False} | _QUERY[name] for name in each.query]
    described: Json = {
        "operationId": each.id,
        "summary": each.summary,
        "tags": [each.tag],
        "responses": {str(status): _response(each, status) for status in sorted(each.answers)},
    }
    if parameters:
        described["parameters"] = parameters
    if body is not None:
        described["requestBody"] = {"required": True, "content": {"application/json": {"schema": body}}}
    return described


def _response(each: _Operation, status: int) -> Json:
    response: Json = {"description": each.answers[status]}
    if status < 300 and each.shape is not None:
        response["content"] = {"application/json": {"schema": each.shape}}
    if status >= 400:
        # What does not fit the route's form is told in plain text.
        error = {"application/json": {"schema": named("Error")}, "text/plain": {"schema": {"type": "string"}}}
        response["content"] = error
    return response
