"""A partition worker that answers what a test tells it to, on a real Unix socket."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

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
from shared.rpc.connection import Connection
from shared.rpc.server import RpcServer
from shared.wal.commands import Failure, HandlerKind, Invoke, Result

__all__ = ["FakeWorker", "canned_result"]

#: When every canned result is forgotten.
EXPIRES_AT_MS = 1_800_000_000_123

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


def canned_result(result: Result | Callable[[Invoke], Result] = b'"done"') -> Answers:
    """Answers of a worker where everything ends at once: results by invocation id, workflows that run once."""
    started: dict[bytes, Invoke] = {}

    def result_of(invoke: Invoke) -> Result:
        return result(invoke) if callable(result) else result

    def answer(request: Any) -> Any:
        if isinstance(request, InvokeRequest):
            invoke = started.setdefault(request.invoke.id, request.invoke)
            same = invoke.request_uid == request.invoke.request_uid
            if not request.wait:
                return InvokeReply(0, same, invoke.start_at_ms)
            if not same and invoke.target.kind == HandlerKind.WORKFLOW_RUN:
                return ResultReply(0, Failure(409, "the workflow method was already invoked"))
            return ResultReply(0, result_of(invoke), 0 if same else EXPIRES_AT_MS, target=invoke.target)
        if isinstance(request, AttachRequest):
            if request.invocation_id not in started:
                return ResultReply(0, None, found=False)
            invoke = started[request.invocation_id]
            if invoke.start_at_ms and not request.wait:
                return ResultReply(0, None, ready=False)
            return ResultReply(0, result_of(invoke), EXPIRES_AT_MS, target=invoke.target)
        if isinstance(request, AwakeableRequest):
            return AwakeableReply(0)
        return None

    return answer
