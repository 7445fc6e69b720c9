"""Previews of values: what the endpoint is asked, and what becomes of its answer."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
import uvloop

import metad.admin.serdes
from tests.metad.harness import MANIFEST_TYPE, Deployments, Node, manifest, new_settings, service
from tests.processes.test_request_heads import make_key


class _Endpoint(Deployments):
    """Answers each preview with its body turned round; names that are a number, with that status."""

    def __init__(self) -> None:
        super().__init__(app=self._answer)

    async def _answer(self, scope: Any, receive: Any, send: Any) -> None:
        body = b""
        while True:
            message = await receive()
            if scope["type"] == "lifespan":
                await send({"type": message["type"] + ".complete"})
                if message["type"] == "lifespan.shutdown":
                    return
                continue
            body += message.get("body", b"")
            if not message.get("more_body"):
                break
        headers = {name.decode(): value.decode() for name, value in scope["headers"]}
        path = scope["raw_path"].decode()
        self.asked.append({"version": scope["http_version"], "path": path, "headers": headers, "body": body})
        if path.endswith("/discover"):
            status, kind, told = 200, MANIFEST_TYPE, json.dumps(manifest(service("S"))).encode()
        else:
            last = path.rpartition("/")[2]
            status, kind, told = int(last) if last.isdecimal() else 200, "application/json", body[::-1]
        await send({"type": "http.response.start", "status": status, "headers": [(b"content-type", kind.encode())]})
        await send({"type": "http.response.body", "body": told})


def _path(operation: str, serde: str, query: str = "") -> str:
    return f"/internal/services/S/serdes/{operation}/{serde}{query}"


@pytest.mark.parametrize("use_http_11", [False, True])
@pytest.mark.parametrize(
    ("operation", "content_type", "accept"),
    [("decode", "application/octet-stream", "application/json"), ("encode", "application/json", "*/*")],
)
def test_the_endpoint_is_asked_as_by_discovery(
    tmp_path: Path, use_http_11: bool, operation: str, content_type: str, accept: str
) -> None:
    """With the user's headers, a signature for the path, and bodies over more than one window."""
    key = make_key(tmp_path / "key.pem")

    async def main() -> None:
        endpoint = _Endpoint()
        settings = new_settings(tmp_path, request_identity_private_key_file=str(key))
        async with endpoint.serving(), Node(settings) as node:
            headers = {"X-Token": "t"}
            await node.register(endpoint.uri("base"), use_http_11=use_http_11, additional_headers=headers)
            for body in (b"", b"abc", bytes(range(256)) * 2000):
                reply = await node.call("POST", _path(operation, "greet/input"), body)
                assert (reply.status, reply.body) == (200, body[::-1])
                asked = endpoint.asked[-1]
                sent = asked["headers"]
                assert asked["version"] == ("1.1" if use_http_11 else "2")
                assert asked["path"] == f"/base/serdes/S/{operation}/greet/input"
                assert asked["body"] == body
                assert (sent["content-type"], sent["accept"]) == (content_type, accept)
                assert (sent["x-restate-serdes-protocol"], sent["x-token"]) == ("v1", "t")
                assert (sent["x-restate-signature-scheme"], "x-restate-jwt-v1" in sent) == ("v1", True)

    uvloop.run(main())


def test_names_are_sent_percent_encoded(tmp_path: Path) -> None:
    async def main() -> None:
        endpoint = _Endpoint()
        async with endpoint.serving(), Node(new_settings(tmp_path)) as node:
            await node.register(endpoint.uri("a"))
            assert (await node.call("POST", _path("decode", "a%20b/%3Fc"), b"x")).status == 200
            assert endpoint.asked[-1]["path"] == "/a/serdes/S/decode/a%20b/%3Fc"

    uvloop.run(main())


def test_an_older_deployment_is_asked_when_it_is_named(tmp_path: Path) -> None:
    async def main() -> None:
        endpoint = _Endpoint()
        async with endpoint.serving(), Node(new_settings(tmp_path)) as node:
            older = (await node.register(endpoint.uri("old"))).json["id"]
            await node.register(endpoint.uri("new"))
            for query, base in (("", "new"), (f"?deployment={older}", "old")):
                assert (await node.call("POST", _path("encode", "s", query), b"1")).status == 200
                assert endpoint.asked[-1]["path"] == f"/{base}/serdes/S/encode/s"

    uvloop.run(main())


@pytest.mark.parametrize("use_http_11", [False, True])
def test_failures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, use_http_11: bool) -> None:
    """As the oracle's: 404 for what is not registered, 500 for whatever the endpoint does not do."""
    monkeypatch.setattr(metad.admin.serdes, "_BYTES_LIMIT", 100_000)

    async def main() -> None:
        endpoint = _Endpoint()
        async with Node(new_settings(tmp_path)) as node:
            async with endpoint.serving():
                await node.register(endpoint.uri("a"), use_http_11=use_http_11)
                for path, status in [
                    ("/internal/services/Gone/serdes/decode/s", 404),
                    (_path("decode", "s", "?deployment=dp_17sztQp4gnEC1L0OCFM9aEh"), 404),
                    (_path("decode", "s", "?deployment=x"), 400),
                    (_path("decode", "s", "?deployment="), 400),
                    (_path("decode", ""), 404),
                    (_path("describe", "s"), 404),
                    (_path("decode", "404"), 500),
                    (_path("decode", "500"), 500),
                    (_path("encode", "302"), 500),
                ]:
                    reply = await node.call("POST", path, b"nosaer eht")
                    assert reply.status == status, (path, reply)
                    assert status != 500 or "the reason" in reply.json["message"]
                assert (await node.call("POST", _path("decode", "s"), bytes(100_000))).status == 200
                assert (await node.call("POST", _path("decode", "s"), bytes(100_001))).status == 413
                assert (await node.call("GET", _path("decode", "s"))).status == 405
            gone = await node.call("POST", _path("decode", "s"), b"x")
            assert gone.status == 500
            assert str(endpoint.port) in gone.json["message"]

    uvloop.run(main())


def test_a_client_that_sends_no_body_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metad.admin.serdes, "_TIMEOUT_S", 0.2)

    async def main() -> None:
        endpoint, settings = _Endpoint(), new_settings(tmp_path)
        async with endpoint.serving(), Node(settings) as node:
            await node.register(endpoint.uri("a"))
            reader, writer = await asyncio.open_connection("127.0.0.1", settings.admin_port)
            writer.write(f"POST {_path('decode', 's')} HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n".encode())
            assert (await reader.readline()).startswith(b"HTTP/1.1 408 ")
            writer.close()

    uvloop.run(main())


async def _hangs(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read()
    writer.close()


def test_an_endpoint_that_hangs_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metad.admin.serdes, "_TIMEOUT_S", 0.2)

    async def main() -> None:
        endpoint = _Endpoint()
        async with Node(new_settings(tmp_path)) as node:
            async with endpoint.serving():
                await node.register(endpoint.uri("a"))
            silent = await asyncio.start_server(_hangs, "127.0.0.1", endpoint.port)
            reply = await node.call("POST", _path("decode", "s"), b"x")
            assert (reply.status, "did not answer" in reply.json["message"]) == (500, True)
            silent.close()

    uvloop.run(main())
