"""The pump: per loop turn one tick of each touched group, one write, one sync for all of them.

Rules that always hold:
- at most one sync runs; what comes in meanwhile waits for the next one: that is the group commit;
- nothing is published, and no acknowledgement leaves, before the sync that covers it is done;
- after the first error nothing is ticked, written or answered any more: `failed` ends the process.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

from logd.group import Group
from logd.reclaimer import Reclaimer
from logd.store import Store
from logd.syncer import Syncer

__all__ = ["Driver"]

#: Once in a while every group is ticked, and its commit index stored. A group without peers needs no more.
_HOUSEKEEPING_S = 1.0
#: With peers: heartbeats and elections depend on it.
_PEERS_TICK_S = 0.05


class Driver:
    """Ticks the groups. All calls come from the loop's thread."""

    def __init__(self, store: Store, syncer: Syncer, reclaimer: Reclaimer) -> None:
        self._store = store
        self._syncer = syncer
        self._reclaimer = reclaimer
        self._loop = asyncio.get_running_loop()
        self._groups: list[Group] = []
        self._touched: dict[Group, None] = {}
        self._staged: list[Group] = []
        self._scheduled = False
        self._syncing = False
        self._heartbeat: asyncio.TimerHandle | None = None
        self._housekeeping = self._loop.call_later(_HOUSEKEEPING_S, self._on_housekeeping)
        self._closed = False
        self._quiet: asyncio.Event = asyncio.Event()
        self._quiet.set()
        #: Gets the first error as its exception.
        self.failed: asyncio.Future[None] = self._loop.create_future()

    def add(self, group: Group) -> None:
        """Drive this group from now on."""
        self._groups.append(group)
        self.touch(group)
        if group.has_peers and self._heartbeat is None:
            self._on_heartbeat()

    def touch(self, group: Group) -> None:
        """There is work for this group: it is ticked at the end of the loop turn."""
        self._touched[group] = None
        self._quiet.clear()
        if not self._scheduled and not self._syncing:
            self._scheduled = True
            self._loop.call_soon(self._pump)

    def fail(self, error: BaseException) -> None:
        """End the process. The first error counts."""
        if not self.failed.done():
            self.failed.set_exception(error)

    async def quiet(self) -> None:
        """Wait until nothing is on its way to the disk. Raises the error that ended the driver."""
        quiet = asyncio.ensure_future(self._quiet.wait())
        waits: list[asyncio.Future[Any]] = [quiet, self.failed]
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        quiet.cancel()
        if self.failed.done():
            self.failed.result()

    def close(self) -> None:
        """Tick no more; the store may be closed after this."""
        self._closed = True
        self._housekeeping.cancel()
        if self._heartbeat is not None:
            self._heartbeat.cancel()
        for group in self._groups:
            group.journal.before_stage()
        self._groups.clear()
        self._touched.clear()

    def _pump(self) -> None:
        self._scheduled = False
        # A tick may touch groups, by what it sends to peers, and a sync begin behind it: its end pumps again.
        if self._syncing or self.failed.done() or self._closed:
            return
        try:
            self._turn()
        except Exception as error:
            self.fail(error)

    def _turn(self) -> None:
        touched, self._touched = self._touched, {}
        for group in touched:
            group.tick()
        if self._store.dirty:
            self._stage(touched)
            self._syncing = True
            self._syncer.start(self._synced)
            return
        if not self._touched:
            self._quiet.set()

    def _stage(self, touched: Iterable[Group]) -> None:
        self._staged = list(touched)
        for group in self._staged:
            group.journal.before_stage()
        self._store.stage()
        for group in self._staged:
            group.journal.after_stage()

    def _synced(self, error: BaseException | None) -> None:
        self._syncing = False
        if error is not None:
            self.fail(error)
            return
        staged, self._staged = self._staged, []
        for group in staged:
            group.journal.after_sync()
            group.transport.release()
            self._touched[group] = None
        # At once and not in the next turn: the answers of a lone append wait for this tick.
        self._pump()

    def _on_heartbeat(self) -> None:
        for group in self._groups:
            if group.has_peers:
                self.touch(group)
                if self._syncing:
                    self._tick_beside_sync(group)
        self._heartbeat = self._loop.call_later(_PEERS_TICK_S, self._on_heartbeat)

    def _tick_beside_sync(self, group: Group) -> None:
        """A sync may take longer than the others wait for a heartbeat. What this adds is staged with the next one."""
        if self.failed.done():
            return
        try:
            group.tick()
        except Exception as error:
            self.fail(error)

    def _on_housekeeping(self) -> None:
        for group in self._groups:
            # It rides along with the next entries; when none come, the next start would publish late what is known.
            group.journal.before_stage()
            self.touch(group)
        self._reclaimer.maybe_start([group.journal for group in self._groups])
        self._housekeeping = self._loop.call_later(_HOUSEKEEPING_S, self._on_housekeeping)
