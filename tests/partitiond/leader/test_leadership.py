"""Who leads, from when on, and what becomes of what is under way when it ends."""

from __future__ import annotations

import asyncio

import pytest

from partitiond.leader.leader import Role
from partitiond.machine.apply import initial_meta
from shared.api.log import LogError
from shared.api.partition import DeliverRequest, InvokeReply, Moved, PauseRequest, ResultReply, ResumeRequest
from shared.storage.values import Status
from shared.wal.batch import Batch, encode_batch
from shared.wal.commands import (
    AnnounceLeader,
    CallEntry,
    CompletionMessage,
    End,
    InvokerEffects,
    Suspend,
    Terminate,
    TerminateMode,
)
from tests.fakes.sim_log import SimLog
from tests.fakes.sim_loop import simulate
from tests.partitiond.leader.rig import FakePeer, Node, until
from tests.partitiond.machine.fixtures import ALL_KEYS, GREETER, call, invoke, new_id, output, reported, sleep

GROUP = "p-0"


def announcement(uid: bytes) -> bytes:
    return encode_batch(Batch(0, 0, 1, [AnnounceLeader(uid, "node-2", *ALL_KEYS)]))


async def leading_node(**options: object) -> Node:
    return await Node(SimLog(), **options).follow().leading()  # type: ignore[arg-type]


def test_nothing_is_proposed_before_the_own_announcement_is_applied() -> None:
    async def scenario() -> None:
        node = Node(SimLog(delay=lambda: 0.05))
        node.follow()
        peer = FakePeer()
        early = node.invoke(peer, invoke(new_id()))
        assert isinstance(peer.only(early), Moved)
        await asyncio.sleep(0.04)
        assert node.leader.role is Role.ANNOUNCING
        assert len(node.link.appended) == 1
        await node.leading()
        assert node.leader.epoch == node.batches()[0].epoch + node.log.group(GROUP).tail_lsn
        late = node.invoke(peer, invoke(new_id()), wait=False)
        await until(lambda: peer.replies[late])
        assert [(b.epoch, b.seq) for b in node.batches()] == [(0, 0), (node.leader.epoch, 1)]

    simulate(scenario())


def test_a_follower_applies_but_starts_nothing() -> None:
    async def scenario() -> None:
        log = SimLog()
        leader = await Node(log).follow().leading()
        follower = Node(log).follow(leads=False)
        peer = FakePeer()
        a = new_id()
        leader.invoke(peer, invoke(a))
        await until(lambda: follower.row(a) is not None)
        assert leader.invoker.started == [a]
        assert follower.invoker.calls == []
        assert isinstance(_last(follower.invoke(peer, invoke(new_id())), peer), Moved)

    simulate(scenario())


def _last(request_id: int, peer: FakePeer) -> object:
    return peer.replies[request_id][-1]


def test_a_new_leader_starts_what_runs_and_nothing_else() -> None:
    async def scenario() -> None:
        log = SimLog()
        first = await Node(log).follow().leading()
        running, done, sleeping, scheduled = (new_id() for _ in range(4))
        peer = FakePeer()
        for invocation_id in (running, done, sleeping):
            first.invoke(peer, invoke(invocation_id))
        first.invoke(peer, invoke(scheduled, start_at_ms=first.clock.now_ms() + 3_600_000))
        await until(lambda: len(first.invoker.started) == 3)
        first.leader.propose(reported(first.row(done), done, output(), End()))
        first.leader.propose(reported(first.row(sleeping), sleeping, sleep(1 << 50, 1), Suspend([1], [], [])))
        await until(lambda: (first.row(sleeping) or first.row(done)).status is Status.SUSPENDED)  # type: ignore[union-attr]
        first.crash()
        second = await Node(log, stores=first.stores).follow().leading()
        assert second.invoker.started == [running]
        assert second.row(scheduled).status is Status.SCHEDULED  # type: ignore[union-attr]

    simulate(scenario())


async def _every_request(node: Node, peer: FakePeer) -> list[int]:
    """One of each kind, all waiting for their answer."""
    running = new_id()
    node.invoke(peer, invoke(running))
    await until(lambda: node.row(running) is not None)
    node.link.hold_appends = True
    pause, resume = PauseRequest(901, 0, running), ResumeRequest(902, 0, running)
    node.handle(peer, pause)
    node.handle(peer, resume)
    deliver = DeliverRequest(900, 0, 7, [(1, CompletionMessage(running, 1, 0x800D, b"1"))])
    node.handle(peer, deliver)
    return [
        node.invoke(peer, invoke(new_id())),
        node.invoke(peer, invoke(new_id()), wait=False),
        node.attach(peer, running),
        node.awakeable(peer, running, 17, b"1"),
        node.terminate(peer, running, TerminateMode.CANCEL),
        deliver.request_id,
        pause.request_id,
        resume.request_id,
    ]


@pytest.mark.parametrize("how", ["log lost", "another leads", "append refused", "another announces", "drain"])
def test_each_pending_request_gets_exactly_one_reply_when_leadership_ends(how: str) -> None:
    async def scenario() -> None:
        node = await leading_node()
        peer = FakePeer()
        requests = await _every_request(node, peer)
        match how:
            case "log lost":
                node.link.lose()
            case "another leads":
                node.log.lead(GROUP, None, node="node-2")
            case "append refused":
                node.processor.on_append_failed(LogError(1, "not_leader", "gone"))
            case "another announces":
                node.log.commit(GROUP, announcement(b"another"))
            case "drain":
                node.leader.step_down("the worker ends")
        await until(lambda: all(peer.replies[request] for request in requests))
        assert [type(peer.only(request)) for request in requests] == [Moved] * len(requests)
        assert ("abort_all", b"", 0) in node.invoker.calls
        # What was held is committed by the log after all: nobody is answered twice.
        node.link.release()
        await asyncio.sleep(1)
        assert all(len(replies) == 1 for replies in peer.replies.values())

    simulate(scenario())


def test_after_the_log_came_back_the_node_leads_again_and_finds_what_was_committed() -> None:
    async def scenario() -> None:
        node = await leading_node()
        peer = FakePeer()
        a, b = new_id(), new_id()
        node.link.log.delay = lambda: 1.0
        node.invoke(peer, invoke(a))
        await asyncio.sleep(0.1)
        node.invoke(peer, invoke(b))
        await asyncio.sleep(0.1)
        node.link.lose(committed=1)
        assert not node.leader.leading
        await asyncio.sleep(5)
        node.link.come_back()
        await node.leading()
        assert node.row(a) is not None
        assert node.row(b) is None
        assert node.invoker.started == [a]

    simulate(scenario())


def test_effects_of_an_old_epoch_change_nothing() -> None:
    """An attempt's last words are on their way to logd while another leader's announcement is committed."""

    async def scenario() -> None:
        node = await leading_node()
        peer = FakePeer()
        a = new_id()
        node.invoke(peer, invoke(a))
        await until(lambda: node.invoker.started)
        node.link.hold_appends = True
        node.leader.propose(reported(node.row(a), a, output(b'"stale"'), End()))
        await asyncio.sleep(0)
        node.log.commit(GROUP, announcement(b"another"))
        await until(lambda: node.leader.role is Role.ANNOUNCING)
        node.link.release()
        await node.leading()
        assert node.row(a).status is Status.INVOKED  # type: ignore[union-attr]
        assert node.invoker.started == [a, a]

    simulate(scenario())


def test_a_batch_of_another_epoch_is_fenced_even_if_its_sequence_would_fit() -> None:
    async def scenario() -> None:
        node = await leading_node()
        peer = FakePeer()
        a = new_id()
        node.invoke(peer, invoke(a))
        await until(lambda: node.invoker.started)
        epoch, row = node.leader.epoch, node.row(a)
        node.log.lead(GROUP, node.link, node="node-1")
        await until(lambda: node.leader.leading and node.leader.epoch > epoch)
        stale = reported(row, a, output(b'"stale"'), End())
        node.log.commit(GROUP, encode_batch(Batch(epoch, 1, 1, [stale])))
        await asyncio.sleep(1)
        assert node.row(a).status is Status.INVOKED  # type: ignore[union-attr]

    simulate(scenario())


def test_nothing_volatile_goes_on_after_a_step_down() -> None:
    async def scenario() -> None:
        half = 1 << 63
        node = await Node(SimLog(), partitions=2, hosted=[0], cleanup_interval_s=1).follow().leading()
        peer = FakePeer()
        caller = new_id(place=1)
        node.invoke(peer, invoke(caller))
        node.invoke(peer, invoke(new_id(place=2), start_at_ms=node.clock.now_ms() + 1000))
        await until(lambda: node.invoker.started)
        effect = call(caller, GREETER, invoke(new_id(place=half + 1)), id_completion=1, completion=2)
        node.leader.propose(reported(node.row(caller), caller, effect))
        await until(lambda: node.outbox(0) == [1])
        others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        assert {task.get_name() for task in others} == {"cleaner", "outbox-to-1"}
        node.link.lose()
        await asyncio.sleep(0.01)
        assert all(task.done() for task in others)
        assert node.leader.timers._alarm is None

    simulate(scenario())


def test_an_effect_after_step_down_is_dropped() -> None:
    async def scenario() -> None:
        node = await leading_node()
        node.link.lose()
        node.leader.propose(InvokerEffects(new_id(), 1, [End()]))
        node.leader.when_applied(lambda: pytest.fail("called back without leadership"))
        await asyncio.sleep(1)
        assert len(node.batches()) == 1

    simulate(scenario())


def test_a_batch_lost_in_the_middle_ends_the_epoch_and_loses_nothing_acknowledged() -> None:
    """The log drops one append without a word: what follows it is fenced, and the leader announces itself anew."""

    async def scenario() -> None:
        node = await leading_node()
        peer = FakePeer()
        first, lost, third, later = (new_id() for _ in range(4))
        epoch = node.leader.epoch
        acknowledged = node.invoke(peer, invoke(first), wait=False)
        await until(lambda: peer.replies[acknowledged])
        node.link.lose_appends = 1
        request_lost = node.invoke(peer, invoke(lost), wait=False)
        await asyncio.sleep(0.01)
        request_fenced = node.invoke(peer, invoke(third), wait=False)
        await until(lambda: peer.replies[request_fenced])
        assert isinstance(peer.only(request_lost), Moved)
        assert isinstance(peer.only(request_fenced), Moved)
        await node.leading()
        assert node.leader.epoch > epoch
        assert [node.row(i) is not None for i in (first, lost, third)] == [True, False, False]
        again = node.invoke(peer, invoke(later), wait=False)
        await until(lambda: peer.replies[again])
        assert peer.only(again) == InvokeReply(again, True, 0)
        assert isinstance(peer.only(acknowledged), InvokeReply)

    simulate(scenario())


def test_a_batch_that_the_log_repeats_is_applied_once() -> None:
    async def scenario() -> None:
        node = await leading_node()
        peer = FakePeer()
        a = new_id()
        request = node.invoke(peer, invoke(a), wait=False)
        await until(lambda: peer.replies[request])
        node.log.commit(GROUP, node.link.appended[-1][1])
        await node.leading()
        assert isinstance(peer.only(request), InvokeReply)
        row = node.row(a)
        assert row is not None
        assert row.generation == row.born_lsn + 1

    simulate(scenario())


def test_a_foreign_announcement_in_the_same_commit_as_the_own_is_answered_by_a_new_one() -> None:
    """An old append of another leader is committed right behind our announcement: both arrive in one piece."""

    async def scenario() -> None:
        node = Node(SimLog())
        node.link.hold_appends = True
        node.follow()
        node.link.release(now=True)
        node.log.commit(GROUP, announcement(b"another"))
        await node.leading()

    simulate(scenario())


def test_what_another_leader_asked_for_is_not_carried_out_by_this_one() -> None:
    """Its announcement and its first batches arrive in one piece: a Terminate of its client is none of ours."""

    async def scenario() -> None:
        node = await leading_node()
        peer = FakePeer()
        a, b = new_id(), new_id()
        node.invoke(peer, invoke(a), wait=False)
        node.invoke(peer, invoke(b), wait=False)
        await until(lambda: node.row(b) is not None)
        node.link.hold_appends = True
        request = node.terminate(peer, a, TerminateMode.KILL)
        await asyncio.sleep(0)
        epoch = node.log.commit(GROUP, announcement(b"another"))
        node.log.commit(GROUP, encode_batch(Batch(epoch, 1, 1, [Terminate(b, TerminateMode.KILL, 1)])))
        await until(lambda: peer.replies[request])
        assert isinstance(peer.only(request), Moved)
        assert node.row(a).status is Status.INVOKED  # type: ignore[union-attr]

    simulate(scenario())


def test_two_announcements_in_a_row_count_as_the_newer() -> None:
    """Raft elects this node twice in a row: the first announcement is committed, but it is not the one awaited."""

    async def scenario() -> None:
        log = SimLog(delay=lambda: 0.1)
        node = Node(log).follow()
        log.lead(GROUP, node.link, node="node-1")
        await node.leading()
        assert len(node.batches()) == 2
        assert node.leader.epoch == log.group(GROUP).tail_lsn

    simulate(scenario())


def test_recovery_sends_the_outbox_and_fires_what_is_due() -> None:
    async def scenario() -> None:
        log = SimLog()
        half = 1 << 63
        first = await Node(log, partitions=2, hosted=[0], others=lambda _: None).follow().leading()
        caller, callee, scheduled = new_id(place=1), new_id(place=half + 1), new_id(place=2)
        peer = FakePeer()
        first.invoke(peer, invoke(caller))
        first.invoke(peer, invoke(scheduled, start_at_ms=first.clock.now_ms() + 500))
        await until(lambda: first.invoker.started)
        effect: CallEntry = call(caller, GREETER, invoke(callee), id_completion=1, completion=2)
        first.leaders[0].propose(reported(first.row(caller), caller, effect))
        await until(lambda: first.outbox(0) == [1])
        first.crash()
        await asyncio.sleep(1)
        second = Node(log, partitions=2, stores=first.stores).follow()
        await until(lambda: len(second.invoker.started) == 3)
        assert set(second.invoker.started) == {caller, callee, scheduled}
        await until(lambda: second.outbox(0) == [])

    simulate(scenario())


def test_a_result_is_answered_at_the_end_of_the_invocation() -> None:
    async def scenario() -> None:
        node = await leading_node()
        peer = FakePeer()
        a = new_id()
        waits, attaches = node.invoke(peer, invoke(a)), 0
        await until(lambda: node.row(a) is not None)
        attaches = node.attach(peer, a)
        looks = node.attach(peer, a, wait=False)
        unknown = node.attach(peer, new_id())
        assert peer.only(looks).ready is False
        assert peer.only(unknown).found is False
        node.leader.propose(reported(node.row(a), a, output(b'"42"'), End()))
        await until(lambda: peer.replies[waits])
        for request in (waits, attaches):
            reply = peer.only(request)
            assert isinstance(reply, ResultReply)
            assert (reply.result, reply.expires_at_ms) == (b'"42"', 0)
        late = node.attach(peer, a)
        assert peer.only(late).expires_at_ms > 0

    simulate(scenario())


@pytest.mark.parametrize("code", ["trimmed", "bad_request"])
def test_a_log_that_cannot_be_followed_stops_the_partition_and_names_the_remedy(code: str) -> None:
    """The store and the log are not of one node, or one of them was damaged: replay cannot heal it."""

    async def scenario() -> None:
        node = Node(SimLog())
        node.processor.on_append_failed(LogError(1, code, "from_lsn 9 is beyond the log's end"))
        assert "ends at lsn=0" in (node.processor.damaged or "")
        assert "restore a snapshot" in (node.processor.damaged or "")

    simulate(scenario())


def test_a_fresh_partition_begins_before_the_first_record() -> None:
    assert initial_meta(3, 0, 9).applied_lsn == 0
