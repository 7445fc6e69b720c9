"""POST, GET and DELETE /deployments: statuses and bodies as the oracle gave them (see tests/compat/admin)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import uvloop

from tests.metad.harness import Deployments, Node, handler, manifest, new_settings, service, until

Story = Callable[[Node, Deployments], Awaitable[None]]


def _run(tmp_path: Path, story: Story) -> None:
    async def main() -> None:
        deployments = Deployments()
        async with deployments.serving(), Node(new_settings(tmp_path)) as node:
            await story(node, deployments)

    uvloop.run(main())


@pytest.mark.parametrize("name", ["Connection", "keep-alive", "TE", "Transfer-Encoding"])
def test_headers_of_one_http1_connection_are_refused_before_they_fail_each_call(tmp_path: Path, name: str) -> None:
    """HTTP/2 has none of them, so that every call of the deployment would be malformed."""

    async def story(node: Node, deployments: Deployments) -> None:
        uri = deployments.put("a", manifest(service("S")))
        reply = await node.register(uri, additional_headers={name: "x"})
        assert (reply.status, reply.json["restate_code"]) == (500, "META0003")
        assert f"the additional header '{name.lower()}' means one HTTP/1.1 connection" in reply.json["message"]
        assert deployments.asked == []

    _run(tmp_path, story)


def test_registration_shows_the_service_and_is_pushed(tmp_path: Path) -> None:
    async def story(node: Node, deployments: Deployments) -> None:
        uri = deployments.put("a", manifest(service("Greeter")), headers={"x-restate-server": "sdk/1"})
        reply = await node.register(uri, additional_headers={"X-Team": " blue\t"}, metadata={"git": "1f"})
        assert reply.status == 201
        deployment_id = reply.json["id"]
        assert reply.headers["Location"] == f"deployments/{deployment_id}"
        assert reply.json["sdk_version"] == "sdk/1"
        assert [each["revision"] for each in reply.json["services"]] == [1]
        asked = deployments.asked[-1]
        assert (asked["version"], asked["path"], asked["headers"]["x-team"]) == ("2", "/a/discover", "blue")
        listed = (await node.call("GET", "/deployments")).json["deployments"]
        assert listed[0]["services"] == [{"name": "Greeter", "revision": 1}]
        assert listed[0]["additional_headers"] == {"x-team": "blue"}
        assert listed[0]["metadata"] == {"git": "1f"}
        shown = (await node.call("GET", f"/deployments/{deployment_id}")).json
        assert shown["services"][0]["handlers"][0]["name"] == "h"
        assert shown["http_version"] == "HTTP/2.0"
        await until(lambda: node.catalogs.catalog is not None and "Greeter" in node.catalogs.catalog.services)
        assert (await node.call("GET", "/services/Greeter")).json["deployment_id"] == deployment_id

    _run(tmp_path, story)


def test_registering_again_returns_the_same_without_asking(tmp_path: Path) -> None:
    async def story(node: Node, deployments: Deployments) -> None:
        uri = deployments.put("a", manifest(service("Greeter")))
        first = await node.register(uri)
        asked = len(deployments.asked)
        for again in (uri, uri + "?x=1", uri + "#f", uri.replace("http:", "HTTP:")):
            reply = await node.register(again)
            assert (reply.status, reply.json["id"]) == (200, first.json["id"])
        assert len(deployments.asked) == asked
        assert (await node.register(uri, api="/v2", force=False)).status == 409
        other = await node.register(uri + "/")
        assert (other.status, other.json["id"] != first.json["id"]) == (201, True)

    _run(tmp_path, story)


def test_force_replaces_in_place_with_a_new_revision(tmp_path: Path) -> None:
    async def story(node: Node, deployments: Deployments) -> None:
        uri = deployments.put("a", manifest(service("Greeter")))
        first = await node.register(uri)
        deployments.put("a", manifest(service("Greeter", handlers=[handler("new")])))
        second = await node.register(uri, force=True)
        assert (second.status, second.json["id"]) == (200, first.json["id"])
        assert second.json["services"][0]["revision"] == 2
        assert [each["name"] for each in second.json["services"][0]["handlers"]] == ["new"]
        # Version 2 forces by default, and calls it created.
        third = await node.register(uri, api="/v2")
        assert (third.status, third.json["services"][0]["revision"]) == (201, 3)

    _run(tmp_path, story)


def test_dry_run_answers_and_changes_nothing(tmp_path: Path) -> None:
    async def story(node: Node, deployments: Deployments) -> None:
        appends = node.logd.appends
        reply = await node.register(deployments.put("a", manifest(service("Greeter"))), dry_run=True)
        assert (reply.status, reply.json["services"][0]["revision"]) == (201, 1)
        assert node.logd.appends == appends
        assert (await node.call("GET", "/services/Greeter")).status == 404

    _run(tmp_path, story)


def test_removal_needs_force_and_falls_back_to_the_older_revision(tmp_path: Path) -> None:
    async def story(node: Node, deployments: Deployments) -> None:
        first = (await node.register(deployments.put("a", manifest(service("Greeter"))))).json["id"]
        second = (await node.register(deployments.put("b", manifest(service("Greeter"))))).json["id"]
        plain = await node.call("DELETE", f"/deployments/{second}")
        assert (plain.status, "?force=true" in plain.json["message"]) == (501, True)
        assert (await node.call("DELETE", f"/deployments/{second}?force=x")).status == 400
        forced = await node.call("DELETE", f"/deployments/{second}?force=true")
        assert (forced.status, forced.body) == (202, b"")
        shown = (await node.call("GET", "/services/Greeter")).json
        assert (shown["deployment_id"], shown["revision"]) == (first, 1)
        assert (await node.call("GET", f"/deployments/{second}")).status == 404
        assert (await node.call("DELETE", f"/deployments/{second}?force=true")).status == 404
        assert (await node.call("DELETE", "/deployments/dp_1?force=true")).status == 400

    _run(tmp_path, story)


@pytest.mark.parametrize(
    ("services", "fields", "status", "code"),
    [
        ([service("restateX")], {}, 400, "META0005"),
        ([service("OpenAPI")], {}, 400, "META0005"),
        ([service("Taken", "VIRTUAL_OBJECT")], {}, 409, "META0006"),
        ([service("Other"), service("Taken", "VIRTUAL_OBJECT")], {}, 409, "META0006"),
        ([service("Taken", "VIRTUAL_OBJECT")], {"breaking": True}, 201, None),
        ([service("Taken", "VIRTUAL_OBJECT")], {"force": True}, 201, None),
        ([service("S", handlers=[handler(ty="WORKFLOW")])], {}, 400, None),
        ([service("9bad")], {}, 500, None),
    ],
)
def test_conflicts(
    tmp_path: Path, services: list[dict[str, Any]], fields: dict[str, Any], status: int, code: str | None
) -> None:
    async def story(node: Node, deployments: Deployments) -> None:
        await node.register(deployments.put("taken", manifest(service("Taken"))))
        reply = await node.register(deployments.put("new", manifest(*services)), **fields)
        assert reply.status == status
        if status >= 400:
            assert set(reply.json) == {"message", "restate_code"}
            assert reply.json["restate_code"] == code
            # All or nothing.
            assert len((await node.call("GET", "/deployments")).json["deployments"]) == 1
            assert (await node.call("GET", "/services/Other")).status == 404

    _run(tmp_path, story)


@pytest.mark.parametrize(
    ("body", "status", "named"),
    [
        (b'{"uri":', 400, "JSON"),
        (b"", 400, "JSON"),
        ([], 422, "object"),
        ({}, 422, "uri"),
        ({"uri": 5}, 422, "uri"),
        ({"uri": ""}, 422, "uri"),
        ({"uri": "http://"}, 422, "uri"),
        ({"uri": "http://a b/"}, 422, "uri"),
        ({"uri": "http://h/", "force": "x"}, 422, "force"),
        ({"uri": "http://h/", "breaking": None}, 422, "breaking"),
        ({"uri": "http://h/", "metadata": {"a": 1}}, 422, "metadata"),
        ({"uri": "http://h/", "additional_headers": {"a b": "c"}}, 422, "additional_headers"),
        ({"uri": "http://h/", "additional_headers": {"a": "b\nc"}}, 422, "additional_headers"),
        ({"uri": "/relative"}, 400, "uri"),
        ({"uri": "127.0.0.1:9080"}, 400, "uri"),
        ({"arn": "arn:aws:lambda:eu-central-1:123456789012:function:foo:1"}, 400, "arn"),
        ({"uri": "https://h/", "auth": {"GoogleIdToken": {}}}, 400, "auth"),
    ],
)
def test_bodies_that_do_not_fit(tmp_path: Path, body: Any, status: int, named: str) -> None:
    async def story(node: Node, deployments: Deployments) -> None:
        reply = await node.call("POST", "/deployments", body)
        assert reply.status == status
        assert named in reply.body.decode()

    _run(tmp_path, story)


def test_content_type_must_be_json(tmp_path: Path) -> None:
    async def story(node: Node, deployments: Deployments) -> None:
        for content_type, status in (("text/plain", 415), ("", 415), ("application/problem+json; q=1", 201)):
            uri = deployments.put("a", manifest(service("Greeter")))
            sent = {"Content-Type": content_type}
            reply = await node.call("POST", "/deployments", f'{{"uri":"{uri}"}}'.encode(), headers=sent)
            assert reply.status == status, content_type

    _run(tmp_path, story)


def test_deployments_and_services_survive_a_restart(tmp_path: Path) -> None:
    async def main() -> None:
        deployments = Deployments()
        settings = new_settings(tmp_path)
        async with deployments.serving():
            async with Node(settings) as node:
                await node.register(deployments.put("a", manifest(service("Greeter"))))
                await node.register(deployments.put("b", manifest(service("Greeter"))))
                before = [(await node.call("GET", path)).body for path in ("/deployments", "/services")]
            async with Node(settings, log=node.logd.log) as again:
                assert again.catalogs.catalog == node.catalogs.catalog
                assert [(await again.call("GET", path)).body for path in ("/deployments", "/services")] == before

    uvloop.run(main())
