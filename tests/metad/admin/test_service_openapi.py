"""OpenAPI documents of services. The comparison with the oracle's is in tests/compat/admin."""

from __future__ import annotations

import json
import re
from typing import Any

from metad.admin.service_openapi import service_openapi
from shared.catalog.services import Handler, InputRules, OutputRules, Service, ServiceKind
from shared.wal.commands import HandlerKind


def _document(kind: ServiceKind, *handlers: Handler, public: bool = True) -> Any:
    named = {handler.name: handler for handler in handlers}
    service = Service(name="S", kind=kind, handlers=named, deployment_id="dp_1", revision=3, public=public)
    document = service_openapi(service, "http://127.0.0.1:8080/")
    for reference in re.findall(r'"\$ref": "#/([^"]+)"', json.dumps(document)):
        place = document
        for name in reference.split("/"):
            place = place[name]
    return document


def test_routes_of_each_kind() -> None:
    service = _document(ServiceKind.SERVICE, Handler("h", HandlerKind.SERVICE))
    assert set(service["paths"]) == {
        "/restate/call/S/h",
        "/restate/send/S/h",
        "/restate/invocation/S/h/{idempotencyKey}/attach",
        "/restate/invocation/S/h/{idempotencyKey}/output",
    }
    keyed = _document(ServiceKind.VIRTUAL_OBJECT, Handler("h", HandlerKind.OBJECT_SHARED))
    assert "/restate/invocation/S/{key}/h/{idempotencyKey}/output" in keyed["paths"]
    workflow = _document(
        ServiceKind.WORKFLOW, Handler("run", HandlerKind.WORKFLOW_RUN), Handler("peek", HandlerKind.WORKFLOW_SHARED)
    )
    assert {path for path in workflow["paths"] if "{key}/" in path and "call" not in path and "send" not in path} == {
        "/restate/workflow/S/{key}/attach",
        "/restate/workflow/S/{key}/output",
    }
    assert service["info"] == {"title": "S", "version": "3"}


def test_what_nobody_may_call_is_not_described() -> None:
    hidden = Handler("hidden", HandlerKind.SERVICE, public=False)
    assert _document(ServiceKind.SERVICE, hidden)["paths"] == {}
    assert _document(ServiceKind.SERVICE, Handler("h", HandlerKind.SERVICE), public=False)["paths"] == {}


def test_schemas_are_found_where_they_are_moved_to() -> None:
    """As pydantic writes them: with definitions that they refer to by a path from their own root."""
    schema = {"$ref": "#/$defs/P", "$defs": {"P": {"type": "object", "items": [{"$ref": "#/$defs/P"}]}}}
    handler = Handler(
        "h",
        HandlerKind.SERVICE,
        input=InputRules(required=True, content_type="application/json", json_schema=json.dumps(schema)),
        output=OutputRules(json_schema="true"),
    )
    document = _document(ServiceKind.SERVICE, handler)
    moved = "#/components/schemas/hRequest/$defs/P"
    assert document["components"]["schemas"]["hRequest"]["$ref"] == moved
    assert document["components"]["schemas"]["hRequest"]["$defs"]["P"]["items"][0]["$ref"] == moved
    assert document["components"]["schemas"]["hResponse"] is True
    body = document["paths"]["/restate/call/S/h"]["post"]["requestBody"]
    assert body["required"]
    assert set(body["content"]) == {"application/json"}


def test_no_body_and_no_answer() -> None:
    nothing = (InputRules(content_type=None), OutputRules(content_type=None))
    handler = Handler("h", HandlerKind.SERVICE, input=nothing[0], output=nothing[1])
    call = _document(ServiceKind.SERVICE, handler)["paths"]["/restate/call/S/h"]["post"]
    assert "requestBody" not in call
    assert call["responses"]["200"] == {"description": "Empty"}
