"""Queries of metad's `POST /query`. Owns: the socket `sqld`."""

from __future__ import annotations

import asyncio
import functools
import logging
from typing import Any

import msgspec

from shared.api.sql import FORMATS, CancelQuery, QueryChunk, QueryEnd, QueryError, QueryRequest, SqlRequest
from shared.config import Settings
from shared.rpc.connection import Connection
from shared.rpc.server import RpcServer
from sqld.engine.failures import QueryFailure
from sqld.workers.pool import WorkerPool
from sqld.workers.protocol import Output
from sqld.workers.query import RemoteQuery

__all__ = ["QueryApi"]

_log = logging.getLogger(__name__)


class QueryApi:
    """Streams each answer as it comes. A query ends when its connection does."""

    def __init__(self, settings: Settings, pool: WorkerPool) -> None:
        self._settings = settings
        self._pool = pool
        decode = msgspec.msgpack.Decoder(SqlRequest).decode
        self._server = RpcServer(settings.socket("sqld"), decode, self, name="sqld client")
        self._running: dict[tuple[Connection, int], asyncio.Task[None]] = {}

    async def start(self) -> None:
        await self._server.start()

    async def drain(self, timeout_s: float) -> None:
        """Let what runs come to its end, up to a limit."""
        if self._running:
            await asyncio.wait(self._running.values(), timeout=timeout_s)

    async def close(self) -> None:
        """Stop listening, end what runs."""
        for task in self._running.values():
            task.cancel()
        await asyncio.gather(*self._running.values(), return_exceptions=True)
        await self._server.close()

    def on_messages(self, connection: Connection, messages: list[Any]) -> None:
        for message in messages:
            key = (connection, message.request_id)
            if isinstance(message, CancelQuery):
                task = self._running.get(key)
                if task is not None:
                    task.cancel()
            else:
                task = asyncio.get_running_loop().create_task(self._run(connection, message))
                self._running[key] = task
                task.add_done_callback(functools.partial(self._forget, key))

    def on_closed(self, connection: Connection) -> None:
        for (peer, _), task in self._running.items():
            if peer is connection:
                task.cancel()

    def _forget(self, key: tuple[Connection, int], task: asyncio.Task[None]) -> None:
        if self._running.get(key) is task:
            del self._running[key]

    async def _run(self, connection: Connection, request: QueryRequest) -> None:
        try:
            await self._answer(connection, request)
        except QueryFailure as failure:
            # As the oracle words it.
            message = f"Datafusion error: {failure.message}"
            connection.send(QueryError(request.request_id, failure.status, message))
        except Exception:
            _log.exception("query %d failed in a way that we did not think of", request.request_id)
            connection.send(QueryError(request.request_id, 500, "internal error, see sqld's log"))

    async def _answer(self, connection: Connection, request: QueryRequest) -> None:
        if request.format not in FORMATS:
            text = f"format {request.format!r} is unknown: want one of {', '.join(FORMATS)}"
            raise QueryFailure(text, sqlstate="22023", status=400)
        query = RemoteQuery(self._pool, timeout_s=self._settings.query_timeout_s)
        waiting: set[asyncio.Task[None]] = set()

        async def resume_when_drained() -> None:
            await connection.drained()
            query.resume()

        def on_data(data: bytes) -> None:
            if not data:
                return
            connection.send(QueryChunk(request.request_id, data))
            if connection.paused and not waiting:
                query.pause()
                task = asyncio.get_running_loop().create_task(resume_when_drained())
                waiting.add(task)
                task.add_done_callback(waiting.discard)

        try:
            await query.run(request.sql, Output(request.format), on_data)
        finally:
            for task in waiting:
                task.cancel()
        connection.send(QueryEnd(request.request_id))
