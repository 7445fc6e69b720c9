"""The catalog as metad pushes it. Owns: the connection to metad."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import msgspec

from shared.api.meta import CatalogUpdate, MetaPush, Subscribe
from shared.catalog.catalog import Catalog
from shared.config import Settings
from shared.rpc.client import RpcClient
from shared.rpc.connection import Connection

__all__ = ["CatalogFeed"]

_log = logging.getLogger(__name__)


class CatalogFeed:
    """Calls `on_catalog` with every newer catalog. While metad is away, the last one stays."""

    def __init__(self, settings: Settings, on_catalog: Callable[[Catalog], None]) -> None:
        self._on_catalog = on_catalog
        self._version = -1
        decode = msgspec.msgpack.Decoder(MetaPush).decode
        self._client = RpcClient(settings.socket("metad"), decode, self, name="metad")

    def start(self) -> None:
        """Connect, now and after every loss."""
        self._client.start()

    async def close(self) -> None:
        await self._client.close()

    def on_connected(self, connection: Connection) -> None:
        connection.send(Subscribe("sqld"))

    def on_messages(self, connection: Connection, messages: list[Any]) -> None:
        for message in messages:
            # Others may be pushed one day: this feed takes catalogs only.
            if isinstance(message, CatalogUpdate) and message.catalog.version > self._version:
                self._version = message.catalog.version
                self._on_catalog(message.catalog)

    def on_closed(self, connection: Connection) -> None:
        _log.info("metad went away, queries go on with catalog version %d", self._version)
