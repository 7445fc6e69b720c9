"""A metad in this process, with the rest of the node faked, and deployments that answer what a test says."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from types import TracebackType
from typing import Any

import aiohttp
import msgspec
from hypercorn.asyncio import serve as serve_asgi
from hypercorn.config import Config

from metad.service import serve
from shared.catalog_client import CatalogClient
from shared.config import Settings, write_settings
from shared.rpc.connection import Connection
from shared.rpc.server import RpcServer
from tests.conftest import free_ports
from tests.fakes.log_server import FakeLogServer, MemoryLog

__all__ = [
    "DEADLINE_S",
    "MANIFEST_TYPE",
    "Deployments",
    "FakePeer",
    "Node",
    "Reply",
    "handler",
    "manifest",
    "new_settings",
    "service",
    "until",
]

DEADLINE_S = 10.0
MANIFEST_TYPE = "application/vnd.restate.endpointmanifest.v4+json"


def new_settings(tmp_path: Path, **changes: Any) -> Settings:
    """Free ports and the settings file that a daemon reads."""
    ports = free_ports(3)
    settings = Settings(
        data_dir=str(tmp_path), ingress_port=ports[0], admin_port=ports[1], sql_port=ports[2], workers=2, **changes
    )
    settings.run_path.mkdir(exist_ok=True)
    write_settings(settings, settings.run_path / "settings.json")
    return settings


async def until(condition: Callable[[], Any], *, what: str = "") -> Any:
    """The first true value of `condition`."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + DEADLINE_S
    while not (value := condition()):
        assert loop.time() < deadline, f"not within {DEADLINE_S} s: {what or condition}"
        await asyncio.sleep(0.005)
    return value


class Reply(msgspec.Struct):
    """What the admin API answered."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Node:
    """metad over a fake logd. `log` survives: give it to a second Node to play a restart."""

    def __init__(self, settings: Settings, *, log: MemoryLog | None = None, with_log: bool = True) -> None:
        self.settings = settings
        self.logd = FakeLogServer(settings.socket("logd"), log)
        self.catalogs = CatalogClient(settings.socket("metad"), subscriber="test")
        self._with_log = with_log
        self._stopping = asyncio.Event()
        self._session = aiohttp.ClientSession()
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Node:
        if self._with_log:
            await self.logd.start()
        self._task = asyncio.create_task(serve(self.settings, self._stopping))
        await self._listening()
        self.catalogs.start()
        if self._with_log:
            async with asyncio.timeout(DEADLINE_S):
                await self.catalogs.known()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.catalogs.close()
        await self._session.close()
        self._stopping.set()
        assert self._task is not None
        try:
            async with asyncio.timeout(DEADLINE_S):
                await self._task
        finally:
            await self.logd.close()

    @property
    def task(self) -> asyncio.Task[None]:
        assert self._task is not None
        return self._task

    async def call(self, method: str, path: str, body: Any = None, *, headers: dict[str, str] | None = None) -> Reply:
        """`body`: bytes as they are, anything else as JSON."""
        data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        sent = {"Content-Type": "application/json"} if data is not None else {}
        url = f"http://127.0.0.1:{self.settings.admin_port}{path}"
        async with self._session.request(method, url, data=data, headers=sent | (headers or {})) as reply:
            return Reply(reply.status, dict(reply.headers), await reply.read())

    async def register(self, uri: str, *, api: str = "", **fields: Any) -> Reply:
        return await self.call("POST", f"{api}/deployments", {"uri": uri, **fields})

    async def _listening(self) -> None:
        deadline = asyncio.get_running_loop().time() + DEADLINE_S
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", self.settings.admin_port)
            except OSError:
                assert not self.task.done(), self.task.exception()
                assert asyncio.get_running_loop().time() < deadline
                await asyncio.sleep(0.01)
            else:
                writer.close()
                await writer.wait_closed()
                return


class FakePeer:
    """A daemon's socket that answers each request with what a test says."""

    def __init__(self, path: Path, requests: Any, answer: Callable[[Any], list[msgspec.Struct] | None]) -> None:
        self.requests: list[Any] = []
        #: Those that asked and are open.
        self.connections: set[Connection] = set()
        self._answer = answer
        self._server = RpcServer(path, msgspec.msgpack.Decoder(requests).decode, self, name="fake-peer")

    async def __aenter__(self) -> FakePeer:
        await self._server.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._server.close()

    def on_messages(self, connection: Connection, messages: list[Any]) -> None:
        self.connections.add(connection)
        for message in messages:
            self.requests.append(message)
            answers = self._answer(message)
            if answers is None:
                connection.close()
                return
            for answer in answers:
                connection.send(answer)

    def on_closed(self, connection: Connection) -> None:
        self.connections.discard(connection)


def handler(name: str = "h", **fields: Any) -> dict[str, Any]:
    return {"name": name, **fields}


def service(
    name: str, ty: str = "SERVICE", handlers: list[dict[str, Any]] | None = None, **fields: Any
) -> dict[str, Any]:
    return {"name": name, "ty": ty, "handlers": [handler()] if handlers is None else handlers, **fields}


def manifest(*services: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {
        "protocolMode": "BIDI_STREAM",
        "minProtocolVersion": 5,
        "maxProtocolVersion": 6,
        "services": list(services),
        **fields,
    }


class Deployments:
    """One server, HTTP/2 by prior knowledge and HTTP/1.1, with a manifest under each path: `/<name>/discover`."""

    def __init__(self, *, app: Any = None) -> None:
        """`app`: an ASGI application to serve instead."""
        self.port = free_ports(1)[0]
        self._served = app or self._app
        self.asked: list[dict[str, Any]] = []
        self._answers: dict[str, tuple[int, dict[str, str], bytes]] = {}

    def put(
        self,
        name: str,
        value: Any,
        *,
        status: int = 200,
        content_type: str | None = MANIFEST_TYPE,
        headers: dict[str, str] | None = None,
    ) -> str:
        """Serve this manifest (bytes as they are) and return the deployment's URI."""
        body = value if isinstance(value, bytes) else json.dumps(value).encode()
        sent = dict(headers or {})
        if content_type is not None:
            sent["content-type"] = content_type
        self._answers[name] = (status, sent, body)
        return self.uri(name)

    def uri(self, name: str) -> str:
        return f"http://127.0.0.1:{self.port}/{name}"

    @contextlib.asynccontextmanager
    async def serving(self, **config: Any) -> AsyncIterator[Deployments]:
        settings = Config()
        settings.bind = [f"127.0.0.1:{self.port}"]
        settings.loglevel = "ERROR"
        settings.graceful_timeout = 0.1
        for name, value in config.items():
            setattr(settings, name, value)
        stopping = asyncio.Event()
        task = asyncio.create_task(serve_asgi(self._served, settings, shutdown_trigger=stopping.wait))
        try:
            await self._listening(task)
            yield self
        finally:
            stopping.set()
            # A handler that waits for ever holds its connection.
            await asyncio.wait({task}, timeout=DEADLINE_S)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _listening(self, task: asyncio.Task[None]) -> None:
        for _ in range(1000):
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", self.port)
            except OSError:
                assert not task.done(), task.exception()
                await asyncio.sleep(0.01)
            else:
                writer.close()
                await writer.wait_closed()
                return
        raise AssertionError("the deployments' server does not listen")

    async def _app(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            while True:
                message = await receive()
                await send({"type": message["type"] + ".complete"})
                if message["type"] == "lifespan.shutdown":
                    return
        headers = {name.decode(): value.decode() for name, value in scope["headers"]}
        self.asked.append({"version": scope["http_version"], "path": scope["path"], "headers": headers})
        name = scope["path"].strip("/").split("/")[0]
        status, sent, body = self._answers.get(name, (404, {}, b"not here"))
        pairs = [(key.encode(), value.encode()) for key, value in sent.items()]
        await send({"type": "http.response.start", "status": status, "headers": pairs})
        await send({"type": "http.response.body", "body": body})
