"""Partition workers without processes: processors and leaders of a whole node over a log in memory."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable
from typing import Any

import msgspec

from partitiond.checkpointer import Checkpointer
from partitiond.leader.leader import Leader
from partitiond.leader.requests import LeaderRequest, deliver_locally, handle
from partitiond.machine.apply import initial_meta
from partitiond.processor import Processor, Store
from partitiond.store.memory import MemoryStore
from shared.api.log import partition_group
from shared.api.partition import AttachRequest, AwakeableRequest, InvokeRequest, Moved, TerminateRequest
from shared.catalog.catalog import Catalog
from shared.catalog.partitions import Partition, PartitionTable, even_partitions
from shared.clock import Clock
from shared.errors import UnavailableError
from shared.limits import Rule
from shared.storage import keys, values
from shared.storage.values import InvocationRow
from shared.wal.batch import Batch, decode_batch
from shared.wal.commands import Invoke, OutboxMessage, Result, TerminateMode
from tests.fakes.recording_invoker import RecordingInvoker
from tests.fakes.sim_log import SimLog
from tests.fakes.sim_loop import LoopClock

__all__ = ["FakePeer", "Node", "until"]

#: Far beyond the simulated time of any test: a loop with nothing else to do fails instead of getting there.
NEVER_S = 1e9


class FakePeer:
    """A client's connection: keeps the replies by request id."""

    def __init__(self) -> None:
        self.replies: dict[int, list[Any]] = defaultdict(list)
        #: Each change of whether it is read.
        self.held: list[bool] = []

    def send(self, message: msgspec.Struct) -> None:
        self.replies[message.request_id].append(message)  # type: ignore[attr-defined]

    def hold(self, *, on: bool) -> None:
        self.held.append(on)

    def only(self, request_id: int) -> Any:
        """The one reply to this request."""
        (reply,) = self.replies[request_id]
        return reply


async def until(condition: Callable[[], Any], *, seconds: float = 60.0) -> None:
    """Let the simulated loop run until this holds."""
    pause_s = 0.001
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(pause_s)
            pause_s = min(pause_s * 1.05, 0.02)


class Node:
    """One worker process. `stores` is its disk: give it to the next Node to play a restart."""

    def __init__(
        self,
        log: SimLog,
        *,
        partitions: int = 1,
        hosted: list[int] | None = None,
        stores: dict[int, Any] | None = None,
        invoker: Any = None,
        clock: Clock | None = None,
        cleanup_interval_s: float = NEVER_S,
        others: Callable[[int], Node | None] = lambda _: None,
    ) -> None:
        self.log = log
        self.link = log.connect()
        self.table = PartitionTable(1, even_partitions(partitions))
        self.stores: dict[int, Any] = stores if stores is not None else {}
        self.invoker: Any = invoker if invoker is not None else RecordingInvoker()
        self.clock = clock if clock is not None else LoopClock()
        self.processors: dict[int, Processor] = {}
        self.alive = True
        #: What metad pushed last.
        self.catalog: Catalog | None = None
        self._cleanup_interval_s = cleanup_interval_s
        self._others = others
        self._next_request = 1
        for partition in self.table.partitions:
            if hosted is None or partition.id in hosted:
                self._open(partition)

    def _open(self, partition: Partition) -> None:
        store: Store = self.stores.setdefault(partition.id, MemoryStore())
        meta = store.meta() or initial_meta(partition.id, partition.start_key, partition.end_key)  # type: ignore[attr-defined]
        leader = Leader(
            partition,
            group=partition_group(partition.id),
            node="node-1",
            tables=store,
            appender=self.link,
            invoker=self.invoker,
            clock=self.clock,
            partition_of=lambda key: self.table.partition_of(key).id,
            deliver=self._deliver,
            cleanup_interval_s=self._cleanup_interval_s,
            catalog=lambda: self.catalog,
        )
        checkpointer = Checkpointer(
            store, lambda: meta.applied_lsn, lambda _: None, interval_s=NEVER_S, log_bytes=1 << 60
        )
        processor = Processor(partition_group(partition.id), store, meta, leader, checkpointer)
        self.processors[partition.id] = processor

    def follow(self, *, leads: bool = True) -> Node:
        """Connect to the log."""
        for processor in self.processors.values():
            self.link.follow(processor, leads=leads)
        return self

    async def leading(self) -> Node:
        """Wait until every partition leads."""
        await until(lambda: all(leader.leading for leader in self.leaders))
        return self

    def rules(self, version: int, limits: dict[str, int | None], *, disabled: tuple[str, ...] = ()) -> None:
        """A catalog with this rule book arrives."""
        rules = {text: Rule(text, limit, 1, 0, disabled=text in disabled) for text, limit in limits.items()}
        self.catalog = Catalog(version, {}, {}, self.table, rules, version)
        for leader in self.leaders:
            leader.propose_rules()

    @property
    def leaders(self) -> list[Leader]:
        return [processor.leader for processor in self.processors.values()]

    @property
    def leader(self) -> Leader:
        """That of the only partition."""
        (leader,) = self.leaders
        return leader

    @property
    def processor(self) -> Processor:
        (processor,) = self.processors.values()
        return processor

    @property
    def store(self) -> Any:
        (store,) = self.stores.values()
        return store

    def crash(self, *, committed: int | None = None) -> None:
        """kill -9. Of the appends on their way the first `committed` reach the disk; None: all."""
        self.alive = False
        self.link.die(committed=committed)

    # Requests of clients.

    def handle(self, peer: FakePeer, request: LeaderRequest) -> None:
        """As the worker does with what comes from a connection."""
        handle(self.processors[request.partition_id].leader, peer, request)

    def invoke(self, peer: FakePeer, invoke: Invoke, *, wait: bool = True) -> int:
        """Send an InvokeRequest; returns its request id."""
        request_id = self._request_id()
        self.handle(peer, InvokeRequest(request_id, self._place(invoke.id), invoke, wait))
        return request_id

    def attach(self, peer: FakePeer, invocation_id: bytes, *, wait: bool = True) -> int:
        request_id = self._request_id()
        self.handle(peer, AttachRequest(request_id, self._place(invocation_id), invocation_id, wait))
        return request_id

    def awakeable(self, peer: FakePeer, invocation_id: bytes, signal: int, result: Result) -> int:
        request_id = self._request_id()
        self.handle(peer, AwakeableRequest(request_id, self._place(invocation_id), invocation_id, signal, result))
        return request_id

    def terminate(self, peer: FakePeer, invocation_id: bytes, mode: TerminateMode) -> int:
        request_id = self._request_id()
        self.handle(peer, TerminateRequest(request_id, self._place(invocation_id), invocation_id, mode))
        return request_id

    def _request_id(self) -> int:
        self._next_request += 1
        return self._next_request

    def _place(self, invocation_id: bytes) -> int:
        return self.table.partition_of(int.from_bytes(invocation_id[:8], "big")).id

    # What is stored.

    def row(self, invocation_id: bytes) -> InvocationRow | None:
        stored = self.stores[self._place(invocation_id)].get(keys.invocation_key(invocation_id))
        return None if stored is None else values.decode_invocation(stored)

    def outbox(self, partition_id: int) -> list[int]:
        """Sequences of the messages that are not known to have arrived."""
        return [keys.decode_outbox(key) for key, _ in self.stores[partition_id].scan(keys.OUTBOX, keys.DEDUP)]

    def batches(self, partition_id: int = 0) -> list[Batch]:
        """All that the log of a partition holds."""
        group = self.log.group(partition_group(partition_id))
        return [decode_batch(payload) for payload in group.batches.values()]

    # Messages between partitions.

    async def _deliver(self, receiver: int, sender: int, messages: list[tuple[int, OutboxMessage]]) -> None:
        if not self.alive:
            # Its process is gone, and with it whoever would try again and again.
            raise asyncio.CancelledError
        if receiver in self.processors:
            await deliver_locally(self.processors[receiver].leader, sender, messages)
            return
        other = self._others(receiver)
        if other is None or not other.alive:
            raise UnavailableError("nobody is there")
        # As over the socket: the other node works on, whatever becomes of who asked.
        receiving = asyncio.ensure_future(other.receive(receiver, sender, messages))
        receiving.add_done_callback(lambda task: task.cancelled() or task.exception())
        try:
            async with asyncio.timeout(10.0):
                await asyncio.shield(receiving)
        except TimeoutError as error:
            raise UnavailableError("no answer within 10 s") from error

    async def receive(self, receiver: int, sender: int, messages: list[tuple[int, OutboxMessage]]) -> None:
        """A DeliverRequest of another node."""
        await asyncio.sleep(self.log.delay())
        if not self.alive:
            raise UnavailableError("the node was killed")
        await deliver_locally(self.processors[receiver].leader, sender, messages)


def is_moved(reply: object) -> bool:
    return isinstance(reply, Moved)
