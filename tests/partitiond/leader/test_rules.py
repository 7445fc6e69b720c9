"""The rule book on its way from the catalog to the partition."""

from __future__ import annotations

from msgspec.structs import replace

from shared.storage.values import Status
from shared.wal.commands import End, SetRules, Yield
from tests.fakes.sim_log import SimLog
from tests.fakes.sim_loop import simulate
from tests.partitiond.leader.rig import FakePeer, Node, until
from tests.partitiond.machine.fixtures import GREETER, invoke, new_id, output, reported

SCOPED = replace(GREETER, scope="s")


def books(node: Node) -> list[SetRules]:
    return [command for batch in node.batches() for command in batch.commands if isinstance(command, SetRules)]


def test_a_leader_brings_a_newer_book_to_the_log_once() -> None:
    async def scenario() -> None:
        node = Node(SimLog()).follow()
        node.rules(3, {"s": 1})
        await node.leading()
        await until(lambda: books(node))
        node.rules(3, {"s": 1})
        node.rules(2, {"s": 9})
        node.rules(4, {"s": 2, "t": 1}, disabled=("t",))
        await until(lambda: len(books(node)) == 2)
        assert books(node) == [SetRules(3, [("s", 1)]), SetRules(4, [("s", 2)])]

    simulate(scenario())


def test_what_is_proposed_behind_a_book_is_held_to_it() -> None:
    async def scenario() -> None:
        node = await Node(SimLog()).follow().leading()
        peer = FakePeer()
        ids = [new_id(SCOPED) for _ in range(2)]
        node.rules(1, {"s": 1})
        for each in ids:
            node.invoke(peer, invoke(each, SCOPED))
        await until(lambda: node.row(ids[1]) is not None)
        assert node.invoker.started == ids[:1]

    simulate(scenario())


def test_a_new_leader_knows_the_book_and_proposes_a_newer_one_only() -> None:
    async def scenario() -> None:
        log = SimLog()
        first = await Node(log).follow().leading()
        first.rules(1, {"s": 1})
        await until(lambda: books(first))
        first.crash()
        second = Node(log, stores=first.stores)
        second.rules(1, {"s": 1})
        await second.follow().leading()
        third = Node(log, stores=first.stores)
        second.crash()
        third.rules(2, {})
        await third.follow().leading()
        await until(lambda: len(books(third)) == 2)
        assert books(third) == [SetRules(1, [("s", 1)]), SetRules(2, [])]

    simulate(scenario())


def test_a_new_leader_starts_who_has_a_permit_and_finds_who_waits_for_one_or_for_the_next_attempt() -> None:
    async def scenario() -> None:
        log = SimLog()
        first = await Node(log).follow().leading()
        first.rules(1, {"s": 1})
        peer = FakePeer()
        put_off, running, waiting = (new_id(SCOPED) for _ in range(3))
        first.invoke(peer, invoke(put_off, SCOPED))
        await until(lambda: first.invoker.started)
        due = first.clock.now_ms() + 5000
        first.leader.propose(reported(first.row(put_off), put_off, Yield(due)))
        first.invoke(peer, invoke(running, SCOPED))
        first.invoke(peer, invoke(waiting, SCOPED))
        await until(lambda: first.row(waiting) is not None)
        first.crash()
        second = await Node(log, stores=first.stores).follow().leading()
        assert second.invoker.started == [running]
        await until(lambda: second.row(put_off).queue_seq)  # type: ignore[union-attr]
        assert second.clock.now_ms() >= due
        second.leader.propose(reported(second.row(running), running, output(), End()))
        await until(lambda: len(second.invoker.started) == 2)
        assert second.invoker.started[1] == put_off
        assert second.row(waiting).status is Status.INBOXED  # type: ignore[union-attr]

    simulate(scenario())
