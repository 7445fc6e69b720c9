"""A service -> OpenAPI 3.1 of its routes at the ingress (admin_api.md, part B5). Pure: no I/O.

Only handlers that clients may call are in it. The old attach and output routes are in it, marked as deprecated,
since clients are generated from it.
"""

from __future__ import annotations

import json
from typing import Any

from shared.catalog.services import Handler, InputRules, OutputRules, Service, ServiceKind
from shared.wal.commands import HandlerKind

__all__ = ["service_openapi"]

_Json = dict[str, Any]

_TAGS = {
    "Request Response": "Call a handler and wait for its answer",
    "Send": "Call a handler without waiting for it",
    "Attach": "Wait for the answer of a call that was made before",
    "Get Output": "The answer of a call that was made before, if it is there",
}
_TEXT = {"type": "string"}


def service_openapi(service: Service, ingress: str) -> _Json:
    """`ingress`: the URL by which clients reach it."""
    handlers = [each for each in service.handlers.values() if service.public and each.public]
    paths: dict[str, _Json] = {}
    schemas: _Json = {}
    for handler in handlers:
        paths |= _routes(service, handler)
        schemas |= _schemas(handler)
    info: _Json = {"title": service.name, "version": str(service.revision)}
    if service.documentation is not None:
        info["description"] = service.documentation
    return {
        "openapi": "3.1.0",
        "info": info | _extensions(service.metadata),
        "servers": [{"url": ingress, "description": "The ingress"}],
        "paths": paths,
        "tags": [{"name": name, "description": text} for name, text in _TAGS.items()],
        "components": {
            "schemas": schemas | {"RestateError": _ERROR},
            "responses": _RESPONSES,
            "parameters": _PARAMETERS,
        },
    }


def _routes(service: Service, handler: Handler) -> dict[str, _Json]:
    keyed = service.kind is not ServiceKind.SERVICE
    place = f"{service.name}/{{key}}" if keyed else service.name
    name = f"{service.name}/{handler.name}"
    common: _Json = {"summary": handler.name} | _extensions(handler.metadata)
    key = [_parameter("key")] if keyed else []
    called_with = key if service.kind is ServiceKind.WORKFLOW else [*key, _parameter("idempotencyKeyHeader")]
    body = _request_body(handler)
    call: _Json = {
        "operationId": handler.name,
        "description": handler.documentation or f"Call {name} and wait for its answer",
        "parameters": called_with,
        "responses": {"200": _answer(handler), "default": _response("GenericError")},
    }
    send: _Json = {
        "operationId": f"{handler.name}Send",
        "description": handler.documentation or f"Call {name} without waiting for it",
        "parameters": [*called_with, _parameter("delay")],
        "tags": ["Send"],
        "responses": {"200": _response("Send"), "202": _response("Send"), "default": _response("GenericError")},
    }
    routes = {
        f"/restate/call/{place}/{handler.name}": {"post": common | call | body},
        f"/restate/send/{place}/{handler.name}": {"post": common | send | body},
    }
    if service.kind is not ServiceKind.WORKFLOW:
        old = f"/restate/invocation/{place}/{handler.name}/{{idempotencyKey}}"
        return routes | _old_routes(handler, old, [*key, _parameter("idempotencyKeyPath")], common, name)
    if handler.kind is HandlerKind.WORKFLOW_RUN:
        return routes | _old_routes(handler, f"/restate/workflow/{place}", key, common, name)
    return routes


def _old_routes(handler: Handler, path: str, parameters: list[_Json], common: _Json, name: str) -> dict[str, _Json]:
    what = handler.documentation or name
    failures = {"404": _response("InvocationNotFoundError"), "default": _response("GenericError")}
    attach: _Json = {
        "operationId": f"{handler.name}Attach",
        "description": f"Deprecated: POST /restate/attach waits for any invocation. {what}",
        "tags": ["Attach"],
        "responses": {"200": _answer(handler)} | failures,
    }
    output: _Json = {
        "operationId": f"{handler.name}Output",
        "description": f"Deprecated: POST /restate/output asks for any invocation. {what}",
        "tags": ["Get Output"],
        "responses": {"200": _answer(handler), "470": _response("InvocationNotReadyError")} | failures,
    }
    both: _Json = {"parameters": parameters, "deprecated": True}
    return {f"{path}/attach": {"get": common | attach | both}, f"{path}/output": {"get": common | output | both}}


def _request_body(handler: Handler) -> _Json:
    rules: InputRules = handler.input
    if rules.content_type is None:
        return {}
    content: _Json = {} if rules.json_schema is None else {"schema": _ref("schemas", f"{handler.name}Request")}
    return {"requestBody": {"required": rules.required, "content": {rules.content_type: content}}}


def _answer(handler: Handler) -> _Json:
    rules: OutputRules = handler.output
    if rules.content_type is None:
        return {"description": "Empty"}
    content: _Json = {} if rules.json_schema is None else {"schema": _ref("schemas", f"{handler.name}Response")}
    return {"description": "", "content": {rules.content_type: content}}


def _schemas(handler: Handler) -> _Json:
    """As discovered, with references that lead to where they stand here."""
    found: _Json = {}
    if handler.input.content_type is not None and handler.input.json_schema is not None:
        schema = json.loads(handler.input.json_schema)
        # Both take anything; generators of clients know what to make of an object.
        found[f"{handler.name}Request"] = {} if schema is True else schema
    if handler.output.content_type is not None and handler.output.json_schema is not None:
        found[f"{handler.name}Response"] = json.loads(handler.output.json_schema)
    return {name: _moved(schema, f"#/components/schemas/{name}") for name, schema in found.items()}


def _moved(schema: Any, root: str) -> Any:
    """References into the schema itself (`#/$defs/…`) begin at `root` now."""
    if isinstance(schema, list):
        return [_moved(each, root) for each in schema]
    if not isinstance(schema, dict):
        return schema
    moved = {name: _moved(each, root) for name, each in schema.items()}
    reference = moved.get("$ref")
    if isinstance(reference, str) and reference.startswith("#"):
        moved["$ref"] = root + reference[1:]
    return moved


def _extensions(metadata: dict[str, str]) -> _Json:
    return {"x-restate-extensions": metadata} if metadata else {}


def _ref(kind: str, name: str) -> _Json:
    return {"$ref": f"#/components/{kind}/{name}"}


def _parameter(name: str) -> _Json:
    return _ref("parameters", name)


def _response(name: str) -> _Json:
    return _ref("responses", name)


def _failure(description: str, example: _Json) -> _Json:
    return {
        "description": description,
        "content": {"application/json": {"schema": _ref("schemas", "RestateError"), "example": example}},
    }


_PARAMETERS: _Json = {
    "key": {"name": "key", "in": "path", "required": True, "schema": _TEXT},
    "delay": {
        "name": "delay",
        "in": "query",
        "required": False,
        "schema": _TEXT,
        "description": "How long to wait before the handler is called: `10s`, `1h 30m`, `PT10S`",
        "example": "10s",
    },
    "idempotencyKeyHeader": {
        "name": "idempotency-key",
        "in": "header",
        "required": False,
        "schema": _TEXT,
        "description": "Requests of one handler with the same key are one call, and get the same answer",
    },
    "idempotencyKeyPath": {
        "name": "idempotencyKey",
        "in": "path",
        "required": True,
        "schema": _TEXT,
        "description": "The idempotency key of the request that made the call",
    },
}
_RESPONSES: _Json = {
    "GenericError": _failure("Failure", {"code": 500, "message": "it failed", "source": "invocation"}),
    "InvocationNotFoundError": _failure(
        "There is no such invocation", {"message": "invocation not found", "source": "ingress"}
    ),
    "InvocationNotReadyError": _failure(
        "It has not ended yet", {"message": "the invocation has not ended yet", "source": "ingress"}
    ),
    "Send": {
        "description": "The call is stored and will be made",
        "content": {
            "application/json": {
                "schema": {
                    "title": "RestateSendResponse",
                    "type": "object",
                    "properties": {
                        "invocationId": _TEXT,
                        "status": {"type": "string", "enum": ["Accepted", "PreviouslyAccepted"]},
                        "executionTime": {
                            "type": "string",
                            "format": "date-time",
                            "description": "When the handler is called, if there is a delay",
                        },
                    },
                    "required": ["invocationId", "status"],
                    "additionalProperties": False,
                },
                "example": {"invocationId": "inv_1gdJBtdVEcM942bjcDmb1c1khoaJe11Hbz", "status": "Accepted"},
            }
        },
    },
}
_ERROR: _Json = {
    "title": "RestateError",
    "type": "object",
    "description": "Why a request failed, or what the handler failed with",
    "properties": {
        "code": {"type": "number", "title": "error code"},
        "message": {"type": "string", "title": "Error message"},
        "source": {
            "type": "string",
            "title": "Error source",
            "enum": ["ingress", "invocation"],
            "description": "Whether the runtime or the handler says it; also in header `x-restate-error-source`",
        },
        "stacktrace": {"type": "string", "title": "Stacktrace of the error"},
        "metadata": {
            "type": "object",
            "title": "Additional metadata map",
            "additionalProperties": {"type": "string"},
        },
    },
    "required": ["message", "source"],
    "additionalProperties": False,
}
