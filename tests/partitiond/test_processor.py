"""The loop of one partition: apply, store, only then act; and what a restart makes of a crash in between."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from partitiond.store.memory import MemoryStore
from partitiond.store.rocksdb import RocksStore
from shared.api.log import Committed, Leadership
from shared.api.partition import InvokeReply
from shared.errors import FormatError
from shared.storage.values import InvocationRow, Status
from shared.wal.batch import Batch, encode_batch
from shared.wal.commands import CallEntry, End, FireTimers, InvokerEffects
from tests.fakes.sim_log import KilledError, SimLog
from tests.fakes.sim_loop import LoopClock, simulate
from tests.partitiond.leader.rig import FakePeer, Node, until
from tests.partitiond.machine.fixtures import GREETER, call, invoke, new_id, output, reported

GROUP = "p-0"
HALF = 1 << 63


class Counting(MemoryStore):
    """Knows how often it was committed to."""

    commits = 0

    def commit(self, writes: Mapping[bytes, bytes | None]) -> None:
        self.commits += 1
        super().commit(writes)


class FragileRocks(RocksStore):
    """Kills its process around one commit: "before" it, or "after" it, when no action was carried out yet."""

    node: Node | None = None
    when: str | None = None

    def commit(self, writes: Mapping[bytes, bytes | None]) -> None:
        when, self.when = self.when, None
        if when != "before":
            super().commit(writes)
        if when is not None:
            assert self.node is not None
            self.node.crash()
            raise KilledError


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_crash_around_a_commit_loses_neither_rows_nor_actions(tmp_path: Path, when: str) -> None:
    """kill -9 between the store's commit and the actions: the successor finds in the store what was to be done."""

    async def scenario() -> None:
        log = SimLog()
        store = FragileRocks(tmp_path)
        stores = {0: store}
        first = await Node(log, partitions=2, hosted=[0], stores=stores).follow().leading()
        store.node = first
        caller, callee, scheduled, other = new_id(place=1), new_id(place=HALF), new_id(place=2), new_id(place=3)
        peer = FakePeer()
        first.invoke(peer, invoke(caller))
        await until(lambda: first.invoker.started)
        applied = first.processor.applied_lsn
        store.when = when
        effect: CallEntry = call(caller, GREETER, invoke(callee), id_completion=1, completion=2)
        first.leader.propose(reported(first.row(caller), caller, effect))
        first.invoke(peer, invoke(scheduled, start_at_ms=first.clock.now_ms() + 5), wait=False)
        send = first.invoke(peer, invoke(other), wait=False)
        await until(lambda: not first.alive)
        assert first.invoker.started == [caller]
        assert send not in peer.replies or not isinstance(peer.only(send), InvokeReply)
        store.close()

        reopened = RocksStore(tmp_path)
        meta = reopened.meta()
        assert meta is not None
        assert meta.applied_lsn == applied + (when == "after")
        second = Node(log, partitions=2, stores={0: reopened, 1: MemoryStore()}).follow()
        await until(lambda: len(second.invoker.started) == 4)
        assert set(second.invoker.started) == {caller, callee, scheduled, other}
        await until(lambda: second.outbox(0) == [])
        reopened.close()

    simulate(scenario())


def test_replay_from_any_point_gives_the_same_store(tmp_path: Path) -> None:
    """A power loss brings the store back at an earlier LSN; the log brings the rest, in commits of other sizes."""

    async def scenario() -> None:
        log = SimLog()
        node = await Node(log).follow().leading()
        peer = FakePeer()
        for number in range(20):
            a = new_id()
            node.invoke(peer, invoke(a))
            await _until_status(node, a, Status.INVOKED)
            if number % 3:
                node.leader.propose(reported(node.row(a), a, output(), End()))
                await _until_status(node, a, Status.COMPLETED)
        wanted = node.store.digest()
        node.crash()
        lsns = list(log.group(GROUP).batches)
        tail = lsns[-1]
        for cut in (0, 1, 7, len(lsns) - 1, len(lsns)):
            store = RocksStore(tmp_path / str(cut))
            partial = Node(SimLog(), stores={0: store})
            batches = [Committed(GROUP, lsn, tail, payload) for lsn, payload in log.group(GROUP).batches.items()]
            for message in batches[:cut]:
                partial.processor.on_committed([message])
            store.close()
            store = RocksStore(tmp_path / str(cut))
            follower = Node(log, stores={0: store}).follow(leads=False)
            await _until_applied(follower, tail)
            assert store.digest() == wanted
            follower.crash()
            store.close()

    simulate(scenario())


async def _until_status(node: Node, invocation_id: bytes, status: Status) -> None:
    await until(lambda: getattr(node.row(invocation_id), "status", None) is status)


async def _until_applied(node: Node, lsn: int) -> None:
    await until(lambda: node.processor.applied_lsn == lsn)


def test_rows_are_stored_before_anything_is_done() -> None:
    """Whatever an action reads, it finds: the attempt that starts reads its journal from the store."""

    async def scenario() -> None:
        node = await Node(SimLog()).follow().leading()
        seen: list[object] = []
        start = node.invoker.start

        def look_and_start(host: Any, invocation_id: bytes, row: InvocationRow, input: bytes | None = None) -> None:
            seen.append(node.row(invocation_id))
            start(host, invocation_id, row, input)

        node.invoker.start = look_and_start
        a = new_id()
        node.invoke(FakePeer(), invoke(a))
        await until(lambda: node.invoker.started == [a])
        assert seen == [node.row(a)]

    simulate(scenario())


def test_batches_that_arrive_together_are_one_commit() -> None:
    async def scenario() -> None:
        store = Counting()
        log = SimLog()
        for number in range(100):
            log.commit(GROUP, encode_batch(Batch(9, number, 1, [FireTimers(1)])))
        node = Node(log, stores={0: store}).follow(leads=False)
        await until(lambda: node.processor.applied_lsn == 101)
        assert store.commits == 1

    simulate(scenario())


def test_services_begin_with_the_first_of_many_while_the_others_are_applied() -> None:
    async def scenario() -> None:
        class Watching(MemoryStore):
            def commit(self, writes: Mapping[bytes, bytes | None]) -> None:
                begun.append(len(node.invoker.started))
                assert len(node.invoker.calls) == node.invoker.written
                super().commit(writes)

        begun: list[int] = []
        node = Node(SimLog(), stores={0: Watching()})
        await node.follow().leading()
        node.link.hold_appends = True
        for _ in range(6):
            for _ in range(100):
                node.invoke(FakePeer(), invoke(new_id()))
            await asyncio.sleep(0)
        begun.clear()
        node.link.release(now=True)
        await until(lambda: len(node.invoker.started) == 600)
        assert begun[0] == 0
        steps = [after - before for before, after in zip(begun, [*begun[1:], 600], strict=True)]
        assert len(steps) > 1, "all are stored before any begins"
        assert min(steps) >= 100, "each batch is a commit"

    simulate(scenario())


def test_a_replay_is_not_cut_by_what_nobody_does() -> None:
    async def scenario() -> None:
        store, log = Counting(), SimLog()
        leading = await Node(log).follow().leading()
        for _ in range(600):
            leading.invoke(FakePeer(), invoke(new_id()))
        await until(lambda: len(leading.invoker.started) == 600)
        node = Node(log, stores={0: store}).follow(leads=False)
        await until(lambda: node.processor.applied_lsn == leading.processor.applied_lsn)
        assert store.commits == 1

    simulate(scenario())


def test_what_a_commit_asks_of_services_is_written_before_the_next_one() -> None:
    """Services begin with it while the next commit is made, not behind all commits of a turn."""

    async def scenario() -> None:
        class Watching(MemoryStore):
            unwritten = 0

            def commit(self, writes: Mapping[bytes, bytes | None]) -> None:
                self.unwritten = max(self.unwritten, len(node.invoker.calls) - node.invoker.written)
                super().commit(writes)

        store = Watching()
        node = Node(SimLog(), stores={0: store})
        await node.follow().leading()
        ids = [new_id(place=place) for place in (1, 2)]
        for invocation_id in ids:
            node.invoke(FakePeer(), invoke(invocation_id))
            await until(lambda wanted=invocation_id: wanted in node.invoker.started)
        assert store.unwritten == 0

    simulate(scenario())


def test_an_attempt_that_ended_within_the_same_commit_is_not_started() -> None:
    """A worker that was away for a second gets the start and the end of an invocation in one piece."""

    async def scenario() -> None:
        node = await Node(SimLog()).follow().leading()
        peer = FakePeer()
        a = new_id()
        node.link.hold_appends = True
        request = node.invoke(peer, invoke(a))
        await asyncio.sleep(0)
        lsn = node.log.group(GROUP).next_lsn
        node.link.release(now=True)
        # As if the leader had proposed this next: the generation follows from the LSN of the first.
        row = node.row(a)
        assert row is None
        effects = InvokerEffects(a, lsn + 1, [output(b'"quick"'), End()])
        node.log.commit(GROUP, encode_batch(Batch(node.leader.epoch, 2, 1, [effects])))
        await until(lambda: peer.replies[request])
        assert peer.only(request).result == b'"quick"'
        assert node.invoker.started == []

    simulate(scenario())


@pytest.mark.parametrize(
    ("payload", "text"),
    [(b"", "it is empty"), (b"\x01\x93", "unreadable batch")],
)
def test_a_record_that_cannot_be_read_stops_the_partition(payload: bytes, text: str) -> None:
    """It alone, not the others of its worker; what comes behind the record is not applied either."""

    async def scenario() -> None:
        node = await Node(SimLog()).follow().leading()
        digest = node.store.digest()
        good = encode_batch(Batch(node.leader.epoch, 1, 1, []))
        node.processor.on_committed([Committed(GROUP, 9, 10, payload), Committed(GROUP, 10, 10, good)])
        assert node.store.digest() == digest
        assert re.search(f"lsn=9 of {GROUP} cannot be read: .*{text}", node.processor.damaged or "")
        node.processor.on_committed([Committed(GROUP, 10, 10, good)])
        node.processor.on_leadership(Leadership(GROUP, 2, True, "node-1"))
        assert node.store.digest() == digest
        assert not node.processor.status().ready

    simulate(scenario())


def test_a_record_of_a_newer_build_ends_the_worker() -> None:
    """Nothing is damaged: the operator goes back to the newer build, or restores a snapshot."""

    async def scenario() -> None:
        node = await Node(SimLog()).follow().leading()
        digest = node.store.digest()
        with pytest.raises(FormatError, match=f"{GROUP} lsn=9: .*format version 255.*newer build"):
            node.processor.on_committed([Committed(GROUP, 9, 9, b"\xff\x90")])
        assert node.store.digest() == digest

    simulate(scenario())


def test_the_status_tells_how_far_it_is() -> None:
    async def scenario() -> None:
        node = Node(SimLog())
        status = node.processor.status()
        assert (status.ready, status.epoch, status.applied_lsn, status.tail_lsn) == (False, 0, 0, 0)
        await node.follow().leading()
        peer = FakePeer()
        node.invoke(peer, invoke(new_id()))
        await until(lambda: node.invoker.started)
        status = node.processor.status()
        assert (status.ready, status.epoch, status.applied_lsn, status.tail_lsn) == (True, 2, 3, 3)
        assert (status.inflight, status.durable_lsn) == (1, 0)
        node.link.lose()
        assert node.processor.status().ready is False

    simulate(scenario())


def test_close_tells_who_waits_and_closes_the_store() -> None:
    async def scenario() -> None:
        node = await Node(SimLog(), clock=LoopClock()).follow().leading()
        peer = FakePeer()
        request = node.invoke(peer, invoke(new_id()))
        await until(lambda: node.invoker.started)
        await node.processor.close()
        assert peer.only(request).message == "the worker ends"
        assert not node.leader.leading

    simulate(scenario())
