"""A partition worker and a metad that answer what a test tells them to, on real Unix sockets."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from shared.api.meta import CatalogUpdate, MetaRequest
from shared.api.partition import (
    AttachRequest,
    AwakeableReply,
    AwakeableRequest,
    ForgetRequest,
    InvokeReply,
    InvokeRequest,
    PartitionRequest,
    ResultReply,
)
from shared.catalog.catalog import Catalog
from shared.rpc.connection import Connection
from shared.rpc.server import RpcServer
from shared.wal.commands import Failure, HandlerKind

__all__ = ["FakeMetad", "FakeWorker", "canned_result"]

#: A request -> a reply without its request id, or None: stay silent.
Answers = Callable[[Any], Any]


class FakeWorker:
    """Hands every request to `answer`; what that returns is sent back with the request's id."""

    def __init__(self, path: Path, answer: Answers) -> None:
        self.answer = answer
        self.requests: list[Any] = []
        self.connections: list[Connection] = []
        self._path = path
        self._server: RpcServer | None = None

    async def start(self) -> None:
        decode = msgspec.msgpack.Decoder(PartitionRequest).decode
        self._server = RpcServer(self._path, decode, self, name="fake-worker")
        await self._server.start()

    async def stop(self) -> None:
        """As after kill -9, but for the socket file: connections end, nobody listens."""
        assert self._server is not None
        await self._server.close()
        self._path.unlink(missing_ok=True)

    def forgotten(self) -> list[int]:
        """Request ids that the client no longer waits for."""
        return [request.request_id for request in self.requests if isinstance(request, ForgetRequest)]

    def on_messages(self, connection: Connection, messages: list[Any]) -> None:
        if connection not in self.connections:
            self.connections.append(connection)
        for request in messages:
            self.requests.append(request)
            reply = self.answer(request)
            if reply is not None:
                reply.request_id = request.request_id
                connection.send(reply)

    def on_closed(self, connection: Connection) -> None:
        pass


class FakeMetad:
    """Pushes its catalog to whoever subscribes."""

    def __init__(self, path: Path, catalog: Catalog) -> None:
        self.catalog = catalog
        self._subscribers: list[Connection] = []
        self._server = RpcServer(path, msgspec.msgpack.Decoder(MetaRequest).decode, self, name="fake-metad")

    async def start(self) -> None:
        await self._server.start()

    async def stop(self) -> None:
        await self._server.close()

    def publish(self, catalog: Catalog) -> None:
        """A newer catalog."""
        self.catalog = catalog
        for connection in self._subscribers:
            connection.send(CatalogUpdate(catalog))

    def on_messages(self, connection: Connection, messages: list[Any]) -> None:
        self._subscribers.append(connection)
        connection.send(CatalogUpdate(self.catalog))

    def on_closed(self, connection: Connection) -> None:
        if connection in self._subscribers:
            self._subscribers.remove(connection)


def canned_result(result: bytes | Failure = b'"done"') -> Answers:
    """A worker that remembers what it was asked: results by invocation id, workflows that run once."""
    started: dict[bytes, int] = {}

    def answer(request: Any) -> Any:
        if isinstance(request, InvokeRequest):
            invoke = request.invoke
            known = invoke.id in started
            start_at_ms = started.setdefault(invoke.id, invoke.start_at_ms)
            if not request.wait:
                return InvokeReply(0, not known, start_at_ms)
            if known and invoke.target.kind == HandlerKind.WORKFLOW_RUN:
                return ResultReply(0, Failure(409, "the workflow method was already invoked"))
            return ResultReply(0, result, 1_800_000_000_123 if known else 0)
        if isinstance(request, AttachRequest):
            found = request.invocation_id in started
            ready = found and not started[request.invocation_id]
            return ResultReply(0, result if found else None, 1_800_000_000_123 if found else 0, found, ready)
        if isinstance(request, AwakeableRequest):
            return AwakeableReply(0)
        return None

    return answer
