"""Registrations that race over HTTP, and that end half-way: no service is ever half there."""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import uvloop

from metad.admin import deployments as deployment_routes
from shared.catalog_client import CatalogClient
from shared.config import Settings
from tests.fakes.log_server import FakeLogServer
from tests.metad.harness import DEADLINE_S, Deployments, Node, Reply, handler, manifest, new_settings, service, until
from tests.metad.test_process import Client, daemon

pytestmark = pytest.mark.slow

_PAIR = ("First", "Second")


class Held(Deployments):
    """Answers about the names in `held` wait until `release`; those in `dying` break off in the middle."""

    def __init__(self) -> None:
        self.held: dict[str, asyncio.Event] = {}
        self.dying: set[str] = set()
        super().__init__(app=self._held_app)

    def hold(self, name: str) -> asyncio.Event:
        """The event that lets its answer go. What is answered is what it serves now."""
        self.held[name] = asyncio.Event()
        return self.held[name]

    async def _held_app(self, scope: Any, receive: Any, send: Any) -> None:
        name = scope.get("path", "").strip("/").split("/")[0]
        answer = self._answers.get(name)
        if name in self.dying:
            await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"1000")]})
            await send({"type": "http.response.body", "body": b'{"protocolMode":', "more_body": True})
            raise ConnectionError("the deployment dies")
        if name in self.held:
            self.asked.append({"path": scope["path"]})
            assert answer is not None
            await self.held.pop(name).wait()
            status, headers, body = answer
            pairs = [(key.encode(), value.encode()) for key, value in headers.items()]
            await send({"type": "http.response.start", "status": status, "headers": pairs})
            await send({"type": "http.response.body", "body": body})
            return
        await self._app(scope, receive, send)


def _pair(ty: str = "SERVICE", handlers: str = "h") -> dict[str, Any]:
    return manifest(*(service(name, ty, [handler(handlers)]) for name in _PAIR))


Call = Callable[[str, str], Awaitable[Any]]


async def whole(call: Call, *, pairs: bool = True) -> dict[str, tuple[int, str]]:
    """All services are whole, and the lists agree. -> newest revision and deployment of each.

    `pairs`: whatever has one of the pair has the other one, of the same making.
    """
    found: dict[str, tuple[int, str]] = {}
    for listed in (await call("GET", "/deployments"))["deployments"]:
        held = await call("GET", f"/deployments/{listed['id']}")
        names = {each["name"]: each for each in held["services"]}
        assert {each["name"]: each["revision"] for each in listed["services"]} == {
            name: each["revision"] for name, each in names.items()
        }
        if pairs and set(names) & set(_PAIR):
            assert set(names) >= set(_PAIR), f"half a registration: {sorted(names)}"
            first, second = (names[name] for name in _PAIR)
            assert [each["name"] for each in first["handlers"]] == [each["name"] for each in second["handlers"]]
            assert first["ty"] == second["ty"]
        for name, each in names.items():
            assert each["deployment_id"] == held["id"]
            assert each["handlers"]
            revision, _ = found.get(name, (0, ""))
            assert revision != each["revision"], f"two deployments have revision {revision} of {name}"
            if each["revision"] > revision:
                found[name] = (each["revision"], held["id"])
    services = (await call("GET", "/services"))["services"]
    assert {each["name"]: (each["revision"], each["deployment_id"]) for each in services} == found
    return found


async def _whole(node: Node, **options: bool) -> dict[str, tuple[int, str]]:
    async def call(method: str, path: str) -> Any:
        reply = await node.call(method, path)
        assert reply.status == 200, (path, reply)
        return reply.json

    found = await whole(call, **options)
    await until(lambda: _catalog(node.catalogs) == found, what="the catalog has what is registered")
    return found


def _catalog(client: CatalogClient) -> dict[str, tuple[int, str]]:
    assert client.catalog is not None
    return {name: (each.revision, each.deployment_id) for name, each in client.catalog.services.items()}


def _run(tmp_path: Path, story: Callable[[Node, Held], Awaitable[None]]) -> None:
    async def main() -> None:
        deployments = Held()
        # A connection that an application has died on is closed when it is idle.
        async with deployments.serving(keep_alive_timeout=0.5), Node(new_settings(tmp_path)) as node:
            await story(node, deployments)

    uvloop.run(main())


def _statuses(replies: list[Reply]) -> list[int]:
    return sorted(reply.status for reply in replies)


def test_many_registrations_of_one_uri_at_once_make_one_deployment(tmp_path: Path) -> None:
    async def story(node: Node, deployments: Held) -> None:
        uri = deployments.put("a", _pair())
        replies = await asyncio.gather(*(node.register(uri) for _ in range(10)))
        assert _statuses(replies) == [200] * 9 + [201]
        assert len({reply.json["id"] for reply in replies}) == 1
        found = await _whole(node)
        assert {revision for revision, _ in found.values()} == {1}

    _run(tmp_path, story)


def test_many_uris_with_one_service_at_once_get_a_revision_each(tmp_path: Path) -> None:
    async def story(node: Node, deployments: Held) -> None:
        uris = [deployments.put(f"d{number}", _pair(handlers=f"h{number}")) for number in range(8)]
        replies = await asyncio.gather(*(node.register(uri) for uri in uris))
        assert _statuses(replies) == [201] * 8
        revisions = [[each["revision"] for each in reply.json["services"]] for reply in replies]
        assert sorted(revisions) == [[number, number] for number in range(1, 9)]
        assert {revision for revision, _ in (await _whole(node)).values()} == {8}

    _run(tmp_path, story)


def test_of_two_types_of_one_service_at_once_one_is_refused_whole(tmp_path: Path) -> None:
    async def story(node: Node, deployments: Held) -> None:
        one = deployments.put("one", _pair())
        other = deployments.put("other", manifest(service("Second", "VIRTUAL_OBJECT"), service("Extra")))
        replies = await asyncio.gather(node.register(one), node.register(other))
        assert _statuses(replies) == [201, 409]
        found = await _whole(node, pairs=False)
        assert set(found) in (set(_PAIR), {"Second", "Extra"})

    _run(tmp_path, story)


def test_forced_ones_beside_plain_ones_leave_the_newest_whole(tmp_path: Path) -> None:
    async def story(node: Node, deployments: Held) -> None:
        uri = deployments.put("a", _pair())
        await node.register(uri)
        deployments.put("a", _pair(handlers="new"))
        calls = [node.register(uri, force=number % 2 == 0) for number in range(10)]
        replies = await asyncio.gather(*calls)
        assert _statuses(replies) == [200] * 10
        await _whole(node)
        shown = (await node.call("GET", "/services/First")).json
        assert [each["name"] for each in shown["handlers"]] == ["new"]

    _run(tmp_path, story)


@pytest.mark.parametrize("use_http_11", [False, True])
def test_a_discovery_that_dies_half_way_leaves_nothing(tmp_path: Path, use_http_11: bool) -> None:
    async def story(node: Node, deployments: Held) -> None:
        deployments.dying.add("a")
        appends = node.logd.appends
        reply = await node.register(deployments.uri("a"), use_http_11=use_http_11)
        assert (reply.status, reply.json["restate_code"]) == (500, "META0003")
        assert node.logd.appends == appends
        assert await _whole(node) == {}
        deployments.dying.clear()
        assert (await node.register(deployments.put("a", _pair()))).status == 201
        # Neither does it harm what is there.
        deployments.dying.add("a")
        before = await _whole(node)
        assert (await node.register(deployments.uri("a"), force=True)).status == 500
        assert await _whole(node) == before

    _run(tmp_path, story)


def test_a_client_that_goes_while_it_registers_leaves_all_or_nothing(tmp_path: Path) -> None:
    async def story(node: Node, deployments: Held) -> None:
        uri = deployments.put("a", _pair())
        going = deployments.hold("a")
        registering = asyncio.create_task(node.register(uri))
        await until(lambda: deployments.asked)
        registering.cancel()
        await asyncio.gather(registering, return_exceptions=True)
        going.set()
        # It goes on without its client: whichever of the two comes first, both services are there with it.
        assert (await node.register(uri)).status in (200, 201)
        assert set(await _whole(node)) == set(_PAIR)

    _run(tmp_path, story)


def test_of_two_forced_ones_the_older_answer_does_not_replace_the_younger(tmp_path: Path) -> None:
    """The first one asked the deployment before it was restarted with new code, and gets its answer late."""

    async def story(node: Node, deployments: Held) -> None:
        uri = deployments.put("a", _pair())
        await node.register(uri)
        going, before = deployments.hold("a"), len(deployments.asked)
        slow = asyncio.create_task(node.register(uri, force=True))
        await until(lambda: len(deployments.asked) > before)
        deployments.put("a", _pair(handlers="new"))
        assert (await node.register(uri, force=True)).status == 200
        going.set()
        assert (await slow).status == 200
        shown = (await node.call("GET", "/services/First")).json
        assert [each["name"] for each in shown["handlers"]] == ["new"]
        await _whole(node)

    _run(tmp_path, story)


def test_two_changes_of_one_deployment_are_both_there(tmp_path: Path) -> None:
    """One moves it, slowly; the other one gives it other headers meanwhile. The first one set them back."""

    async def story(node: Node, deployments: Held) -> None:
        path = f"/deployments/{(await node.register(deployments.put('a', _pair()))).json['id']}"
        moved = deployments.put("b", _pair())
        going, before = deployments.hold("b"), len(deployments.asked)
        moving = asyncio.create_task(node.call("PATCH", path, {"uri": moved}))
        await until(lambda: len(deployments.asked) > before)
        assert (await node.call("PATCH", path, {"additional_headers": {"x-a": "b"}})).status == 200
        going.set()
        assert (await moving).status == 200
        shown = (await node.call("GET", path)).json
        assert (shown["uri"], shown["additional_headers"]) == (moved, {"x-a": "b"})
        await _whole(node)

    _run(tmp_path, story)


def test_a_deployment_that_is_removed_while_it_is_asked_comes_back_only_by_a_registration(tmp_path: Path) -> None:
    async def story(node: Node, deployments: Held) -> None:
        uri = deployments.put("a", _pair())
        for force in (False, True):
            first = (await node.register(uri)).json["id"]
            going, before = deployments.hold("a"), len(deployments.asked)
            body = {"uri": uri, "force": True} if force else {"use_http_11": False}
            method, path = ("POST", "/deployments") if force else ("PATCH", f"/deployments/{first}")
            changing = asyncio.create_task(node.call(method, path, body))
            await until(lambda before=before: len(deployments.asked) > before)
            assert (await node.call("DELETE", f"/deployments/{first}?force=true")).status == 202
            going.set()
            assert (await changing).status == (201 if force else 404)
            assert set(await _whole(node)) == (set(_PAIR) if force else set())

    _run(tmp_path, story)


def test_who_is_overtaken_again_and_again_is_told_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deployment_routes, "_TRIES_MAX", 2)

    async def story(node: Node, deployments: Held) -> None:
        path = f"/deployments/{(await node.register(deployments.put('a', _pair()))).json['id']}"
        deployments.put("b", _pair())
        going, before = deployments.hold("b"), len(deployments.asked)
        moving = asyncio.create_task(node.call("PATCH", path, {"uri": deployments.uri("b")}))
        for turn in range(2):
            await until(lambda before=before: len(deployments.asked) > before)
            assert (await node.call("PATCH", path, {"additional_headers": {"x-a": str(turn)}})).status == 200
            last, before = going, len(deployments.asked)
            going = deployments.hold("b")
            last.set()
        reply = await moving
        assert (reply.status, "again" in reply.json["message"]) == (409, True)
        await _whole(node)

    _run(tmp_path, story)


@pytest.mark.processes
@pytest.mark.parametrize("committed", [False, True])
def test_metad_killed_between_the_answer_and_the_log_leaves_all_or_nothing(tmp_path: Path, committed: bool) -> None:
    """The registration is on its way to the log when metad is killed; the log has it then, or never gets it."""

    async def main() -> None:
        settings = new_settings(tmp_path)
        logd = FakeLogServer(settings.socket("logd"))
        await logd.start()
        deployments = Held()
        async with deployments.serving(), aiohttp.ClientSession() as session:
            client = Client(settings, session)
            uri = deployments.put("a", _pair())
            async with daemon("metad", settings) as process:
                await client.call("GET", "/services")
                await until(lambda: logd.appends == 1)
                logd.hold_appends = True
                registering = asyncio.create_task(client.register(uri))
                await until(lambda: logd.appends == 2)
                process.kill()
                registering.cancel()
                await asyncio.gather(registering, return_exceptions=True)
            if committed:
                logd.release()
            else:
                await logd.close()
                logd = FakeLogServer(settings.socket("logd"), logd.log)
                await logd.start()
            async with daemon("metad", settings):
                found = await _whole_of(client)
                assert set(found) == (set(_PAIR) if committed else set())
                assert await client.register(uri) == (200 if committed else 201)
                assert set(await _whole_of(client)) == set(_PAIR)
        await logd.close()

    uvloop.run(main())


@pytest.mark.processes
def test_metad_killed_again_and_again_while_clients_race_loses_and_halves_nothing(tmp_path: Path) -> None:
    async def main() -> None:
        settings = new_settings(tmp_path)
        logd = FakeLogServer(settings.socket("logd"))
        await logd.start()
        deployments = Held()
        async with deployments.serving(), aiohttp.ClientSession() as session:
            client = Client(settings, session)
            acknowledged: set[str] = set()
            for turn in range(3):
                async with daemon("metad", settings) as process:
                    await client.call("GET", "/services")
                    racing = [
                        asyncio.create_task(_race(settings, session, deployments, f"{turn}{who}", acknowledged))
                        for who in "abcd"
                    ]
                    goal = len(acknowledged) + 5
                    await until(lambda goal=goal: len(acknowledged) >= goal, what="registrations were acknowledged")
                    process.kill()
                    for each in racing:
                        each.cancel()
                    await asyncio.gather(*racing, return_exceptions=True)
            async with daemon("metad", settings):
                await _whole_of(client)
                shown = (await client.call("GET", "/deployments"))[1].decode()
                assert not [each for each in acknowledged if each not in shown]
        await logd.close()

    uvloop.run(main())


async def _race(
    settings: Settings, session: aiohttp.ClientSession, deployments: Held, name: str, acknowledged: set[str]
) -> None:
    """Registers places of its own and one that all share, until it is stopped."""
    for number in range(10_000):
        place = random.choice(["shared", f"{name}-{number}"])
        uri = deployments.put(place, _pair(handlers=f"h{number}"))
        url = f"http://127.0.0.1:{settings.admin_port}/deployments"
        with contextlib.suppress(aiohttp.ClientError):
            async with session.post(url, json={"uri": uri, "force": place == "shared"}) as reply:
                if reply.status in (200, 201):
                    acknowledged.add((await reply.json())["id"])


async def _whole_of(client: Client) -> dict[str, tuple[int, str]]:
    async def call(method: str, path: str) -> Any:
        async with asyncio.timeout(DEADLINE_S):
            status, body = await client.call(method, path)
        assert status == 200, (path, body)
        return json.loads(body)

    return await whole(call)
