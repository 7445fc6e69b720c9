"""Which worker takes a query. Owns: the worker processes.

Rules that always hold:
- one worker is warm, or on its way; a second is started when queries have waited for `_PATIENCE_S`, and ended after
  `_IDLE_S` without work, since each takes some 100 MB;
- a worker does one thing at a time; who has taken it gives it back or kills it;
- who waits is served in turn, but for queries that have begun in some worker: only that one can go on with them;
- a worker that died is replaced, more and more slowly when it never came up.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine

from shared.catalog.catalog import Catalog
from shared.config import Settings
from sqld.engine.failures import TOO_MANY, QueryFailure
from sqld.workers.link import WorkerDiedError, WorkerLink
from sqld.workers.protocol import SetCatalog

__all__ = ["WorkerPool"]

_log = logging.getLogger(__name__)
#: Most queries are over sooner than a process starts (0.4 s), so a short queue is waited for.
_PATIENCE_S = 0.1
_IDLE_S = 30.0
_BACKOFF_FIRST_S = 0.1
_BACKOFF_MAX_S = 5.0


class WorkerPool:
    """The workers of this daemon."""

    def __init__(self, settings: Settings, *, idle_s: float = _IDLE_S) -> None:
        self._settings = settings
        self._idle_s = idle_s
        self._links: list[WorkerLink] = []
        self._dead: list[WorkerLink] = []
        self._catalog: Catalog | None = None
        self._changed: asyncio.Event = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._failed_starts = 0
        self._closing = False
        #: Those who wait for any worker, the first in turn first.
        self._waiting: dict[object, None] = {}

    async def start(self) -> None:
        """Start the first worker."""
        await self._start_worker()

    def set_catalog(self, catalog: Catalog) -> None:
        """Queries opened from now on see this catalog."""
        self._catalog = catalog
        for link in self._links:
            link.tell(SetCatalog(catalog))

    @property
    def ready(self) -> bool:
        """A query would be taken."""
        return any(link.ready for link in self._links)

    async def acquire(self, wanted: WorkerLink | None = None) -> WorkerLink:
        """A worker for oneself: `wanted`, or any. Raises WorkerDiedError when the wanted one is gone, and
        QueryFailure when it is nobody's turn for too long."""
        ticket = object()
        if wanted is None:
            self._waiting[ticket] = None
        try:
            async with asyncio.timeout(self._settings.query_wait_s):
                return await self._turn(ticket, wanted)
        except TimeoutError:
            raise self._too_many() from None
        finally:
            if self._waiting.pop(ticket, self) is None:
                # The next in turn may find one free.
                self._announce()

    async def _turn(self, ticket: object, wanted: WorkerLink | None) -> WorkerLink:
        loop = asyncio.get_running_loop()
        patient_until = loop.time() + _PATIENCE_S
        while True:
            if wanted is not None and wanted.dead:
                raise WorkerDiedError
            first = wanted is not None or next(iter(self._waiting)) is ticket
            for link in (self._links if wanted is None else [wanted]) if first else []:
                if link.ready and not link.taken:
                    link.taken = True
                    return link
            patience = patient_until - loop.time()
            if patience <= 0 and self._may_grow():
                await self._start_worker()
            await self._wait_for_change(patience if patience > 0 else None)

    def _too_many(self) -> QueryFailure:
        settings = self._settings
        return QueryFailure(
            f"too many queries at once: {settings.queries_at_once} run (queries_at_once), {len(self._waiting)} wait, "
            f"and this one has waited for {settings.query_wait_s:g} s (query_wait_s)",
            sqlstate=TOO_MANY,
            status=429,
        )

    def release(self, link: WorkerLink) -> None:
        """Give a worker back, dead or alive."""
        link.taken = False
        link.resume()
        self._announce()
        if link.slot > 0 and not link.dead:
            asyncio.get_running_loop().call_later(self._idle_s, self._maybe_end, link)
        link.last_used = asyncio.get_running_loop().time()

    async def close(self) -> None:
        """End all workers."""
        self._closing = True
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(
            *self._tasks, *(link.close() for link in [*self._links, *self._dead]), return_exceptions=True
        )

    def _may_grow(self) -> bool:
        # One that is not ready yet will do for those who wait.
        return (
            not self._closing
            and len(self._links) < self._settings.queries_at_once
            and all(link.ready for link in self._links)
        )

    async def _start_worker(self) -> None:
        slot = min(set(range(self._settings.queries_at_once)) - {link.slot for link in self._links})
        link = WorkerLink(
            self._settings,
            slot=slot,
            memory_bytes=self._settings.query_memory_bytes // self._settings.queries_at_once,
            on_change=self._on_change,
        )
        self._links.append(link)
        await link.start()
        if self._catalog is not None:
            link.tell(SetCatalog(self._catalog))

    def _on_change(self, link: WorkerLink) -> None:
        if link.dead and link in self._links:
            self._links.remove(link)
            self._dead = [dead for dead in self._dead if dead.running] + [link]
            self._failed_starts = 0 if link.ready else self._failed_starts + 1
            if not self._links and not self._closing:
                self._spawn_task(self._replace())
        self._announce()

    async def _replace(self) -> None:
        if self._failed_starts:
            delay_s = min(_BACKOFF_FIRST_S * 2**self._failed_starts, _BACKOFF_MAX_S)
            _log.error("a query worker did not come up, the next try is in %.1f s", delay_s)
            await asyncio.sleep(delay_s)
        if not self._links and not self._closing:
            await self._start_worker()

    def _maybe_end(self, link: WorkerLink) -> None:
        idle_s = asyncio.get_running_loop().time() - link.last_used
        if link.dead or link.taken or link.portals or idle_s < self._idle_s * 0.9:
            return
        _log.info("query worker %d ends after %.0f s without work", link.slot, idle_s)
        link.retire()

    def _spawn_task(self, coroutine: Coroutine[None, None, None]) -> None:
        task = asyncio.get_running_loop().create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _announce(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    async def _wait_for_change(self, timeout_s: float | None) -> None:
        changed = self._changed
        try:
            async with asyncio.timeout(timeout_s):
                await changed.wait()
        except TimeoutError:
            return
