"""The nodes of a simulation: on each logd, a worker and metad's catalog feed, and in front of them an ingress.

logd, the worker, the sockets between them and the ingress's router are the product's own classes; disks, threads,
sockets, clocks and services are played. Each program can die on its own, and comes back after a while.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from random import Random
from typing import Any

import msgspec

from logd.entry import decode_entry, decode_value
from logd.group import Group
from logd.journal import Entry
from logd.keys import entry_key, registry_key
from logd.peers.options import ClusterOptions
from logd.raft.private import COMMAND
from logd.service import LogService
from logd.store import StoreError
from metad.publisher import Publisher
from partitiond.ingress.router import Router, _Link
from partitiond.leader.leader import Leader
from partitiond.leader.requests import deliver_locally
from partitiond.log.link import LogLink
from partitiond.worker import Worker
from shared.api.partition import DeliverReply, DeliverRequest, PartitionReply
from shared.catalog.catalog import Catalog
from shared.catalog.partitions import PartitionTable, even_partitions
from shared.config import Settings
from shared.errors import UnavailableError
from shared.ids import decode_signal_id, key_partition_key, partition_key_of, scope_partition_key
from shared.limits import Rule
from shared.protocol.input import encode_input
from shared.rpc.client import RpcCaller
from shared.rpc.connection import Connection
from shared.storage import keys
from shared.wal.commands import Invoke, OutboxMessage, Target
from tests.simulation import checkers
from tests.simulation.disks import LogDisk, LogStore, PartitionDisk, PartitionStore, SimSyncer
from tests.simulation.loop import NOBODY, ClusterLoop, Process, current_process
from tests.simulation.network import Network
from tests.simulation.patches import patched
from tests.simulation.plan import Plan
from tests.simulation.record import Record
from tests.simulation.services import SCOPE, SimInvoker

__all__ = ["FRONT", "Cluster", "Node", "NodeClock"]

#: The host of the ingress.
FRONT = "front"
RETENTION_MS = 100_000_000
START_MS = 1_700_000_000_000
_PROGRAMS = ("logd", "metad", "partitiond")


class NodeClock:
    """A node's wall clock: it drifts and jumps. `latest_ms`: the most it has shown."""

    def __init__(self, loop: ClusterLoop) -> None:
        self._loop = loop
        self.rate = 1.0
        self.offset_ms = 0.0
        self.latest_ms = 0

    def now_ms(self) -> int:
        now_ms = START_MS + round(self._loop.time() * 1000 * self.rate + self.offset_ms)
        self.latest_ms = max(self.latest_ms, now_ms)
        return now_ms

    def catch_up(self, latest_ms: int) -> None:
        """At least this, and no drift from here on."""
        now_ms = self.now_ms()
        self.rate = 1.0
        self.offset_ms = max(now_ms, latest_ms) - START_MS - self._loop.time() * 1000


class Node:
    """A machine: what its disks hold, its clock, and the programs that run on it now."""

    def __init__(self, name: str, plan: Plan, loop: ClusterLoop) -> None:
        self.name = name
        self.settings = Settings(
            data_dir=f"/simulated/{name}",
            node_name=name,
            partitions=plan.partitions,
            workers=1,
            checkpoint_interval_s=2.0,
            checkpoint_log_bytes=40_000,
            cleanup_interval_s=1.0,
            # The disks are played, with faults of their own.
            disk_reserve_bytes=0,
        )
        self.log_disk = LogDisk()
        self.partition_disks = {number: PartitionDisk() for number in range(plan.partitions)}
        self.clock = NodeClock(loop)
        self.sync_s = 0.0002
        self.disk_full = False
        self.processes: dict[str, Process] = {}
        self.log: LogService | None = None
        self.worker: Worker | None = None
        self.publisher: Publisher | None = None

    def leads(self, group: str) -> bool:
        """Its logd believes so."""
        return self.log is not None and group in self.log._groups and self.log._groups[group].engine.is_leader


class Cluster:
    """See the module. `finding` gets the first thing that is wrong."""

    def __init__(self, plan: Plan, loop: ClusterLoop) -> None:
        self.plan = plan
        self.loop = loop
        self.network = loop.network = Network(loop, plan.seed)
        self.table = PartitionTable(1, even_partitions(plan.partitions))
        self.record = Record(self.table.partitions)
        self.nodes = {name: Node(name, plan, loop) for name in "abcde"[: plan.nodes]}
        self.finding: asyncio.Future[None] = loop.create_future()
        self.calm = False
        self.crash_in_commit = 0.0
        self.crash_in_raft = 0.0
        self.rules_version = 1
        self.rules: dict[str, int | None] = {SCOPE: 2}
        self.front: Process | None = None
        self.router: Router | None = None
        self._tokens = 0
        #: (step, token), as they were executed by the leaders of their time.
        self.executed: list[tuple[str, str]] = []
        #: Awakeables that a service asks the world to complete.
        self.awaited: dict[str, list[tuple[bytes, int]]] = {}
        #: (router's link, request) -> replies.
        self.replies: dict[tuple[int, int], int] = {}
        self.links = 0
        self._ids = 0
        self._incarnations = 0
        self._router_chooser = Random(f"{plan.seed} router")
        loop.on_failure = self.fail
        self._patches = patched(
            log_store=lambda path: LogStore(self._here().log_disk),
            log_syncer=self._make_syncer,
            group=lambda *args: _CheckedGroup(self, *args),
            partition_store=self._make_store,
            invoker=lambda **kw: SimInvoker(self, current_process(), kw["clock"].now_ms),
            clock=lambda: self._here().clock,
            log_link=lambda *args: _TrimmingLink(self, *args),
            router_link=lambda *args: _CountingLink(self, *args),
        )

    def __enter__(self) -> Cluster:
        self._patches.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        self._patches.__exit__(*error)

    def fail(self, error: BaseException) -> None:
        """The run ends with this."""
        if not self.finding.done():
            self.finding.set_exception(error)

    # Programs.

    def start_all(self) -> None:
        for name in self.nodes:
            for program in _PROGRAMS:
                self.start(name, program)
        self.start(FRONT, "ingress")

    def start(self, host: str, program: str) -> None:
        """Unless it runs already."""
        running = self.front if host == FRONT else self.nodes[host].processes.get(program)
        if running is not None and running.alive:
            return
        self._incarnations += 1
        process = Process(self.loop, host, program, f"{self.plan.seed} {host} {program} {self._incarnations}")
        mains: dict[str, Callable[[], Coroutine[Any, Any, None]]] = {
            "logd": self._run_logd,
            "metad": self._run_metad,
            "partitiond": self._run_worker,
            "ingress": self._run_ingress,
        }
        if host == FRONT:
            self.front, self.router = process, None
        else:
            self.nodes[host].processes[program] = process
            process.clock_rate = self.nodes[host].clock.rate
        process.at_exit[lambda: self._restart_later(process)] = None
        task = process.start(mains[program]())
        task.add_done_callback(lambda task: self._ended(process, task))

    def _ended(self, process: Process, task: asyncio.Task[None]) -> None:
        error = None if task.cancelled() else task.exception()
        if isinstance(error, StoreError):
            # Its disk is full: supervisord starts it again until there is room.
            process.kill()
        elif error is not None:
            self.fail(error)

    def _restart_later(self, process: Process) -> None:
        delay_s = process.chooser.choice((0.02, 0.2, 1.0))
        self.loop.call_later(delay_s, self.start, process.host, process.program, context=NOBODY)

    def _here(self) -> Node:
        return self.nodes[current_process().host]

    async def _run_logd(self) -> None:
        node = self._here()
        peers = {name: (name, 1) for name in self.nodes if name != node.name}
        service = LogService(node.settings, ClusterOptions((node.name, 1), peers, b"secret") if peers else None)
        node.log = service
        await service.start()
        await service.run(asyncio.Event())

    async def _run_worker(self) -> None:
        node = self._here()
        node.worker = _ClusterWorker(self, node.settings)
        await node.worker.run(asyncio.Event())

    async def _run_metad(self) -> None:
        node = self._here()
        node.publisher = Publisher(node.settings)
        await node.publisher.start()
        node.publisher.publish(self.catalog())
        await asyncio.Event().wait()

    async def _run_ingress(self) -> None:
        names = list(self.nodes)
        self.router = Router(
            partition_of=lambda key: self.table.partition_of(key).id,
            worker_of=lambda partition: names.index(self.guess_leader(partition)),
            socket_of=lambda worker: self.nodes[names[worker]].settings.socket("partitiond-0"),
        )
        await asyncio.Event().wait()

    def _make_syncer(self, store: LogStore, *, inline_s_max: float = 0.0) -> SimSyncer:
        node, chooser = self._here(), current_process().chooser
        return SimSyncer(store, lambda: node.sync_s * (0.5 + chooser.random()), lambda: node.disk_full)

    def _make_store(self, folder: Any, *, partition_id: int, files_max: int) -> PartitionStore:
        node, chooser = self._here(), current_process().chooser

        def dies() -> str | None:
            dice = chooser.random()
            if self.calm or dice >= 2 * self.crash_in_commit:
                return None
            self.record.faults["crash in commit"] += 1
            return "before" if dice < self.crash_in_commit else "after"

        def on_commit(store: PartitionStore) -> None:
            self.record.committed(partition_id, store.applied_lsn, store.sum)

        store = PartitionStore(node.partition_disks[partition_id], dies, on_commit)
        lsn = store.applied_lsn
        self.record.committed(partition_id, lsn, store.sum)
        return store

    # What all programs of all nodes know of each other.

    def catalog(self) -> Catalog:
        rules = {text: Rule(text, limit, 1, 0) for text, limit in self.rules.items()}
        return Catalog(self.rules_version, {}, {}, self.table, rules, self.rules_version)

    def leader_of(self, partition_id: int) -> str | None:
        """The node whose worker leads, of the newest epoch."""
        found = [
            (node.worker._processors[partition_id].leader.epoch, name)
            for name, node in self.nodes.items()
            if node.worker is not None
            and node.processes["partitiond"].alive
            and partition_id in node.worker._processors
            and node.worker._processors[partition_id].leader.leading
        ]
        return max(found)[1] if found else None

    def guess_leader(self, partition_id: int) -> str:
        """Mostly right: routers learn late."""
        leader = self.leader_of(partition_id)
        if leader is None or self._router_chooser.random() < 0.05:
            return self._router_chooser.choice(list(self.nodes))
        return leader

    def row_of(self, invocation_id: bytes) -> bytes | None:
        """What is stored of an invocation, at the end of the log."""
        partition = self.table.partition_of(partition_key_of(invocation_id)).id
        return self.record.references[partition].store.get(keys.invocation_key(invocation_id))

    # What services and the invoker ask of the world.

    def make_invoke(self, target: Target, uid: bytes = b"", *, limit_key: str | None = None) -> Invoke:
        self._ids += 1
        place = self._ids * 0x9E3779B97F4A7C15 % (1 << 64)
        if target.scope is not None:
            place = scope_partition_key(target.scope)
        elif target.key is not None:
            place = key_partition_key(target.key)
        return Invoke(
            place.to_bytes(8, "big") + self._ids.to_bytes(16, "big"),
            target,
            encode_input([], b"1"),
            completion_retention_ms=RETENTION_MS if uid else 0,
            journal_retention_ms=RETENTION_MS if uid else 0,
            request_uid=uid,
            limit_key=limit_key,
        )

    def execute(self, path: str, leader: Leader) -> str:
        """A leader that was replaced and does not know may do a step once more: its result counts for nothing."""
        self._tokens += 1
        token = f"t{self._tokens}"
        if leader.epoch == self.record.references[leader.partition.id].epoch:
            self.executed.append((path, token))
        return token

    def came(self, due_ms: int) -> None:
        """Something that was to come then has come."""
        self.record.check("timer.early", checkers.timer_not_early(due_ms, self._clocks()))

    def began(self, path: str, due_ms: int) -> None:
        if due_ms:
            self.came(due_ms)

    def _clocks(self) -> list[int]:
        return [max(node.clock.latest_ms, node.clock.now_ms()) for node in self.nodes.values()]

    def asked(self, path: str, awakeable: str) -> None:
        signal = decode_signal_id(awakeable)
        known = self.awaited.setdefault(path, [])
        if signal not in known:
            known.append(signal)

    # What logs and stores report.

    def on_published(self, group: str, entries: list[Entry]) -> None:
        partition_id = int(group.removeprefix("p-"))
        reference = self.record.references[partition_id]
        for command, lsn, _ in entries:
            if command[0] != COMMAND:
                continue
            payload = command[1:]
            name = "log.agreement"
            self.record.check(name, checkers.every_record_agreed(reference.batches, lsn, payload))
            if lsn not in reference.batches:
                copies = [_durable_copy(node.log_disk, group, lsn) for node in self.nodes.values()]
                self.record.published(partition_id, lsn, payload, copies)

    def on_trim(self, group: str, lsn: int) -> None:
        partition_id = int(group.removeprefix("p-"))
        durable = {name: node.partition_disks[partition_id].durable_lsn for name, node in self.nodes.items()}
        self.record.check("log.trim", checkers.trim_is_covered(lsn, durable))

    def trim_bound(self, partition_id: int) -> int:
        """What no replica needs: peers are not sent checkpoints yet, so their logs must have the rest."""
        return min(node.partition_disks[partition_id].durable_lsn for node in self.nodes.values())


def _durable_copy(disk: LogDisk, group: str, lsn: int) -> bytes | None:
    key = registry_key(group)
    stored = disk.durable.values.get(key)
    if stored is None:
        return None
    number = decode_value(stored, int, key=key, what="number")
    value = disk.durable.values.get(entry_key(number, lsn))
    return None if value is None else decode_entry(value, group=group, group_id=number, index=lsn).command[1:]


class _CheckedGroup(Group):
    """Tells the record what it shows and trims."""

    def __init__(self, cluster: Cluster, *args: Any) -> None:
        self._cluster = cluster
        super().__init__(*args)
        self._chooser = current_process().chooser
        self._send = self.transport.send
        self.transport.send = self._send_and_die  # type: ignore[method-assign]

    def _send_and_die(self, node: Any, message: dict[str, Any]) -> bool:
        """A vote or an acknowledgement may be its last word: what it promised must be on its disk."""
        sent = self._send(node, message)
        weight = {"response_vote": 5, "next_node_idx": 1}.get(message["type"], 0)
        if weight and self._chooser.random() < weight * self._cluster.crash_in_raft:
            # The bytes leave with the loop's turn: the kernel has them.
            current_process().kill_soon()
        return sent

    def _publish(self, entries: list[Entry]) -> None:
        self._cluster.on_published(self.name, entries)
        super()._publish(entries)

    def trim(self, lsn: int) -> None:
        self._cluster.on_trim(self.name, min(lsn, self.tail_lsn))
        super().trim(lsn)


class _TrimmingLink(LogLink):
    """Trims no more than every replica can spare: which nobody tells a worker yet."""

    def __init__(self, cluster: Cluster, *args: Any) -> None:
        super().__init__(*args)
        self._cluster = cluster

    def trim(self, group: str, lsn: int) -> None:
        super().trim(group, min(lsn, self._cluster.trim_bound(int(group.removeprefix("p-")))))


class _CountingLink(_Link):
    """Counts the replies of each request."""

    def __init__(self, cluster: Cluster, *args: Any) -> None:
        super().__init__(*args)
        cluster.links += 1
        self._number = cluster.links
        self._replies = cluster.replies

    def on_messages(self, connection: Connection, messages: list[Any]) -> None:
        for message in messages:
            place = (self._number, message.request_id)
            self._replies[place] = self._replies.get(place, 0) + 1
        super().on_messages(connection, messages)


class _ClusterWorker(Worker):
    """Sends messages between partitions to the node that leads: a worker knows those of its own node only."""

    def __init__(self, cluster: Cluster, settings: Settings) -> None:
        super().__init__(0, settings)
        self._cluster = cluster
        self._callers: dict[str, RpcCaller] = {}

    async def _deliver(self, receiver: int, sender: int, messages: list[tuple[int, OutboxMessage]]) -> None:
        local = self._processors.get(receiver)
        if local is not None and local.leader.leading:
            await deliver_locally(local.leader, sender, messages)
            return
        name = self._cluster.guess_leader(receiver)
        caller = self._callers.get(name)
        if caller is None:
            decode = msgspec.msgpack.Decoder(PartitionReply).decode
            path = self._cluster.nodes[name].settings.socket("partitiond-0")
            caller = self._callers[name] = RpcCaller(path, decode, name=name)
            caller.start()
        reply = await caller.call(DeliverRequest(0, receiver, sender, messages), timeout_s=3.0)
        if not isinstance(reply, DeliverReply):
            raise UnavailableError("it does not lead")
