"""logd as a whole: opens the store, brings the groups up, joins the parts, drains at the end. Wiring only."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

from logd.driver import Driver
from logd.group import Group, Membership
from logd.journal import GroupJournal
from logd.peers.fabric import PeerFabric
from logd.peers.options import ClusterOptions
from logd.raft.private import check_version
from logd.raft.transport import NoFabric
from logd.reclaimer import Reclaimer
from logd.registry import GroupRegistry
from logd.server import ENVELOPE_BYTES, LogServer
from logd.store import RocksStore, StoreError
from logd.syncer import Syncer
from shared.config import Settings
from shared.disk import store_guard, wait_for_room
from shared.errors import CorruptionError
from shared.scheduling import shorten_slice

__all__ = ["LogService", "serve"]

_log = logging.getLogger(__name__)

#: What is in flight gets this long to be committed when logd stops.
_DRAIN_S = 5.0
#: A turn of ours takes less, and everybody waits for it.
_SLICE_NS = 100_000


class LogService:
    """One running logd."""

    def __init__(self, settings: Settings, cluster: ClusterOptions | None = None) -> None:
        """Raises ConfigError, CorruptionError, StoreError when the store cannot be opened."""
        check_version()
        self._settings = settings
        self._disk = store_guard(settings, settings.data_path / "log", probe=False)
        self._store = RocksStore(settings.data_path / "log")
        self._registry = GroupRegistry(self._store)
        # With peers no sync in the loop: one that takes long would hold up the heartbeats.
        self._syncer = Syncer(self._store) if cluster is None else Syncer(self._store, inline_s_max=0.0)
        self._reclaimer = Reclaimer(self._store, self._fail)
        self._driver = Driver(self._store, self._syncer, self._reclaimer)
        self._peers = None if cluster is None else PeerFabric(settings.node_name, cluster, self)
        self._membership = (
            Membership(settings.node_name)
            if cluster is None
            else Membership(settings.node_name, tuple(cluster.peers), cluster.timing)
        )
        self._groups: dict[str, Group] = {}
        self._server = LogServer(
            settings.socket("logd"),
            groups=self._groups,
            open_group=self.open_group,
            touch=self._driver.touch,
            syncs=lambda: self._store.syncs,
            on_error=self._fail,
            payload_bytes_limit=settings.record_bytes_limit + ENVELOPE_BYTES,
        )

    def _fail(self, error: BaseException) -> None:
        self._driver.fail(error)

    def open_group(self, name: str) -> Group:
        """A group that is not open yet; made when it is new."""
        journal = GroupJournal(self._store, name, self._registry.number_of(name))
        group = Group(journal, self._membership, self._peers or NoFabric(), self._fail, self._disk.fresh)
        self._groups[name] = group
        self._driver.add(group)
        return group

    async def start(self) -> None:
        """Bring up every known group, then listen."""
        for name in self._registry.known():
            group = self.open_group(name)
            _log.info(
                "group=%s first_lsn=%d tail_lsn=%d term=%d", name, group.first_lsn, group.tail_lsn, group.engine.term
            )
        if self._peers is not None:
            await self._peers.start()
        else:
            # Alone, this node leads by now and has committed all it holds: who follows gets the right tail at once.
            await self._driver.quiet()
        await self._server.start()

    def on_peer_message(self, peer: str, group: str, message: dict[str, Any]) -> None:
        """A Raft message; one for a group that is not open here is dropped."""
        try:
            if (receiver := self._groups.get(group)) is not None:
                receiver.receive(peer, message)
                self._driver.touch(receiver)
        except Exception as error:
            self._fail(error)

    def on_peer_ready(self, peer: str, *, ready: bool) -> None:
        """A peer came, went, or has enough for now."""
        for group in self._groups.values():
            group.on_peer_ready(peer, ready=ready)
            self._driver.touch(group)

    async def run(self, stopping: asyncio.Event) -> None:
        """Until told to stop, or until the store fails."""
        stop: asyncio.Future[bool] = asyncio.ensure_future(stopping.wait())
        try:
            ends: list[asyncio.Future[Any]] = [stop, self._driver.failed]
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        finally:
            stop.cancel()
        if self._driver.failed.done():
            self._driver.failed.result()

    async def close(self) -> None:
        """Take no more appends, finish those in flight, close the store."""
        self._server.refuse_appends()
        try:
            async with asyncio.timeout(_DRAIN_S):
                while not all(group.idle for group in self._groups.values()):
                    await self._driver.quiet()
                    await asyncio.sleep(0.005)
        except TimeoutError:
            _log.warning("appends were in flight for %s s without a quorum: their outcome is unknown", _DRAIN_S)
        for group in self._groups.values():
            await group.followers.close()
        await self._server.close()
        if self._peers is not None:
            await self._peers.close()
        await self._driver.quiet()
        self._driver.close()
        await self._reclaimer.close()
        self._syncer.close()
        self._store.close()


async def serve(settings: Settings, stopping: asyncio.Event) -> None:
    """Run logd until `stopping`. A failure that the operator can cure ends it with one line that says how."""
    try:
        # Who began on a full disk would end at once, and be started again, and so on.
        if not await wait_for_room(store_guard(settings, settings.data_path / "log"), stopping, what="logd"):
            return
        service = LogService(settings)
        # Behind the start of the store's own threads, which may wait.
        shorten_slice(_SLICE_NS)
        await service.start()
        await service.run(stopping)
        await service.close()
    except CorruptionError as error:
        _log.critical("the log is damaged, its files are kept as they are: %s", error)
        raise SystemExit(1) from error
    except StoreError as error:
        _log.critical("%s", error)
        _log.critical("nothing acknowledged is lost; supervisord starts logd again, which goes on when the disk does")
        raise SystemExit(1) from error
