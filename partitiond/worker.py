"""One worker process: its partitions, its invoker and its socket. Owns: `<data>/partitions/<id>` of its partitions."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import msgspec
import multiprocess
import uvloop

from partitiond.checkpointer import Checkpointer
from partitiond.invoker.invoker import Invoker
from partitiond.invoker.shares import Shares
from partitiond.keeper import Keeper
from partitiond.leader.leader import Leader
from partitiond.leader.requests import deliver_locally, handle
from partitiond.leader.tasks import spawn
from partitiond.log.link import LogLink
from partitiond.machine.apply import initial_meta
from partitiond.peers import Peers
from partitiond.processor import Processor
from partitiond.store.rebuild import open_store, partitions_on_disk
from partitiond.store.rocksdb import RocksStore
from shared.api.log import partition_group
from shared.api.partition import (
    CheckpointReply,
    CheckpointRequest,
    InvocationState,
    InvocationStatesReply,
    InvocationStatesRequest,
    Moved,
    PartitionRequest,
    WorkerStatusReply,
    WorkerStatusRequest,
)
from shared.catalog.partitions import Partition
from shared.catalog_client import CatalogClient
from shared.clock import SystemClock
from shared.config import Settings, read_own_settings
from shared.descriptors import store_files_max
from shared.disk import DiskGuard, store_guard
from shared.errors import ConfigError, CorruptionError, StoreError
from shared.host_watch import watch_host
from shared.logs import setup_logging
from shared.rpc.connection import Connection
from shared.rpc.server import RpcServer
from shared.snapshots.checkpoints import checkpoints_folder
from shared.wal.commands import OutboxMessage

__all__ = ["EXIT_CONFIG", "Worker", "main"]

_log = logging.getLogger(__name__)
#: Status of a worker that found what only the operator can mend, such as a store of a newer format.
EXIT_CONFIG = 78
_STATES_AT_ONCE = 128
#: Between two tries to open a store.
_OPEN_AGAIN_S = 1.0


class Worker:
    """Hosts every partition of the table whose number falls on this worker."""

    def __init__(self, index: int, settings: Settings) -> None:
        name = f"partitiond-{index}"
        self._index = index
        self._settings = settings
        self._clock = SystemClock()
        # While the log is behind, nothing more is taken from clients: they wait, and hold what they want to say.
        self._log = LogLink(settings.socket("logd"), lambda paused: self._server.hold(on=paused))
        self._catalog = CatalogClient(settings.socket("metad"), subscriber=name)
        self._shares = _shares(index, settings)
        self._invoker = Invoker(catalog=self._catalog, settings=settings, clock=self._clock, gate=self._shares)
        self._peers = Peers(settings)
        self._processors: dict[int, Processor] = {}
        #: Stores that were opened before it was known which partitions there are.
        self._ahead: dict[int, RocksStore] = {}
        #: Partitions whose store cannot be opened now, and why.
        self._troubles: dict[int, str] = {}
        self._guards: dict[int, DiskGuard] = {}
        self._opening: asyncio.TimerHandle | None = None
        #: Stores that this worker has, or will.
        self._stores = 1
        self._telling: set[asyncio.Task[None]] = set()
        decode = msgspec.msgpack.Decoder(PartitionRequest).decode
        self._server = RpcServer(settings.socket(name), decode, self, name=name)

    async def run(self, stopping: asyncio.Event) -> None:
        """Serve until `stopping` is set, then drain."""
        await self._server.start()
        self._log.start()
        self._catalog.on_change(self._catalog_changed)
        self._catalog.start()
        await self._open_ahead()
        await stopping.wait()
        if self._opening is not None:
            self._opening.cancel()
        for task in self._telling:
            task.cancel()
        await self._catalog.close()
        for processor in self._processors.values():
            processor.leader.step_down("the worker ends")
        # Before the stores: nothing may arrive that a closed one would have to take.
        await self._log.close()
        for processor in self._processors.values():
            await processor.close()
        self._close_ahead()
        await self._invoker.close()
        if self._shares is not None:
            self._shares.close()
        await self._peers.close()
        await self._server.close()

    async def _open_ahead(self) -> None:
        """Open the stores that there are, or will be at a first start, while metad is still coming up."""
        expected = partitions_on_disk(self._settings.data_path)
        if expected is None:
            expected = list(range(self._settings.partition_count))
        mine = [number for number in expected if self._settings.worker_of(number) == self._index]
        self._stores = max(1, len(mine))
        for number in mine:
            # The loop has its turn: it may have heard of the catalog meanwhile.
            await asyncio.sleep(0)
            if self._catalog.catalog is not None:
                return
            # What is wrong with a store is told once it is known that it is needed.
            with contextlib.suppress(StoreError, ConfigError):
                if self._guard(number).look() is None:
                    self._ahead[number] = self._open_store(number)

    def _close_ahead(self) -> None:
        while self._ahead:
            self._ahead.popitem()[1].close()

    def _catalog_changed(self) -> None:
        for processor in self._processors.values():
            processor.leader.propose_rules()
        self._open_partitions()

    def _open_partitions(self) -> None:
        catalog = self._catalog.catalog
        assert catalog is not None
        partitions = catalog.partition_table.partitions
        mine = [each for each in partitions if self._settings.worker_of(each.id) == self._index]
        self._stores = len(mine)
        for partition in mine:
            if partition.id not in self._processors:
                self._try_open(partition)
        self._close_ahead()
        if self._troubles and self._opening is None:
            self._opening = asyncio.get_running_loop().call_later(_OPEN_AGAIN_S, self._open_again)

    def _open_again(self) -> None:
        self._opening = None
        self._open_partitions()

    def _try_open(self, partition: Partition) -> None:
        """A disk that is full or cannot be written costs the partitions on it, for so long; others are served."""
        trouble = None if partition.id in self._ahead else self._guard(partition.id).look()
        if trouble is None:
            try:
                self._open(partition)
            except StoreError as error:
                trouble = str(error)
        before = self._troubles.pop(partition.id, None)
        if trouble is not None:
            self._troubles[partition.id] = trouble
            if before is None:
                _log.error("partition=%d waits: %s", partition.id, trouble)
        elif before is not None:
            _log.info("partition=%d is open", partition.id)

    def _folder(self, partition_id: int) -> Path:
        return self._settings.data_path / "partitions" / str(partition_id)

    def _guard(self, partition_id: int) -> DiskGuard:
        guard = self._guards.get(partition_id)
        if guard is None:
            guard = self._guards[partition_id] = store_guard(self._settings, self._folder(partition_id))
        return guard

    def _open_store(self, partition_id: int) -> RocksStore:
        folder = self._folder(partition_id)
        return open_store(folder, partition_id=partition_id, files_max=store_files_max(self._stores))

    def _open(self, partition: Partition) -> None:
        group = partition_group(partition.id)
        store = self._ahead.pop(partition.id, None)
        if store is None:
            store = self._open_store(partition.id)
        meta = store.meta() or initial_meta(partition.id, partition.start_key, partition.end_key)
        leader = Leader(
            partition,
            group=group,
            node=self._settings.node_name,
            tables=store,
            appender=self._log,
            invoker=self._invoker,
            clock=self._clock,
            partition_of=self._partition_of,
            deliver=self._deliver,
            cleanup_interval_s=self._settings.cleanup_interval_s,
            catalog=lambda: self._catalog.catalog,
        )
        checkpointer = Checkpointer(
            store,
            lambda: meta.applied_lsn,
            lambda lsn: self._log.trim(group, lsn),
            interval_s=self._settings.checkpoint_interval_s,
            log_bytes=self._settings.checkpoint_log_bytes,
            keeper=Keeper(
                self._folder(partition.id) / "store", checkpoints_folder(self._settings.data_path, partition.id)
            ),
        )
        processor = Processor(group, store, meta, leader, checkpointer)
        self._processors[partition.id] = processor
        self._log.follow(processor)

    def _partition_of(self, partition_key: int) -> int:
        catalog = self._catalog.catalog
        assert catalog is not None
        return catalog.partition_table.partition_of(partition_key).id

    async def _deliver(self, receiver: int, sender: int, messages: list[tuple[int, OutboxMessage]]) -> None:
        local = self._processors.get(receiver)
        if local is not None:
            await deliver_locally(local.leader, sender, messages)
        else:
            await self._peers.deliver(receiver, sender, messages)

    def on_messages(self, connection: Connection, messages: list[Any]) -> None:
        for request in messages:
            match request:
                case InvocationStatesRequest():
                    self._spawn(self._tell_states(connection, request.request_id), name="states")
                case WorkerStatusRequest():
                    statuses = [processor.status() for processor in self._processors.values()]
                    troubles = [f"partition {number}: {text}" for number, text in sorted(self._troubles.items())]
                    damaged = [(id_, each.damaged) for id_, each in self._processors.items() if each.damaged]
                    connection.send(WorkerStatusReply(request.request_id, statuses, os.getpid(), troubles, damaged))
                case _:
                    processor = self._processors.get(request.partition_id)
                    if processor is None:
                        text = f"partition {request.partition_id} is not on worker {self._index}"
                        connection.send(Moved(request.request_id, text))
                    elif type(request) is CheckpointRequest:
                        self._spawn(_checkpoint(processor, connection, request), name="checkpoint-now")
                    else:
                        handle(processor.leader, connection, request)

    def _spawn(self, answering: Coroutine[Any, Any, None], *, name: str) -> None:
        """Answer a request later; a worker that ends answers it no more."""
        task = spawn(answering, name=name)
        self._telling.add(task)
        task.add_done_callback(self._telling.discard)

    async def _tell_states(self, connection: Connection, request_id: int) -> None:
        """Each with a stack trace may be much: a few at a time, as fast as the peer reads."""
        chunks = self._invoker.state_chunks(_STATES_AT_ONCE)
        states: list[InvocationState] | None = next(chunks)
        while states is not None and not connection.closed:
            following = next(chunks, None)
            connection.send(InvocationStatesReply(request_id, states, following is not None))
            states = following
            await asyncio.sleep(0)
            await connection.drained()

    def on_closed(self, connection: Connection) -> None:
        for processor in self._processors.values():
            processor.leader.replies.forget_peer(connection)


async def _checkpoint(processor: Processor, connection: Connection, request: CheckpointRequest) -> None:
    made = await processor.checkpoint()
    newest = made.kept.newest if made.kept is not None else None
    reply = CheckpointReply(
        request.request_id,
        request.partition_id,
        applied_lsn=newest.applied_lsn if newest is not None else 0,
        durable_lsn=made.durable_lsn,
        trimmed_lsn=made.trimmed_lsn,
        size=newest.size if newest is not None else 0,
        took_ms=round(made.seconds * 1000),
        complaint=made.complaint,
    )
    if not connection.closed:
        connection.send(reply)


def _shares(index: int, settings: Settings) -> Shares | None:
    """None: there are more workers than attempts may run, so that each has one."""
    workers, limit = settings.worker_count, settings.concurrent_invocations_limit
    if workers > limit:
        return None
    return Shares(settings.run_path / "slots", index=index, workers=workers, limit=limit)


def main(index: int, data_dir: str) -> None:
    """Entry of the worker process."""
    try:
        settings = read_own_settings(Path(data_dir) / "run" / "settings.json")
    except ConfigError as error:
        print(f"partitiond-{index}: {error}", file=sys.stderr)
        sys.exit(EXIT_CONFIG)
    setup_logging(f"partitiond-{index}", settings.log_level)
    try:
        uvloop.run(_run(index, settings))
    except ConfigError as error:
        _log.critical("%s", error)
        sys.exit(EXIT_CONFIG)
    except StoreError as error:
        _log.critical("%s", error)
        sys.exit(1)
    except Exception:
        _log.critical("worker %d failed", index, exc_info=True)
        sys.exit(1)


async def _run(index: int, settings: Settings) -> None:
    loop = asyncio.get_running_loop()
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        # Often twice: from supervisord, who tells the whole group, and from the parent, who kills what is too slow.
        loop.add_signal_handler(number, stopping.set)
    loop.set_exception_handler(_die)
    parent = multiprocess.parent_process()
    if parent is not None:
        # Readable once the parent is gone, however it died.
        loop.add_reader(parent.sentinel, _orphaned)
    _log.info("worker %d starts pid=%d", index, os.getpid())
    # One of the node's processes tells of its clock.
    watch = spawn(watch_host(clock=index == 0), name="host-watch")
    await Worker(index, settings).run(stopping)
    watch.cancel()
    _log.info("worker %d ends", index)


def _orphaned() -> None:
    _log.error("the parent process died, so this worker ends")
    os._exit(1)


def _die(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """A callback failed: what is in memory is in doubt, what is in the log is not. The parent starts us again."""
    error = context.get("exception")
    if isinstance(error, ConfigError):
        _log.critical("%s", error)
        os._exit(EXIT_CONFIG)
    if isinstance(error, StoreError | CorruptionError):
        anew = "; at the next start it is put aside and made anew" if isinstance(error, CorruptionError) else ""
        _log.critical("%s; nothing acknowledged is lost, the log has it%s", error, anew)
        os._exit(1)
    if isinstance(error, Exception):
        _log.critical("%s", context.get("message"), exc_info=error)
        os._exit(1)
    _log.error("%s", context.get("message"))
