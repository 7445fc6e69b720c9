"""Keeps the newest catalog from metad. Owns: the connection to metad's socket."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path

import msgspec

from partitiond.ingress.directory import Directory, build_directory
from shared.api.meta import CatalogUpdate, Subscribe
from shared.rpc.client import RpcClient
from shared.rpc.connection import Connection

__all__ = ["CatalogClient"]

_log = logging.getLogger(__name__)


class CatalogClient:
    """`directory` is None until metad has spoken once; afterwards the last one stays, even when metad is away."""

    def __init__(self, path: Path) -> None:
        self._client = RpcClient(path, msgspec.msgpack.Decoder(CatalogUpdate).decode, self, name="metad")
        self._changed = asyncio.Event()
        self.directory: Directory | None = None

    def start(self) -> None:
        """Begin to connect; returns at once."""
        self._client.start()

    async def close(self) -> None:
        """Stop listening to metad."""
        await self._client.close()

    async def changed(self) -> None:
        """Wait for the next newer catalog."""
        await self._changed.wait()

    def on_connected(self, connection: Connection) -> None:
        connection.send(Subscribe("ingress"))

    def on_messages(self, connection: Connection, messages: list[CatalogUpdate]) -> None:
        catalog = messages[-1].catalog
        if self.directory is not None and catalog.version < self.directory.version:
            return
        self.directory = build_directory(catalog)
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()
        _log.info("catalog version=%d services=%d", catalog.version, len(catalog.services))

    def on_closed(self, connection: Connection) -> None:
        _log.warning("metad is away, the last catalog stays in use")
