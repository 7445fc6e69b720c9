"""Two nodes, three partitions, clients, and a demon that kills, loses and repeats. All of it follows from one seed."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Mapping
from typing import Any

from msgspec.structs import replace

from partitiond.machine import invariants, wakers
from partitiond.machine.messages import CANCELED, KILLED
from partitiond.store.memory import MemoryStore
from shared.api.log import partition_group
from shared.api.partition import (
    AttachRequest,
    InvokeRequest,
    Moved,
    PauseRequest,
    ResultReply,
    ResumeRequest,
    TerminateRequest,
)
from shared.catalog.partitions import PartitionTable, even_partitions
from shared.ids import key_partition_key, scope_partition_key, target_partition_key
from shared.protocol.input import encode_input
from shared.storage import keys, values
from shared.wal.commands import HandlerKind, Invoke, Result, Target, TerminateMode
from tests.fakes.scripted_invoker import ScriptedInvoker, Step
from tests.fakes.sim_log import KilledError, SimLog
from tests.fakes.sim_loop import LoopClock
from tests.partitiond.leader.rig import FakePeer, Node

__all__ = ["PARTITIONS", "World"]

PARTITIONS = 3
#: Which node hosts which partitions.
HOSTED = {0: [0, 1], 1: [2]}
RETENTION_MS = 10_000_000


def counter(key: str) -> Target:
    return Target("Counter", "add", key, HandlerKind.OBJECT_EXCLUSIVE)


WORK = Target("Worker", "work", None, HandlerKind.SERVICE)
#: The only one that is killed and cancelled: what it called may have been counted, or not.
DOOMED = Target("Worker", "doomed", None, HandlerKind.SERVICE)


#: In a world with scopes: which each has. Works wait for counters while they run, so they are not of the same one.
SCOPES = {"Worker": "works", "Counter": "counters"}
#: No rule book ever says more.
WORKS_MAX = 2


def _work(called: str, sent: str) -> list[Step]:
    return [
        Step("call", target=counter(called)),
        Step("sleep", ms=30),
        Step("send", target=counter(sent)),
        Step("call", target=counter(called)),
        Step("run"),
    ]


SCRIPTS: dict[str, list[Step]] = {
    "add": [Step("run"), Step("add"), Step("run"), Step("add"), Step("run")],
    "work": _work("called", "sent"),
    "doomed": _work("doomed", "doomed"),
}


class CrashyStore(MemoryStore):
    """A store whose process may be killed right before or right after a commit."""

    def __init__(self, world: World) -> None:
        super().__init__()
        self._world = world
        self._commits = 0

    def commit(self, writes: Mapping[bytes, bytes | None]) -> None:
        world = self._world
        dice = world.chooser.random()
        if dice < world.crash_in_commit:
            world.crash_owner(self)
            raise KilledError
        super().commit(writes)
        self._commits += 1
        world.note_applied(self)
        if self._commits % 8 == 0:
            broken = invariants.check(self)
            assert not broken, "\n".join(broken)
        if self._commits % 32 == 0:
            world.check_wakers()
        if dice < 2 * world.crash_in_commit:
            world.crash_owner(self)
            raise KilledError

    @property
    def applied_lsn(self) -> int:
        meta = self.meta()
        return 0 if meta is None else meta.applied_lsn

    def copy(self) -> CrashyStore:
        """As a flushed checkpoint keeps it."""
        made = CrashyStore(self._world)
        MemoryStore.commit(made, dict(self.scan(b"\x00", b"\xff" * 9)))
        return made


class World:
    """See the module. `run` drives it to the end and checks what clients saw."""

    def __init__(self, seed: int, *, scoped: bool = False) -> None:
        self.chooser = random.Random(seed)
        self.scoped = scoped
        self.rules_version = 1
        self.rules: dict[str, int | None] = {"works": WORKS_MAX}
        self.log = SimLog(delay=lambda: self.chooser.choice((0.0, 0.0, 0.001, 0.01)))
        self.log.repeats = lambda: not self.calm and self.chooser.random() < 0.02
        self.log.late = lambda: None if self.calm else self.chooser.choice((None, 0.001, 0.05))
        self.calm = False
        self.table = PartitionTable(1, even_partitions(PARTITIONS))
        self.stores: dict[int, CrashyStore] = {number: CrashyStore(self) for number in range(PARTITIONS)}
        self.checkpoints: dict[int, CrashyStore] = {}
        self.nodes: dict[int, Node | None] = {}
        self.crash_in_commit = 0.0
        #: Partition -> the highest LSN that its store has been at.
        self.applied: dict[int, int] = {}
        self.waker_checks = 0
        self.crashes = 0
        self.pauses = 0
        self.ids = 0
        #: What was acknowledged: invocation id -> result.
        self.acknowledged: dict[bytes, Result] = {}
        self.results: dict[str, list[Result]] = {}

    # Processes.

    def start(self, index: int) -> None:
        """The node comes up on what its disk holds."""
        clock = LoopClock()
        invoker = self.make_invoker(clock.now_ms)
        stores = {number: self.stores[number] for number in HOSTED[index]}
        node = Node(
            self.log, partitions=PARTITIONS, hosted=HOSTED[index], stores=stores, invoker=invoker, clock=clock,
            others=self.node_of,
        )  # fmt: skip
        self.nodes[index] = node
        if self.scoped:
            invoker.limits = {"works": WORKS_MAX}
            node.rules(self.rules_version, self.rules)
        node.follow()

    def make_invoker(self, now_ms: Callable[[], int]) -> ScriptedInvoker:
        """What plays the services of one node."""
        return ScriptedInvoker(self.chooser, SCRIPTS, self.make_invoke, now_ms)

    def crash(self, index: int, *, power_loss: bool = False) -> None:
        """kill -9; with the power the store falls back to its last checkpoint."""
        node = self.nodes.get(index)
        if node is None:
            return
        self.crashes += 1
        self.nodes[index] = None
        node.invoker.dead = True
        node.crash(committed=self.chooser.choice((0, 1, 3, None)))
        if power_loss:
            for number in HOSTED[index]:
                kept = self.checkpoints.get(number)
                self.stores[number] = CrashyStore(self) if kept is None else kept.copy()

    def crash_owner(self, store: CrashyStore) -> None:
        number = next(number for number, each in self.stores.items() if each is store)
        self.crash(next(index for index, hosted in HOSTED.items() if number in hosted))

    def node_of(self, partition_id: int) -> Node | None:
        return self.nodes.get(next(index for index, hosted in HOSTED.items() if partition_id in hosted))

    def note_applied(self, store: CrashyStore) -> None:
        number = next(number for number, each in self.stores.items() if each is store)
        self.applied[number] = max(store.applied_lsn, self.applied.get(number, 0))

    def check_wakers(self) -> None:
        """Whatever sleeps can be woken. Not while a partition is behind what it has told the others once."""
        if any(store.applied_lsn < self.applied.get(number, 0) for number, store in self.stores.items()):
            return
        self.waker_checks += 1
        asleep = wakers.check(self.stores.values())
        assert not asleep, "\n".join(asleep)

    # Invocations.

    def make_invoke(self, target: Target, uid: bytes = b"") -> Invoke:
        self.ids += 1
        # What is called from within is forgotten at its end: a message that comes twice makes it run twice.
        retention_ms = RETENTION_MS if uid else 0
        place = self.chooser.getrandbits(64) if target.key is None else key_partition_key(target.key)
        limit_key = None
        if self.scoped:
            target = replace(target, scope=SCOPES[target.service])
            place = scope_partition_key(SCOPES[target.service])
            limit_key = self.chooser.choice((None, "a", "b", "a/x"))
        return Invoke(
            place.to_bytes(8, "big") + self.ids.to_bytes(16, "big"),
            target,
            encode_input([], b"1"),
            completion_retention_ms=retention_ms,
            journal_retention_ms=retention_ms,
            request_uid=uid,
            limit_key=limit_key,
        )

    async def ask(self, request: Any) -> Any:
        """As the ingress does: again and again, until a leader answers with something else than `Moved`."""
        partition = self.table.partition_of(int.from_bytes(_id_of(request)[:8], "big")).id
        request.partition_id = partition
        while True:
            node = self.node_of(partition)
            if node is not None:
                peer = FakePeer()
                node.handle(peer, request)
                while node.alive and not peer.replies:  # noqa: ASYNC110
                    await asyncio.sleep(0.002)
                if peer.replies:
                    reply = peer.only(request.request_id)
                    if node.alive and not isinstance(reply, Moved):
                        return reply
            await asyncio.sleep(self.chooser.choice((0.001, 0.02)))

    async def client(self, number: int, requests: int) -> None:
        """Calls, one after another; each counts as done when it was answered."""
        for turn in range(requests):
            target = self.chooser.choice((counter("a"), counter("b"), counter("b"), WORK, WORK, DOOMED))
            invoke = self.make_invoke(target, uid=f"{number}-{turn}".encode())
            operator = None
            if target is DOOMED:
                operator = asyncio.create_task(self.terminate_later(invoke.id))
            elif self.chooser.random() < 0.3:
                operator = asyncio.create_task(self.pause_later(invoke.id))
            reply = await self.ask(InvokeRequest(1, 0, invoke, True))
            assert isinstance(reply, ResultReply)
            assert reply.result is not None
            self.acknowledged[invoke.id] = reply.result
            self.results.setdefault(target.key or target.handler, []).append(reply.result)
            if operator is not None:
                await operator
            await asyncio.sleep(self.chooser.choice((0.0, 0.001, 0.02)))

    async def terminate_later(self, invocation_id: bytes) -> None:
        await asyncio.sleep(self.chooser.choice((0.005, 0.05)))
        mode = self.chooser.choice((TerminateMode.KILL, TerminateMode.CANCEL))
        reply = await self.ask(TerminateRequest(1, 0, invocation_id, mode))
        assert reply.outcome in ("done", "appended", "not_found", "completed")

    async def pause_later(self, invocation_id: bytes) -> None:
        """An operator stops it for a while; what arrives meanwhile waits."""
        await asyncio.sleep(self.chooser.choice((0.005, 0.05)))
        paused = await self.ask(PauseRequest(1, 0, invocation_id))
        if paused.outcome in ("paused", "pausing"):
            self.pauses += 1
            await asyncio.sleep(self.chooser.choice((0.0, 0.05)))
            resumed = await self.ask(ResumeRequest(1, 0, invocation_id))
            # Its first answer may have been lost.
            assert resumed.outcome in ("done", "running", "resumed", "completed"), resumed.outcome

    # What goes wrong.

    async def watch(self) -> None:
        """Ends, with a sentence, once somebody sleeps whom nothing can wake."""
        while True:
            await asyncio.sleep(1.0)
            self.check_wakers()

    async def demon(self) -> None:
        """Until it is cancelled."""
        choose = self.chooser
        while True:
            await asyncio.sleep(choose.choice((0.005, 0.02, 0.06)))
            index = choose.choice((0, 0, 1))
            node = self.nodes.get(index)
            if node is None:
                self.start(index)
                continue
            match choose.randrange(11 if self.scoped else 10):
                case 0:
                    self.crash(index)
                case 1:
                    self.crash(index, power_loss=True)
                case 2:
                    node.link.lose(committed=choose.choice((0, 1, None)))
                    await asyncio.sleep(choose.choice((0.001, 0.03)))
                    if self.nodes.get(index) is node:
                        node.link.come_back()
                case 3:
                    node.link.lose_appends = 1
                case 4:
                    node.link.refuse_appends = 1
                case 5:
                    self.repeat_a_batch(choose.choice(HOSTED[index]))
                case 6:
                    self.checkpoints |= {number: self.stores[number].copy() for number in HOSTED[index]}
                case 7:
                    self.log.lead(partition_group(choose.choice(HOSTED[index])), node.link, node="node-1")
                case 8:
                    await self.storm(node)
                case 9:
                    self.crash_in_commit = choose.choice((0.0, 0.0, 0.01))
                case 10:
                    self.change_rules()

    def change_rules(self) -> None:
        """An operator does, and metad tells all nodes."""
        choose = self.chooser.choice
        self.rules_version += 1
        self.rules = {
            "works": choose((1, WORKS_MAX)),
            "counters": choose((1, 3, None)),
            "*/a": choose((1, None)),
            "counters/*": choose((1, None)),
            "*/a/x": choose((1, None)),
        }
        for node in self.nodes.values():
            if node is not None:
                node.rules(self.rules_version, self.rules)

    async def storm(self, node: Node) -> None:
        """Short leaderships, one after another: what one has left on its way meets the first batches of the next."""
        for _ in range(6):
            await asyncio.sleep(self.chooser.choice((0.001, 0.003, 0.01)))
            if node.alive and node.link.connected:
                node.link.lose(committed=0)
                node.link.come_back()

    def repeat_a_batch(self, partition: int) -> None:
        """What pysyncobj may do after a change of leader: an old command is committed again."""
        batches = list(self.log.group(partition_group(partition)).batches.values())
        if batches:
            self.log.commit(partition_group(partition), self.chooser.choice(batches[-5:]))

    # The whole.

    async def run(self, *, clients: int, requests: int) -> None:
        """Load with faults, then calm, then every client's view is compared with what is stored."""
        for index in HOSTED:
            self.start(index)
        demon = asyncio.create_task(self.demon())
        load = asyncio.gather(*(self.client(number, requests) for number in range(clients)))
        watch = asyncio.create_task(self.watch())
        await asyncio.wait({load, watch}, return_when=asyncio.FIRST_COMPLETED)
        if watch.done():
            # Whoever waits for what never comes would do so for ever.
            load.cancel()
            demon.cancel()
            await watch
        watch.cancel()
        await load
        demon.cancel()
        self.calm = True
        self.crash_in_commit = 0.0
        for index in HOSTED:
            self.crash(index)
            self.start(index)
        for invocation_id, result in self.acknowledged.items():
            reply = await self.ask(AttachRequest(1, 0, invocation_id, True))
            if result in (CANCELED, KILLED) and not reply.found:
                continue  # It never began.
            assert reply.result == result, f"{invocation_id.hex()} was answered {result!r}, is now {reply.result!r}"
        await self.quiet()

    def counted(self, key: str) -> int:
        """What the state of a counter says."""
        scope = SCOPES["Counter"] if self.scoped else None
        place = target_partition_key(scope, key)
        stored = self.stores[self.table.partition_of(place).id].get(keys.state_key(place, "Counter", key, b"n", scope))
        return int(stored or b"0")

    async def quiet(self) -> None:
        """Until nothing runs, sleeps, or is on its way."""
        pause_s = 0.05
        while any(self._busy(store) for store in self.stores.values()):
            await asyncio.sleep(pause_s)
            pause_s = min(pause_s * 1.2, 10.0)

    def _busy(self, store: CrashyStore) -> bool:
        rows = (values.decode_invocation(value) for _, value in store.scan(keys.INVOCATION, keys.JOURNAL))
        return any(row.result is None for row in rows) or any(True for _ in store.scan(keys.TIMER, keys.DEDUP))


def _id_of(request: Any) -> bytes:
    found: bytes = request.invoke.id if isinstance(request, InvokeRequest) else request.invocation_id
    return found
