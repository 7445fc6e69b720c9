"""Who is answered when: waiting requests of one invocation, of many connections."""

from __future__ import annotations

from partitiond.leader.replies import Replies
from shared.api.partition import InvokeReply, Moved, ResultReply
from shared.wal.commands import Failure
from tests.partitiond.leader.rig import FakePeer
from tests.partitiond.machine.fixtures import GREETER

A, B = b"a" * 24, b"b" * 24


def ended(replies: Replies, invocation_id: bytes, expires_at_ms: int = 0) -> None:
    replies.ended(invocation_id, GREETER, b"1", expires_at_ms)


def test_all_who_wait_for_one_result_are_answered_in_order() -> None:
    replies, left, right = Replies(), FakePeer(), FakePeer()
    replies.wait(left, 1, A, b"u1", wants_result=True)
    replies.wait(right, 1, A, b"u2", wants_result=True)
    replies.wait(left, 2, B, b"u3", wants_result=True)
    ended(replies, A)
    assert isinstance(left.only(1), ResultReply)
    assert isinstance(right.only(1), ResultReply)
    assert not left.replies[2]
    ended(replies, A)
    assert len(left.replies[1]) == 1
    assert len(replies) == 1


def test_a_send_is_answered_when_stored_and_a_call_is_not() -> None:
    replies, peer = Replies(), FakePeer()
    replies.wait(peer, 1, A, b"send", wants_result=False)
    replies.wait(peer, 2, A, b"call", wants_result=True)
    replies.stored(A, b"send", created=True, start_at_ms=7)
    replies.stored(A, b"call", created=True, start_at_ms=7)
    assert peer.only(1) == InvokeReply(1, True, 7)
    assert not peer.replies[2]


def test_two_sends_of_one_id_are_each_answered_by_their_own_record() -> None:
    replies, peer = Replies(), FakePeer()
    replies.wait(peer, 1, A, b"u1", wants_result=False)
    replies.wait(peer, 2, A, b"u2", wants_result=False)
    replies.stored(A, b"u1", created=True, start_at_ms=0)
    assert not peer.replies[2]
    replies.stored(A, b"u2", created=False, start_at_ms=0)
    assert (peer.only(1).created, peer.only(2).created) == (True, False)


def test_a_refused_run_is_answered_alone() -> None:
    replies, peer = Replies(), FakePeer()
    replies.wait(peer, 1, A, b"first", wants_result=True)
    replies.wait(peer, 2, A, b"second", wants_result=True)
    replies.refused(A, b"second", Failure(409, "again"))
    assert peer.only(2).result == Failure(409, "again")
    assert not peer.replies[1]
    ended(replies, A)
    assert peer.only(1).result == b"1"


def test_a_forgotten_request_is_not_answered() -> None:
    replies, left, right = Replies(), FakePeer(), FakePeer()
    replies.wait(left, 1, A, b"u1", wants_result=True)
    replies.wait(left, 2, A, b"u2", wants_result=True)
    replies.wait(right, 1, A, b"u3", wants_result=True)
    replies.forget(left, 1)
    replies.forget(left, 99)
    ended(replies, A)
    assert not left.replies[1]
    assert left.only(2)
    assert right.only(1)


def test_a_connection_that_is_gone_takes_its_requests_along() -> None:
    replies, left, right = Replies(), FakePeer(), FakePeer()
    for request_id, invocation_id in enumerate((A, A, B)):
        replies.wait(left, request_id, invocation_id, b"", wants_result=True)
    replies.wait(right, 1, B, b"", wants_result=True)
    replies.forget_peer(left)
    replies.forget_peer(left)
    ended(replies, A)
    ended(replies, B)
    assert not left.replies
    assert right.only(1)
    assert len(replies) == 0


def test_moved_answers_everybody_once() -> None:
    replies, peer = Replies(), FakePeer()
    replies.wait(peer, 1, A, b"", wants_result=True)
    replies.wait(peer, 2, B, b"u", wants_result=False)
    replies.moved("gone")
    replies.moved("gone")
    ended(replies, A)
    assert (peer.only(1), peer.only(2)) == (Moved(1, "gone"), Moved(2, "gone"))


def test_nothing_is_kept_of_requests_that_were_answered() -> None:
    """A connection of the ingress lives for weeks: a trace of each request would fill the memory."""
    replies, peer = Replies(), FakePeer()
    for number in range(100):
        invocation_id = number.to_bytes(24, "big")
        replies.wait(peer, number, invocation_id, b"u", wants_result=number % 2 == 0)
        replies.stored(invocation_id, b"u", created=True, start_at_ms=0)
        ended(replies, invocation_id)
    assert len(peer.replies) == 100
    assert not replies._waiters
    assert not any(replies._by_peer.values())
