"""Wiring: builds the parts, listens, drains on SIGTERM."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from bisect import bisect_right

from partitiond.ingress.directory import build_directory
from partitiond.ingress.handlers import RequestHandler
from partitiond.ingress.http_server import HttpServer
from partitiond.ingress.router import Router
from shared.catalog_client import CatalogClient
from shared.clock import SystemClock
from shared.config import Settings
from shared.descriptors import clients_max
from shared.disk import keep_looking, node_guard

__all__ = ["serve"]

_log = logging.getLogger(__name__)
_DRAIN_S = 5.0


async def serve(settings: Settings, stopping: asyncio.Event) -> None:
    """Until `stopping` is set. Raises ConfigError when the port cannot be had."""
    catalog = CatalogClient(settings.socket("metad"), subscriber="ingress")

    #: Of the newest catalog, in order: where each partition begins, and which one that is.
    starts: list[int] = []
    partitions: list[int] = []

    def partition_of(partition_key: int) -> int:
        assert starts, "nothing is routed before there is a catalog"
        return partitions[bisect_right(starts, partition_key) - 1]

    router = Router(
        partition_of=partition_of,
        worker_of=settings.worker_of,
        socket_of=lambda worker: settings.socket(f"partitiond-{worker}"),
    )
    handler = RequestHandler(router, SystemClock(), requests_max=settings.ingress_requests_limit)

    def on_catalog() -> None:
        assert catalog.catalog is not None
        table = catalog.catalog.partition_table.partitions
        starts[:] = [partition.start_key for partition in table]
        partitions[:] = [partition.id for partition in table]
        handler.directory = build_directory(catalog.catalog)

    disk = node_guard(settings)
    handler.disk_trouble = lambda: disk.trouble
    looking = asyncio.create_task(keep_looking(disk), name="disk")
    catalog.on_change(on_catalog)
    # What the log cannot take must not get that far: it would be tried again for ever.
    body_bytes_max = min(settings.request_bytes_limit, settings.record_bytes_limit)
    # The rest is for the workers, metad, and what is refused.
    connections_max = clients_max(others=2 * settings.worker_count)
    server = HttpServer(handler, body_bytes_max=body_bytes_max, connections_max=connections_max)
    port = await server.listen_tcp(settings.bind, settings.ingress_port)
    path = settings.socket("ingress")
    await server.listen_unix(path)
    catalog.start()
    for worker in range(min(settings.worker_count, settings.partition_count)):
        router.connect(worker)
    _log.info("ingress listens on http://%s:%d", settings.bind, port)
    await stopping.wait()
    looking.cancel()
    router.drain()
    await server.close(drain_s=_DRAIN_S, abandon=router.abandon)
    with contextlib.suppress(FileNotFoundError):
        path.unlink()
    await catalog.close()
    await router.close()
