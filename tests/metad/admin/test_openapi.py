"""The description of the admin API says what the admin API does."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import uvloop

from metad.admin.openapi import admin_openapi
from tests.metad.harness import Deployments, Node, manifest, new_settings, service

#: Served, and not described: old forms, and what only consoles use.
_LEFT_OUT = {("PUT", "/deployments/{deployment}"), ("GET", "/"), ("GET", "/ui"), ("GET", "/ui/{page:.*}")}


def test_it_describes_the_routes_that_are_served(tmp_path: Path) -> None:
    source = "".join(file.read_text() for file in (Path(__file__).parents[3] / "metad/admin").glob("*.py"))
    served = {
        (method.upper(), path)
        for method, path in re.findall(r"web\.(get|post|put|patch|delete)\(\"(/[^\"]*)\"", source)
        if not path.startswith("/internal")
    }
    assert len(served) > 20
    paths = admin_openapi("1")["paths"]
    described = {(method.upper(), path) for path, operations in paths.items() for method in operations}
    assert described == served - _LEFT_OUT


def test_references_lead_somewhere_and_ids_are_unique() -> None:
    document = admin_openapi("1")
    for reference in re.findall(r'"\$ref": "#/([^"]+)"', json.dumps(document)):
        place: Any = document
        for name in reference.split("/"):
            place = place[name]
    ids = [each["operationId"] for operations in document["paths"].values() for each in operations.values()]
    assert len(ids) == len(set(ids))


def test_bodies_are_described_by_what_reads_them() -> None:
    schemas = admin_openapi("1")["components"]["schemas"]
    assert schemas["RegisterBody"]["required"] == ["uri"]
    assert set(schemas["ModifyBody"]["properties"]) >= {"public", "abort_timeout"}


def test_answers_have_the_fields_that_are_described(tmp_path: Path) -> None:
    async def main() -> None:
        deployments = Deployments()
        async with deployments.serving(), Node(new_settings(tmp_path)) as node:
            document = (await node.call("GET", "/v3/openapi")).json
            shapes = document["components"]["schemas"]
            registered = (await node.register(deployments.put("a", manifest(service("S"))))).json
            answers = {
                "RegisteredDeployment": registered,
                "Deployment": (await node.call("GET", f"/deployments/{registered['id']}")).json,
                "Service": (await node.call("GET", "/services/S")).json,
                "Handler": (await node.call("GET", "/services/S/handlers/h")).json,
                "Version": (await node.call("GET", "/version")).json,
                "Error": (await node.call("GET", "/services/T")).json,
            }
            for name, answer in answers.items():
                assert set(shapes[name]["required"]) <= set(answer) <= set(shapes[name]["properties"]), name

    uvloop.run(main())
