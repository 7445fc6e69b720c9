"""Routes under all versions, version, statuses of what is not there, compression, and the port."""

from __future__ import annotations

import asyncio
import socket
import tomllib
from pathlib import Path

import pytest
import uvloop

import metad.admin.deployments
from metad.admin import app
from metad.admin.version import VERSION
from metad.service import serve
from shared.errors import ConfigError
from tests.metad.harness import Deployments, Node, manifest, new_settings, service


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/version", 200),
        ("GET", "/v2/version", 200),
        ("GET", "/v3/version", 200),
        ("GET", "/v4/version", 200),
        ("HEAD", "/version", 200),
        ("GET", "/v1/version", 400),
        ("GET", "/v1", 400),
        ("POST", "/v1/deployments", 400),
        ("GET", "/v5/version", 404),
        ("GET", "/nope", 404),
        ("GET", "/services/", 404),
        ("PUT", "/deployments", 405),
        ("PUT", "/services", 405),
        ("GET", "/services/Nope", 404),
        ("GET", "/services/Nope/handlers", 404),
        ("GET", "/v2/services/Nope/handlers/h", 404),
        ("GET", "/deployments/foo", 400),
        ("GET", "/deployments/dp_1", 400),
        ("GET", "/deployments/dp_1-000000000000000000000", 400),
        ("GET", "/deployments/dp_10000000000000000000000", 404),
    ],
)
def test_statuses(tmp_path: Path, method: str, path: str, status: int) -> None:
    async def main() -> None:
        async with Node(new_settings(tmp_path)) as node:
            reply = await node.call(method, path)
            assert reply.status == status
            if "Nope" in path:
                assert reply.json["restate_code"] is None
            if path in ("/nope", "/services"):
                assert path in reply.json["message"]

    uvloop.run(main())


def test_version_says_what_this_is(tmp_path: Path) -> None:
    project = tomllib.loads((Path(__file__).parents[3] / "pyproject.toml").read_text())["project"]
    assert project["version"] == VERSION

    async def main() -> None:
        settings = new_settings(tmp_path, advertised_ingress="https://in.example/")
        async with Node(settings) as node:
            shown = (await node.call("GET", "/version")).json
        assert shown["version"] == VERSION
        assert (shown["min_admin_api_version"], shown["max_admin_api_version"]) == (2, 4)
        assert shown["ingress_endpoint"] == "https://in.example/"
        there = {name for name, is_there in shown["features"].items() if is_there}
        assert there == {"protocol_v7", "scoped_virtual_objects", "vqueues"}

    uvloop.run(main())


def test_large_answers_are_compressed_for_who_can_take_it(tmp_path: Path) -> None:
    async def main() -> None:
        deployments = Deployments()
        async with deployments.serving(), Node(new_settings(tmp_path)) as node:
            await node.register(deployments.put("a", manifest(service("S", documentation="x" * 10_000))))
            packed = await node.call("GET", "/services", headers={"Accept-Encoding": "gzip"})
            plain = await node.call("GET", "/services", headers={"Accept-Encoding": "identity"})
            assert packed.headers["Content-Encoding"] == "gzip"
            assert "Content-Encoding" not in plain.headers
            assert packed.body == plain.body

    uvloop.run(main())


def test_without_a_log_changes_wait_and_then_are_503(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert metad.admin.deployments.PROPOSE_TIMEOUT_S == 10.0
    monkeypatch.setattr(metad.admin.deployments, "PROPOSE_TIMEOUT_S", 0.2)

    async def main() -> None:
        deployments = Deployments()
        async with deployments.serving(), Node(new_settings(tmp_path)) as node:
            await node.logd.close()
            reply = await node.register(deployments.put("a", manifest(service("S"))))
            assert (reply.status, set(reply.json)) == (503, {"message", "restate_code"})
            # What is known stays readable.
            assert (await node.call("GET", "/services")).status == 200
            await node.logd.start()
            assert (await node.register(deployments.uri("a"))).status == 201

    uvloop.run(main())


def test_a_change_is_done_when_logd_comes_back_in_time(tmp_path: Path) -> None:
    async def main() -> None:
        deployments = Deployments()
        async with deployments.serving(), Node(new_settings(tmp_path), with_log=False) as node:
            registering = asyncio.create_task(node.register(deployments.put("a", manifest(service("S")))))
            listing = asyncio.create_task(node.call("GET", "/services"))
            await asyncio.sleep(0)
            await node.logd.start()
            assert (await registering).status == 201
            assert (await listing).status == 200

    uvloop.run(main())


def test_a_taken_port_is_named_with_its_remedy(tmp_path: Path) -> None:
    settings = new_settings(tmp_path)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", settings.admin_port))
        taken.listen()
        with pytest.raises(ConfigError) as caught:
            uvloop.run(serve(settings, asyncio.Event()))
    assert f"admin_port {settings.admin_port}" in str(caught.value)
    assert "EVERLOG_ADMIN_PORT" in str(caught.value)


def test_clients_beyond_the_descriptors_are_told_to_come_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else no worker could subscribe any more, and no partition be led after its restart."""
    monkeypatch.setattr(app, "clients_max", lambda *, others: 3)

    async def main() -> None:
        settings = new_settings(tmp_path)
        async with Node(settings):
            statuses = []
            writers = []
            for _ in range(4):
                reader, writer = await asyncio.open_connection("127.0.0.1", settings.admin_port)
                writer.write(b"GET /version HTTP/1.1\r\nhost: h\r\n\r\n")
                statuses.append(int((await reader.readline()).split()[1]))
                writers.append(writer)
            assert statuses[-1] == 503
            assert statuses[0] == 200
            for writer in writers:
                writer.close()

    uvloop.run(main())
