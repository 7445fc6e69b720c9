"""Messages between partitions: in order, one delivery at a time, exactly once, whoever dies in between."""

from __future__ import annotations

import asyncio
import random
from collections import defaultdict

import pytest

from partitiond.leader.outbox import Outbox
from partitiond.machine.actions import Action, InvocationStored
from partitiond.machine.apply import apply, initial_meta
from partitiond.machine.txn import Txn
from partitiond.store.memory import MemoryStore
from shared.errors import UnavailableError
from shared.protocol.message_types import MessageType
from shared.storage import keys
from shared.storage.values import JournalRow, OutboxRow, decode_journal
from shared.wal.batch import Batch, decode_batch, encode_batch
from shared.wal.commands import (
    Command,
    Deliver,
    Invoke,
    InvokeMessage,
    KillMessage,
    OutboxMessage,
    TruncateOutbox,
)
from tests.fakes.sim_log import SimLog
from tests.fakes.sim_loop import SimLoop, simulate
from tests.partitiond.leader.rig import FakePeer, Node, until
from tests.partitiond.machine.fixtures import GREETER, invoke, new_id, one_way_call, reported

HALF = 1 << 63


def row(number: int, place: int = 0, *, size: int = 0) -> OutboxRow:
    message: OutboxMessage = KillMessage(number.to_bytes(24, "big"))
    if size:
        message = InvokeMessage(invoke(number.to_bytes(24, "big"), payload=b"x" * size))
    return OutboxRow(place, message)


class Bench:
    """An outbox; the test says how each delivery goes."""

    def __init__(self) -> None:
        self.deliveries: list[tuple[int, list[int]]] = []
        self.times: list[float] = []
        self.sent: list[list[tuple[int, OutboxMessage]]] = []
        self.proposed: list[Command] = []
        self.fail_times = 0
        self.error: Exception = UnavailableError("away")
        self.in_flight: dict[int, int] = defaultdict(int)
        self.seconds = 0.1
        #: What the store would have, and which of it was read.
        self.stored: dict[int, OutboxMessage] = {}
        self.read: list[int] = []
        self.outbox = Outbox(lambda key: 0 if key < HALF else 1, self._deliver, self.proposed.append, self._read)

    def _read(self, seq: int) -> OutboxMessage:
        self.read.append(seq)
        return self.stored[seq]

    async def _deliver(self, receiver: int, messages: list[tuple[int, OutboxMessage]]) -> None:
        self.deliveries.append((receiver, [seq for seq, _ in messages]))
        self.times.append(asyncio.get_running_loop().time())
        self.sent.append(messages)
        self.in_flight[receiver] += 1
        assert self.in_flight[receiver] == 1
        try:
            await asyncio.sleep(self.seconds)
            if self.fail_times:
                self.fail_times -= 1
                raise self.error
        finally:
            self.in_flight[receiver] -= 1


def test_one_delivery_is_in_flight_and_the_next_takes_what_gathered() -> None:
    async def scenario() -> None:
        bench = Bench()
        bench.outbox.send(1, row(1))
        await asyncio.sleep(0.05)
        for seq in (2, 3, 4):
            bench.outbox.send(seq, row(seq))
        await asyncio.sleep(1)
        assert bench.deliveries == [(0, [1]), (0, [2, 3, 4])]
        assert bench.proposed == [TruncateOutbox([1]), TruncateOutbox([2, 3, 4])]
        bench.outbox.send(5, row(5))
        await asyncio.sleep(1)
        assert bench.deliveries[2:] == [(0, [5])]

    simulate(scenario())


def test_what_waits_beyond_some_megabytes_stays_in_the_store() -> None:
    """The receiver is away for an hour, and a busy sender must not run out of memory meanwhile."""

    async def scenario() -> None:
        bench = Bench()
        for seq in range(1, 21):
            large = row(seq, size=1_000_000)
            bench.stored[seq] = large.message
            bench.outbox.send(seq, large)
        await asyncio.sleep(10)
        assert bench.read
        assert set(bench.read) <= set(range(8, 21))
        sent = [each for messages in bench.sent for each in messages]
        assert sent == sorted(bench.stored.items())
        bench.outbox.send(21, row(21))
        await asyncio.sleep(1)
        assert 21 not in bench.read, "there is room again"

    simulate(scenario())


def test_receivers_do_not_wait_for_one_another() -> None:
    async def scenario() -> None:
        bench = Bench()
        for seq in range(1, 7):
            bench.outbox.send(seq, row(seq, place=HALF * (seq % 2)))
        await asyncio.sleep(0.15)
        assert sorted(bench.deliveries) == [(0, [2, 4, 6]), (1, [1, 3, 5])]

    simulate(scenario())


def test_a_failed_delivery_is_tried_again_later_and_later_in_the_same_order() -> None:
    async def scenario() -> None:
        bench = Bench()
        bench.seconds = 0
        bench.fail_times = 8
        bench.outbox.send(1, row(1))
        bench.outbox.send(2, row(2))
        await until(lambda: bench.proposed)
        assert bench.deliveries[0] == (0, [1, 2])
        assert set(map(str, bench.deliveries)) == {"(0, [1, 2])"}
        gaps = [round(b - a, 2) for a, b in zip(bench.times, bench.times[1:], strict=False)]
        assert gaps == [0.05, 0.1, 0.2, 0.4, 0.8, 1.0, 1.0, 1.0]
        assert bench.proposed == [TruncateOutbox([1, 2])]

    simulate(scenario())


def test_after_a_stop_nothing_is_sent_or_truncated() -> None:
    async def scenario() -> None:
        bench = Bench()
        bench.outbox.send(1, row(1))
        await asyncio.sleep(0.05)
        bench.outbox.stop()
        await asyncio.sleep(5)
        assert not bench.proposed
        # The next leadership of this very node, in the same turn as the stop.
        bench.outbox.send(1, row(1))
        bench.outbox.stop()
        bench.outbox.send(1, row(1))
        await asyncio.sleep(5)
        assert bench.deliveries == [(0, [1]), (0, [1])]
        assert bench.proposed == [TruncateOutbox([1])]

    simulate(scenario())


def test_a_delivery_fits_a_record_however_large_its_messages_are() -> None:
    """A fan-out of large calls: 256 of them in one record would be refused by the receiver's log, for ever."""

    async def scenario() -> None:
        bench = Bench()
        sizes = [400_000] * 5 + [3_000_000, 10] + [1000] * 600
        for seq, size in enumerate(sizes, 1):
            bench.outbox.send(seq, row(seq, size=size))
        await asyncio.sleep(30)
        assert [seq for _, seqs in bench.deliveries for seq in seqs] == list(range(1, len(sizes) + 1))
        assert max(len(seqs) for _, seqs in bench.deliveries) == 256
        for messages in bench.sent:
            record = encode_batch_of(Deliver(0, messages))
            assert len(messages) == 1 or len(record) <= 1024 * 1024

    simulate(scenario())


def encode_batch_of(command: Command) -> bytes:
    return encode_batch(Batch(1, 1, 1, [command]))


def test_an_unexpected_failure_of_a_delivery_is_not_passed_over_in_silence() -> None:
    """A bug would stop all messages to one receiver for good, and nobody would know."""

    async def scenario() -> None:
        bench = Bench()
        bench.fail_times, bench.error = 1, TypeError("unexpected reply")
        bench.outbox.send(1, row(1))
        await asyncio.sleep(1)
        loop = asyncio.get_running_loop()
        assert isinstance(loop, SimLoop)
        assert [type(error) for error in loop.failures] == [TypeError]
        loop.failures.clear()

    simulate(scenario())


class Pair:
    """Two nodes with a partition each, over one log; either is killed and comes back at random."""

    def __init__(self, chooser: random.Random) -> None:
        self.chooser = chooser
        self.log = SimLog(delay=lambda: chooser.choice((0.0, 0.001, 0.02)))
        self.stores: list[dict[int, object]] = [{}, {}]
        self.nodes: list[Node | None] = [None, None]

    def start(self, index: int) -> Node:
        node = Node(self.log, partitions=2, hosted=[index], stores=self.stores[index], others=self.nodes.__getitem__)
        self.nodes[index] = node.follow()
        return node

    def crash(self, index: int) -> None:
        node = self.nodes[index]
        if node is not None:
            node.crash(committed=self.chooser.choice((0, 1, 2, None)))
            self.nodes[index] = None


@pytest.mark.parametrize("seed", range(12))
def test_each_message_is_taken_once_and_in_order_while_both_sides_crash(seed: int) -> None:
    """An object's mailbox: a sender on the left sends numbered one-way calls to one key on the right and back."""
    chooser = random.Random(seed)

    async def scenario() -> None:
        pair = Pair(chooser)
        for index in (0, 1):
            await pair.start(index).leading()
        senders = [new_id(place=1), new_id(place=HALF + 1)]
        callees: list[list[bytes]] = [[], []]
        peer = FakePeer()
        for index in (0, 1):
            pair.nodes[index].invoke(peer, invoke(senders[index]))  # type: ignore[union-attr]
        await until(lambda: all(_stored(pair, index, senders[index]) for index in (0, 1)))
        for _ in range(60):
            index = chooser.randrange(2)
            node = pair.nodes[index]
            if node is not None and node.leaders[0].leading:
                callee = new_id(place=HALF * (1 - index) + 7)
                entry = one_way_call(senders[index], GREETER, invoke(callee), id_completion=len(callees[index]) + 1)
                node.leaders[0].propose(reported(node.row(senders[index]), senders[index], entry))
                callees[index].append(callee)
            await asyncio.sleep(chooser.choice((0.0, 0.001, 0.03)))
            if chooser.random() < 0.15:
                victim = chooser.randrange(2)
                pair.crash(victim)
                await asyncio.sleep(chooser.choice((0.0, 0.01, 0.5)))
                if pair.nodes[victim] is None:
                    pair.start(victim)
        await until(lambda: all(node is not None and not node.outbox(i) for i, node in enumerate(pair.nodes)))
        for index in (0, 1):
            _check(pair, index, senders[index], callees[index])

    simulate(scenario())


def _stored(pair: Pair, index: int, invocation_id: bytes) -> bool:
    return pair.nodes[index].row(invocation_id) is not None  # type: ignore[union-attr]


def _check(pair: Pair, sender: int, sender_id: bytes, proposed: list[bytes]) -> None:
    """What the sender's journal holds has arrived, in that order, once; what it does not hold has not."""
    journal = _journal(pair, sender, sender_id)
    journaled = [entry.callee_id for entry in journal if entry.entry_type == MessageType.ONE_WAY_CALL]
    assert [i for i in proposed if i in journaled] == journaled
    receiver = 1 - sender
    store = pair.stores[receiver][receiver]
    arrived = [i for i in proposed if store.get(keys.invocation_key(i)) is not None]  # type: ignore[attr-defined]
    assert arrived == journaled
    node = pair.nodes[receiver]
    assert node is not None
    assert _taken(node, receiver) == journaled


def _taken(node: Node, partition_id: int) -> list[bytes]:
    """Ids of the invocations that messages asked for, in order, repetitions too, by a replay of the whole log."""
    store, meta = MemoryStore(), initial_meta(partition_id, *bounds(partition_id))
    order: list[bytes] = []
    for lsn, payload in node.log.group(f"p-{partition_id}").batches.items():
        actions: list[Action] = []
        txn = Txn(store, meta)
        apply(txn, lsn, decode_batch(payload), actions)
        store.commit(txn.finish())
        order += [action.id for action in actions if isinstance(action, InvocationStored)]
    return order[1:]  # The first is the sender of the other direction.


def bounds(partition_id: int) -> tuple[int, int]:
    return (0, HALF - 1) if partition_id == 0 else (HALF, 2 * HALF - 1)


def _journal(pair: Pair, index: int, invocation_id: bytes) -> list[JournalRow]:
    prefix = keys.journal_prefix(invocation_id)
    store = pair.stores[index][index]
    return [decode_journal(value) for _, value in store.scan(prefix, keys.prefix_end(prefix))]  # type: ignore[attr-defined]


def test_messages_within_one_node_need_no_socket() -> None:
    async def scenario() -> None:
        node = await Node(SimLog(), partitions=2).follow().leading()
        peer = FakePeer()
        caller = new_id(place=1)
        callees: list[Invoke] = [invoke(new_id(place=HALF + i)) for i in range(5)]
        node.invoke(peer, invoke(caller))
        await until(lambda: node.invoker.started)
        for number, callee in enumerate(callees, 1):
            effect = one_way_call(caller, GREETER, callee, id_completion=number)
            node.leaders[0].propose(reported(node.row(caller), caller, effect))
        await until(lambda: len(node.invoker.started) == 6)
        assert node.invoker.started[1:] == [callee.id for callee in callees]
        await until(lambda: node.outbox(0) == [])

    simulate(scenario())
