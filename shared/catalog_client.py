"""Keeps the newest catalog from metad. Owns: the connection to metad's socket."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from pathlib import Path

import msgspec

from shared.api.meta import CatalogUpdate, Subscribe
from shared.catalog.catalog import Catalog
from shared.rpc.client import RpcClient
from shared.rpc.connection import Connection

__all__ = ["CatalogClient"]

_log = logging.getLogger(__name__)


class CatalogClient:
    """`catalog` is None until metad has spoken once; afterwards the last one stays, even while metad is away."""

    def __init__(self, path: Path, *, subscriber: str) -> None:
        self._client = RpcClient(path, msgspec.msgpack.Decoder(CatalogUpdate).decode, self, name="metad")
        self._subscriber = subscriber
        self._known = asyncio.Event()
        self.catalog: Catalog | None = None
        self._callbacks: list[Callable[[], None]] = []

    def start(self) -> None:
        """Begin to connect; returns at once."""
        self._client.start()

    async def close(self) -> None:
        """Stop listening to metad."""
        await self._client.close()

    def on_change(self, callback: Callable[[], None]) -> None:
        """Call back after each change."""
        self._callbacks.append(callback)

    async def known(self) -> Catalog:
        """Wait for the first catalog."""
        await self._known.wait()
        assert self.catalog is not None
        return self.catalog

    def on_connected(self, connection: Connection) -> None:
        connection.send(Subscribe(self._subscriber))

    def on_messages(self, connection: Connection, messages: list[CatalogUpdate]) -> None:
        catalog = messages[-1].catalog
        if self.catalog is not None and catalog.version < self.catalog.version:
            return
        self.catalog = catalog
        self._known.set()
        _log.info("catalog version=%d services=%d", catalog.version, len(catalog.services))
        for callback in self._callbacks:
            callback()

    def on_closed(self, connection: Connection) -> None:
        if self.catalog is not None:
            _log.warning("metad is away, the last catalog stays in use")
