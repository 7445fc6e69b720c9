"""logd as those see it who only read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from shared.api.log import GroupStatus, LogRequest, LogStatus, LogStatusReply, Read, ReadReply
from shared.rpc.connection import Connection
from shared.rpc.server import RpcServer

__all__ = ["ReadableLog"]


class ReadableLog:
    """`records`: LSN -> record, by group. `reads`: what was asked for."""

    def __init__(self, path: Path) -> None:
        self.records: dict[str, dict[int, bytes]] = {}
        self.reads: list[Read] = []
        self._server = RpcServer(path, msgspec.msgpack.Decoder(LogRequest).decode, self, name="fake logd")

    async def start(self) -> None:
        await self._server.start()

    async def close(self) -> None:
        await self._server.close()

    def on_messages(self, connection: Connection, messages: list[Any]) -> None:
        for message in messages:
            if isinstance(message, LogStatus):
                rows = [self._status(group, records) for group, records in self.records.items()]
                connection.send(LogStatusReply(message.request_id, rows, 0))
                continue
            assert isinstance(message, Read)
            self.reads.append(message)
            connection.send(self._read(message))

    def on_closed(self, connection: Connection) -> None: ...

    def _status(self, group: str, records: dict[int, bytes]) -> GroupStatus:
        size = sum(map(len, records.values()))
        return GroupStatus(group, 3, True, "node-1", min(records, default=0), max(records, default=0), size)

    def _read(self, request: Read) -> ReadReply:
        records = self.records[request.group]
        batches: list[tuple[int, bytes]] = []
        left = request.bytes_limit
        for lsn in sorted(records):
            if lsn >= request.from_lsn and (left > 0 or not batches):
                batches.append((lsn, records[lsn]))
                left -= len(records[lsn])
        return ReadReply(request.request_id, batches, max(records, default=0))
