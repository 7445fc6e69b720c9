"""PATCH of deployments and services: what the comparison with the oracle does not show."""

from __future__ import annotations

from pathlib import Path

import uvloop

from tests.metad.harness import Deployments, Node, manifest, new_settings, service, until


def test_a_moved_deployment_is_asked_at_its_new_place_and_pushed(tmp_path: Path) -> None:
    async def main() -> None:
        deployments = Deployments()
        async with deployments.serving(), Node(new_settings(tmp_path)) as node:
            uri = deployments.put("a", manifest(service("S")))
            deployment_id = (await node.register(uri, additional_headers={"x-a": "b"})).json["id"]
            path = f"/deployments/{deployment_id}"
            moved = deployments.put("b", manifest(service("S"), service("T")))
            dry = await node.call("PATCH", path, {"uri": moved, "dry_run": True})
            assert (dry.status, dry.json["uri"]) == (200, moved)
            assert (await node.call("GET", path)).json["uri"] == uri
            reply = await node.call("PATCH", path, {"uri": moved})
            assert (reply.status, [each["name"] for each in reply.json["services"]]) == (200, ["S"])
            asked = deployments.asked[-1]
            assert (asked["path"], asked["headers"]["x-a"]) == ("/b/discover", "b")
            await until(lambda: node.catalogs.catalog and node.catalogs.catalog.deployments[deployment_id].uri == moved)
            reply = await node.call("PATCH", path, {"use_http_11": True, "overwrite": True})
            assert reply.json["http_version"] == "HTTP/1.1"
            assert [each["name"] for each in reply.json["services"]] == ["S", "T"]
            # It stays so, since nothing else is said.
            reply = await node.call("PATCH", path, {"additional_headers": {"X-C": " d "}})
            assert (reply.json["http_version"], reply.json["additional_headers"]) == ("HTTP/1.1", {"x-c": "d"})

    uvloop.run(main())


def test_bodies_that_do_not_fit_name_the_field(tmp_path: Path) -> None:
    async def main() -> None:
        deployments = Deployments()
        async with deployments.serving(), Node(new_settings(tmp_path)) as node:
            deployment_id = (await node.register(deployments.put("a", manifest(service("S"))))).json["id"]
            for path, body, status, field in (
                (f"/deployments/{deployment_id}", {"uri": 5}, 422, "uri"),
                (f"/deployments/{deployment_id}", {"arn": "arn:aws"}, 400, "arn"),
                (f"/deployments/{deployment_id}", {"additional_headers": {"a b": "c"}}, 422, "additional_headers"),
                ("/services/S", {"abort_timeout": "soon"}, 422, "abort_timeout"),
                ("/services/S", {"workflow_completion_retention": "1d"}, 400, "workflow_completion_retention"),
                ("/services/S", [], 422, "object"),
            ):
                reply = await node.call("PATCH", path, body)
                assert (reply.status, field in reply.body.decode()) == (status, True), (path, body, reply)
            reply = await node.call("PUT", f"/v4/deployments/{deployment_id}", {})
            assert (reply.status, "PATCH" in reply.json["message"]) == (405, True)

    uvloop.run(main())


def test_a_private_service_has_no_public_handlers(tmp_path: Path) -> None:
    async def main() -> None:
        deployments = Deployments()
        async with deployments.serving(), Node(new_settings(tmp_path)) as node:
            await node.register(deployments.put("a", manifest(service("S"))))
            assert (await node.call("PATCH", "/services/S", {"public": False})).status == 200
            assert not (await node.call("GET", "/services/S/handlers/h")).json["public"]
            await until(lambda: node.catalogs.catalog and not node.catalogs.catalog.services["S"].public)

    uvloop.run(main())
