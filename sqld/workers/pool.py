"""Which worker takes a query. Owns: the worker processes.

Rules that always hold:
- the first worker is started by the first query, and ended after `query_worker_idle_s` without one; a second is
  started when queries have waited for `_PATIENCE_S`, and ended after `_IDLE_S`, since each takes some 100 MB;
- a worker does one thing at a time; who has taken it gives it back or kills it;
- who waits is served in turn, but for queries that have begun in some worker: only that one can go on with them;
- after a worker that never came up the next one is started later, and later still when that does not either.
"""

from __future__ import annotations

import asyncio
import logging

from shared.catalog.catalog import Catalog
from shared.config import Settings
from sqld.engine.failures import TOO_MANY, QueryFailure
from sqld.workers.link import WorkerDiedError, WorkerLink
from sqld.workers.protocol import Hurry, SetCatalog

__all__ = ["WorkerPool"]

_log = logging.getLogger(__name__)
#: Most queries are over sooner than a process starts (0.4 s), so a short queue is waited for.
_PATIENCE_S = 0.1
_IDLE_S = 30.0
_LOOK_AGAIN_S = 0.05
_BACKOFF_FIRST_S = 0.1
_BACKOFF_MAX_S = 5.0


class WorkerPool:
    """The workers of this daemon."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._links: list[WorkerLink] = []
        self._dead: list[WorkerLink] = []
        self._catalog: Catalog | None = None
        self._changed: asyncio.Event = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._failed_starts = 0
        #: Before that no worker is started, by the loop's clock.
        self._not_before = 0.0
        #: When one came up last.
        self._ready_at = 0.0
        self._closing = False
        #: Those who wait for any worker, the first in turn first.
        self._waiting: dict[object, None] = {}

    def set_catalog(self, catalog: Catalog) -> None:
        """Queries opened from now on see this catalog."""
        self._catalog = catalog
        for link in self._links:
            link.tell(SetCatalog(catalog))

    def expect(self) -> None:
        """A query is to come soon: a worker is on its way already then."""
        if not self._links and self._grows_in_s(0.0) == 0.0:
            task = asyncio.get_running_loop().create_task(self._start_worker())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    def hurry(self) -> None:
        """The daemon drains: what runs is waited for."""
        for link in self._links:
            link.tell(Hurry())

    async def acquire(self, wanted: WorkerLink | None = None) -> WorkerLink:
        """A worker for oneself: `wanted`, or any. Raises WorkerDiedError when the wanted one is gone, and
        QueryFailure when it is nobody's turn for too long."""
        found = None if wanted is None and self._waiting else self._free(wanted)
        if found is not None:
            return found
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
            first = wanted is not None or next(iter(self._waiting)) is ticket
            found = self._free(wanted) if first else None
            if found is not None:
                return found
            grows_in_s = self._grows_in_s(patient_until) if wanted is None else None
            if grows_in_s == 0.0:
                await self._start_worker()
            else:
                await self._wait_for_change(grows_in_s)

    def _free(self, wanted: WorkerLink | None) -> WorkerLink | None:
        """The wanted worker, or any, when it is nobody else's: it is taken now. Raises WorkerDiedError."""
        if wanted is not None and wanted.dead:
            raise WorkerDiedError
        for link in self._links if wanted is None else [wanted]:
            if link.ready and not link.taken:
                link.taken = True
                return link
        return None

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
        link.last_used = asyncio.get_running_loop().time()
        self._announce()

    async def close(self) -> None:
        """End all workers."""
        self._closing = True
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(
            *self._tasks, *(link.close() for link in [*self._links, *self._dead]), return_exceptions=True
        )

    def _grows_in_s(self, patient_until: float) -> float | None:
        """When to start a worker for whom waits: 0.0: now; None: not before something changes."""
        # One that is not ready yet will do for those who wait.
        ready = all(link.ready for link in self._links)
        if self._closing or not ready or len(self._links) >= self._settings.queries_at_once:
            return None
        # While one started, nobody waited for its queries.
        at = max(patient_until, self._ready_at + _PATIENCE_S) if self._links else self._not_before
        return max(0.0, at - asyncio.get_running_loop().time())

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
        loop = asyncio.get_running_loop()
        if link.dead and link in self._links:
            self._links.remove(link)
            self._dead = [dead for dead in self._dead if dead.running] + [link]
            self._failed_starts = 0 if link.ready else self._failed_starts + 1
            if self._failed_starts:
                delay_s = min(_BACKOFF_FIRST_S * 2**self._failed_starts, _BACKOFF_MAX_S)
                _log.error("a query worker did not come up, the next try is in %.1f s", delay_s)
                self._not_before = loop.time() + delay_s
        elif not link.dead:
            link.last_used = self._ready_at = loop.time()
            loop.call_later(self._idle_s(link), self._end_idle, link)
        self._announce()

    def _idle_s(self, link: WorkerLink) -> float:
        idle_s = self._settings.query_worker_idle_s
        return min(idle_s, _IDLE_S) if link.slot else idle_s

    def _end_idle(self, link: WorkerLink) -> None:
        """End it, or look again when it could have been idle for long enough."""
        if link.dead or self._closing:
            return
        loop = asyncio.get_running_loop()
        idle_s = 0.0 if link.taken or link.portals else loop.time() - link.last_used
        left_s = self._idle_s(link) - idle_s
        if left_s > 0.0:
            loop.call_later(max(left_s, _LOOK_AGAIN_S), self._end_idle, link)
            return
        _log.info("query worker %d ends after %.0f s without work", link.slot, idle_s)
        link.retire()

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
