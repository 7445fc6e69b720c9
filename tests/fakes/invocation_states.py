"""A partition worker that only tells what it runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from shared.api.partition import (
    InvocationState,
    InvocationStatesReply,
    InvocationStatesRequest,
    PartitionRequest,
    PartitionStatus,
    WorkerStatusReply,
    WorkerStatusRequest,
)
from shared.rpc.connection import Connection
from shared.rpc.server import RpcServer

__all__ = ["StatesWorker"]


class StatesWorker:
    """Answers InvocationStatesRequest with `states`, WorkerStatusRequest with `partitions` and `damaged`."""

    def __init__(self, path: Path, states: list[InvocationState]) -> None:
        self.states = states
        self.partitions: list[PartitionStatus] = []
        self.damaged: list[tuple[int, str]] = []
        self._server = RpcServer(path, msgspec.msgpack.Decoder(PartitionRequest).decode, self, name="fake worker")

    async def start(self) -> None:
        await self._server.start()

    async def close(self) -> None:
        await self._server.close()

    def on_messages(self, connection: Connection, messages: list[Any]) -> None:
        for message in messages:
            if isinstance(message, WorkerStatusRequest):
                connection.send(WorkerStatusReply(message.request_id, self.partitions, damaged=self.damaged))
                continue
            assert isinstance(message, InvocationStatesRequest)
            connection.send(InvocationStatesReply(message.request_id, self.states))

    def on_closed(self, connection: Connection) -> None: ...
