"""Joins the parts of sqld: catalog feed, query workers, the socket for metad, the PostgreSQL port."""

from __future__ import annotations

import asyncio
import logging

from shared.config import Settings
from sqld.catalog_feed import CatalogFeed
from sqld.pgwire.port import PgPort
from sqld.query_api import QueryApi
from sqld.workers.pool import WorkerPool

__all__ = ["serve"]

_log = logging.getLogger(__name__)
#: How long running queries may go on after SIGTERM.
_DRAIN_S = 5.0


async def serve(settings: Settings, stopping: asyncio.Event) -> None:
    """Run until `stopping`, then drain."""
    (settings.data_path / "sqld").mkdir(parents=True, exist_ok=True)
    pool = WorkerPool(settings)
    feed = CatalogFeed(settings, pool.set_catalog)
    api = QueryApi(settings, pool)
    port = PgPort(settings, pool)
    try:
        # First, since this is what an operator can get wrong: nothing else has been started then.
        await port.start()
        feed.start()
        await api.start()
        # Behind what a start waits for.
        port.prepare()
        await stopping.wait()
        pool.hurry()
        await asyncio.gather(port.drain(_DRAIN_S), api.drain(_DRAIN_S))
    finally:
        await port.close()
        await api.close()
        await feed.close()
        await pool.close()
