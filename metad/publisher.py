"""Pushes the catalog to subscribers on metad's socket. Owns: that socket.

Rules that always hold:
- a subscriber gets the newest catalog when it subscribes and after each change, whole;
- nothing is pushed before the log was read to its end, and before there is a partition table;
- a subscriber that reads slowly gets fewer catalogs, never more than one waits for it.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import msgspec

from shared.api.meta import CatalogUpdate, MetaRequest, Subscribe
from shared.catalog.catalog import Catalog
from shared.config import Settings
from shared.rpc.connection import Connection
from shared.rpc.server import RpcServer

__all__ = ["Publisher"]

_log = logging.getLogger(__name__)


class Publisher:
    """Subscribers and what they were sent."""

    def __init__(self, settings: Settings) -> None:
        self._server = RpcServer(
            settings.socket("metad"), msgspec.msgpack.Decoder(MetaRequest).decode, self, name="metad-subscriber"
        )
        self._subscribers: dict[Connection, str] = {}
        self._payload: bytes | None = None
        self._catching_up: dict[Connection, asyncio.Task[None]] = {}

    async def start(self) -> None:
        await self._server.start()

    async def close(self) -> None:
        for task in self._catching_up.values():
            task.cancel()
        await asyncio.gather(*self._catching_up.values(), return_exceptions=True)
        await self._server.close()

    def publish(self, catalog: Catalog) -> None:
        """Send this catalog to all, encoded once."""
        self._payload = msgspec.msgpack.encode(CatalogUpdate(catalog))
        _log.info("catalog version=%d subscribers=%d", catalog.version, len(self._subscribers))
        for connection in self._subscribers:
            self._send(connection)

    def on_messages(self, connection: Connection, messages: list[Any]) -> None:
        for message in messages:
            assert isinstance(message, Subscribe)
            _log.info("subscriber %s comes", message.subscriber)
            self._subscribers[connection] = message.subscriber
            self._send(connection)

    def on_closed(self, connection: Connection) -> None:
        subscriber = self._subscribers.pop(connection, None)
        if subscriber is not None:
            _log.info("subscriber %s goes", subscriber)

    def _send(self, connection: Connection) -> None:
        if self._payload is None or connection in self._catching_up:
            return
        if not connection.paused:
            connection.send_encoded(self._payload)
            return
        task = asyncio.get_running_loop().create_task(self._send_when_drained(connection), name="catalog-catch-up")
        self._catching_up[connection] = task
        task.add_done_callback(lambda _: self._catching_up.pop(connection, None))

    async def _send_when_drained(self, connection: Connection) -> None:
        await connection.drained()
        assert self._payload is not None
        connection.send_encoded(self._payload)
