"""Changes of state, from the request to the reply, across the loss of leadership."""

from __future__ import annotations

import pytest

from shared.api.partition import LARGE_BYTES, Moved, PatchStateReply, PatchStateRequest
from shared.storage import keys
from tests.fakes.sim_log import SimLog
from tests.fakes.sim_loop import simulate
from tests.partitiond.leader.rig import FakePeer, Node, until
from tests.partitiond.machine.fixtures import COUNTER, patch


def state(node: Node) -> list[bytes]:
    return [value for _, value in node.store.scan(keys.STATE, keys.LOCK)]


def test_it_is_answered_once_it_is_stored() -> None:
    async def scenario() -> None:
        node, peer = await Node(SimLog()).follow().leading(), FakePeer()
        node.handle(peer, PatchStateRequest(7, 0, patch(COUNTER, {b"a": b"1"})))
        assert not peer.replies
        await until(lambda: peer.replies)
        assert peer.only(7) == PatchStateReply(7)
        assert state(node) == [b"1"]

    simulate(scenario())


@pytest.mark.parametrize("committed", [0, None])
def test_who_asks_again_the_next_leader_has_it_made_once(committed: int | None) -> None:
    """The connection to logd is lost with the record on its way, which arrives or does not. Who asked is told that
    another leads, and cannot know which."""

    async def scenario() -> None:
        node, peer = await Node(SimLog()).follow().leading(), FakePeer()
        request = PatchStateRequest(7, 0, patch(COUNTER, {b"a": b"1"}))
        node.handle(peer, request)
        node.leader.flush()
        node.link.lose(committed=committed)
        await until(lambda: peer.replies)
        assert isinstance(peer.only(7), Moved)
        node.link.come_back()
        await node.leading()
        assert state(node) == ([] if committed == 0 else [b"1"])
        node.handle(peer, PatchStateRequest(8, 0, patch(COUNTER, {b"a": b"2"})))
        node.handle(peer, PatchStateRequest(9, 0, request.patch))
        await until(lambda: peer.replies[9])
        assert state(node) == ([b"1"] if committed == 0 else [b"2"])

    simulate(scenario())


def test_a_large_one_goes_by_the_lane() -> None:
    async def scenario() -> None:
        node, peer = await Node(SimLog()).follow().leading(), FakePeer()
        for number in range(140):
            node.handle(peer, PatchStateRequest(number, 0, patch(COUNTER, {b"a": bytes(LARGE_BYTES)})))
        assert peer.held == [True]
        await until(lambda: peer.replies[139])
        assert peer.held == [True, False]

    simulate(scenario())
