"""metad as its subscribers see it: pushes a catalog at once and after each change."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from shared.api.meta import CatalogUpdate, MetaRequest
from shared.catalog.catalog import Catalog
from shared.catalog.deployments import Deployment, ProtocolMode
from shared.catalog.partitions import PartitionTable, even_partitions
from shared.catalog.services import Handler, Service, ServiceKind
from shared.rpc.connection import Connection
from shared.rpc.server import RpcServer
from shared.wal.commands import HandlerKind

__all__ = ["MetaPush", "example_catalog"]


class MetaPush:
    """Listens on a socket; `push` sends a newer catalog to everybody."""

    def __init__(self, path: Path, catalog: Catalog) -> None:
        self.catalog = catalog
        self.subscribers: list[Connection] = []
        self._server = RpcServer(path, msgspec.msgpack.Decoder(MetaRequest).decode, self, name="fake metad")

    async def start(self) -> None:
        await self._server.start()

    async def close(self) -> None:
        await self._server.close()

    def push(self, catalog: Catalog) -> None:
        self.catalog = catalog
        for subscriber in self.subscribers:
            subscriber.send(CatalogUpdate(catalog))

    def on_messages(self, connection: Connection, messages: list[Any]) -> None:
        self.subscribers.append(connection)
        connection.send(CatalogUpdate(self.catalog))

    def on_closed(self, connection: Connection) -> None:
        if connection in self.subscribers:
            self.subscribers.remove(connection)


def example_catalog(*, partitions: int, version: int = 1) -> Catalog:
    """A service, an object and a workflow on one deployment."""
    kinds = {
        "Greeter": (ServiceKind.SERVICE, "greet", HandlerKind.SERVICE),
        "Counter": (ServiceKind.VIRTUAL_OBJECT, "add", HandlerKind.OBJECT_EXCLUSIVE),
        "Signup": (ServiceKind.WORKFLOW, "run", HandlerKind.WORKFLOW_RUN),
    }
    services = {
        name: Service(name, kind, {handler: Handler(handler, handler_kind)}, "dp_1one", revision=1)
        for name, (kind, handler, handler_kind) in kinds.items()
    }
    deployment = Deployment(
        id="dp_1one",
        uri="http://127.0.0.1:9080/",
        protocol_mode=ProtocolMode.BIDI_STREAM,
        http_version="HTTP/2.0",
        min_protocol_version=5,
        max_protocol_version=6,
        created_at_ms=1_790_000_000_123,
        services=services,
    )
    table = PartitionTable(version, even_partitions(partitions))
    return Catalog(version, services, {deployment.id: deployment}, table)
