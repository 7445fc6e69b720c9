"""What pysyncobj 0.3.17 does wrong, each shown on the stock library, and corrected in ours.

Each test runs on both: a new version without a fault fails here on `stock`, a lost correction on `ours`.
"""

from __future__ import annotations

import queue
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import pytest
from pysyncobj.journal import FileJournal

from logd.journal import GroupJournal
from tests.logd.raft.members import Member, Message, OurMember, StockMember, append_entries, command, elect

Make: TypeAlias = Callable[..., Member]

both = pytest.mark.parametrize(("make", "stock"), [(StockMember, True), (OurMember, False)], ids=["stock", "ours"])


def acks(member: Member, peer: str) -> list[Message]:
    return [message for to, message in member.sent if to == peer and message["type"] == "next_node_idx"]


def ack(member: Member, *, up_to: int, term: int) -> Message:
    """What a follower of this kind sends: ours says in which term."""
    message = {"type": "next_node_idx", "next_node_idx": up_to + 1, "reset": False, "success": True}
    return message if isinstance(member, StockMember) else message | {"term": term}


@both
def test_1_a_repeated_append_cuts_off_acknowledged_entries(make: Make, stock: bool) -> None:
    """A leader that resends entry 2 alone, because an acknowledgement is late, costs the follower 3 and 4.

    They were acknowledged and may be committed; a crash before they are sent again loses them.
    """
    member = make("b", "c")
    entries = [(command(b"%d" % index), index, 1) for index in (2, 3, 4)]
    member.receive("b", append_entries(term=1, previous=(1, 0), entries=entries))
    member.sync()
    assert acks(member, "b")[-1]["next_node_idx"] == 5
    member.receive("b", append_entries(term=1, previous=(1, 0), entries=entries[:1]))
    assert [index for _, index, _ in member.entries()] == ([1, 2] if stock else [1, 2, 3, 4])


@both
def test_1_a_contradicting_append_replaces_the_end_of_the_log(make: Make, stock: bool) -> None:
    """What the cut is for, which ours must still do."""
    member = make("b", "c")
    member.receive(
        "b", append_entries(term=1, previous=(1, 0), entries=[(command(b"old"), index, 1) for index in (2, 3, 4)])
    )
    member.sync()
    member.receive("c", append_entries(term=2, previous=(2, 1), entries=[(command(b"new"), 3, 2)]))
    assert member.entries()[1:] == [(command(b"old"), 2, 1), (command(b"new"), 3, 2)]


@pytest.mark.parametrize("bounded", [False, True])
def test_1_an_append_commits_only_what_it_checked(bounded: bool) -> None:
    """Since ours keeps the end of the log, it may hold entries of a dead leader behind those of an append.

    The new leader's commit index, which counts its own entries, must not commit them. pysyncobj bounds the commit
    index by the end of the log only: enough for a log that is always cut, not for ours.
    """
    member = OurMember("b", "c")
    stale = [(command(b"stale"), index, 1) for index in (2, 3, 4)]
    member.receive("b", append_entries(term=1, previous=(1, 0), entries=stale))
    member.sync()
    message = append_entries(term=2, previous=(1, 0), entries=stale[:1], commit=4)
    if bounded:
        member.receive("c", message)
    else:
        member.raft._SyncObj__onMessageReceived(member.raft._nodes["c"], message)
    member.tick()
    assert member.host.committed == ([2] if bounded else [2, 3, 4])


@both
def test_2_an_acknowledgement_makes_the_leader_resend_what_is_in_flight(make: Make, stock: bool) -> None:
    """Two entries are on their way; the acknowledgement of the first makes the leader send the second again."""
    member = make("b", "c")
    elect(member, "b")
    first = member.entries()[-1][1] + 1
    member.receive("b", ack(member, up_to=first - 1, term=member.term))
    for payload in (b"one", b"two"):
        member.propose(payload)
        member.tick()
        member.send_entries()
    member.receive("b", ack(member, up_to=first, term=member.term))
    member.send_entries()
    times_sent = sum(
        entry[1] == first + 1
        for to, message in member.sent
        if to == "b" and message["type"] == "append_entries"
        for entry in message["entries"]
    )
    assert times_sent == (2 if stock else 1)


@both
def test_3_a_late_acknowledgement_of_an_earlier_leadership_counts(make: Make, stock: bool) -> None:
    """`a` leads, `b` acknowledges two entries, but late: `a` lost them to `c`, leads again, and has others there.

    On the stock library an entry that only `a` has is then committed.
    """
    member = make("b", "c")
    elect(member, "b")
    led_first = member.term
    for payload in (b"x", b"y"):
        member.propose(payload)
        member.tick()
    assert member.entries()[-1][1] == 4
    late = ack(member, up_to=4, term=led_first)
    replaced = append_entries(term=led_first + 1, previous=(2, led_first), entries=[(b"\1", 3, led_first + 1)])
    member.receive("c", replaced)
    elect(member, "c")
    member.sync()
    assert member.entries()[-1][1:] == (4, member.term)
    member.receive("b", late)
    member.tick()
    assert member.commit_index == (4 if stock else 1)


@both
def test_4_an_entry_over_the_batch_size_is_sent_in_wrong_pieces(make: Make, stock: bool) -> None:
    """Pieces are cut from the pickled entry but counted by the raw one: the last piece may be announced twice."""
    member = make("b", "c")
    elect(member, "b")
    size = 2 * 2**16
    member.propose(b"x" * (size - 1))
    member.tick()
    member.send_entries()
    sent = [message for to, message in member.sent if to == "b" and message["type"] == "append_entries"]
    last_pieces = [message for message in sent if message.get("transmission") == "finish"]
    if stock:
        assert len(last_pieces) == 2
    else:
        assert not any("transmission" in message for message in sent)
        assert [len(entry[0]) for message in sent for entry in message["entries"]][-1] == size


@both
def test_5_the_leader_counts_its_own_vote_for_entries_that_are_not_on_disk(make: Make, stock: bool) -> None:
    """Of three, the leader and one follower make a commit: the leader's disk counts."""
    member = make("b", "c")
    elect(member, "b")
    member.sync()
    member.propose(b"x")
    member.tick()
    index = member.entries()[-1][1]
    member.receive("b", ack(member, up_to=index, term=member.term))
    member.tick()
    assert member.commit_index == (index if stock else index - 1)
    member.sync()
    member.tick()
    assert member.commit_index == index


@both
def test_5_a_follower_acknowledges_entries_that_are_not_on_disk(make: Make, stock: bool) -> None:
    member = make("b", "c")
    member.receive("b", append_entries(term=1, previous=(1, 0), entries=[(command(b"x"), 2, 1)]))
    assert len(acks(member, "b")) == (1 if stock else 0)
    member.sync()
    assert [message["next_node_idx"] for message in acks(member, "b")] == [3]


def test_5_a_follower_publishes_only_what_is_on_its_own_disk() -> None:
    """A quorum has the entries; but who replays them here must not be ahead of the log that is left after a crash."""
    member = OurMember("b", "c")
    entries = [(command(b"x"), 2, 1), (command(b"y"), 3, 1)]
    member.receive("b", append_entries(term=1, previous=(1, 0), entries=entries, commit=3))
    member.tick()
    assert member.host.committed == []
    member.sync()
    member.tick()
    assert member.host.committed == [2, 3]


def test_5_an_acknowledgement_that_waited_into_another_term_is_dropped() -> None:
    """Its entries were replaced before they reached the disk."""
    member = OurMember("b", "c")
    member.receive("b", append_entries(term=1, previous=(1, 0), entries=[(command(b"x"), 2, 1)]))
    member.receive("c", append_entries(term=2, previous=(1, 0), entries=[(command(b"y"), 2, 2)]))
    member.sync()
    assert acks(member, "b") == []
    assert [message["term"] for message in acks(member, "c")] == [2]


# The stock journal leaves a file open.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@both
def test_6_a_commit_index_beyond_the_journal_applies_what_is_not_committed(
    make: Make, stock: bool, tmp_path: Path
) -> None:
    """A crash loses the end of the journal but not the commit index: the next entries count as committed."""
    member: Member
    if stock:
        path = str(tmp_path / "journal")
        journal = FileJournal(path)
        journal.add(b"\1", 1, 0)
        journal.setRaftCommitIndex(10)
        journal.onOneSecondTimer()
        journal._destroy()
        member = StockMember("b", "c", journal_file=path)
    else:
        ours = OurMember("b", "c")
        ours.journal.setRaftCommitIndex(10)
        ours.sync()
        member = OurMember("b", "c", store=ours.store.crash())
    member.receive("b", append_entries(term=1, previous=(1, 0), entries=[(b"\1", 2, 1)], commit=1))
    member.sync()
    member.tick()
    assert member.applied_index == (2 if stock else 1)
    if isinstance(member, StockMember):
        member.close()


@both
def test_6_a_vote_that_arrives_twice_counts_twice(make: Make, stock: bool) -> None:
    """Of five, this one and one other are no majority."""
    member = make("b", "c", "d", "e")
    member.campaign()
    for _ in range(2):
        member.receive("b", {"type": "response_vote", "term": member.term})
    assert member.leads == stock


def test_7_a_vote_is_on_disk_before_it_is_answered() -> None:
    """The power fails right after the answer left: nobody else gets a vote in that term."""
    member = OurMember("b", "c")
    ask = {"type": "request_vote", "term": 5, "last_log_index": 1, "last_log_term": 0}
    member.receive("b", ask)
    assert ("b", {"type": "response_vote", "term": 5}) in member.sent
    restarted = OurMember("b", "c", store=member.store.crash())
    assert (restarted.term, restarted.journal.getVotedForNodeId()) == (5, "b")
    restarted.receive("c", ask)
    assert not any(message["type"] == "response_vote" for _, message in restarted.sent)


def test_8_who_is_no_member_is_not_heard() -> None:
    """There is no PreVote: a stranger's high term would end every leadership."""
    member = OurMember("b", "c")
    elect(member, "b")
    term = member.term
    member.receive("x", {"type": "request_vote", "term": 99, "last_log_index": 99, "last_log_term": 98})
    member.receive("b", {"type": "apply_command", "command": b"\2"})
    assert member.leads
    assert member.term == term
    with pytest.raises(queue.Empty):
        member.raft._SyncObj__commandsQueue.get_nowait()


def test_a_restarted_member_applies_nothing_again() -> None:
    member = OurMember()
    member.tick()
    for number in range(5):
        member.propose(b"%d" % number)
        member.tick()
        member.sync()
        member.tick()
    assert member.host.committed == [2, 3, 4, 5, 6, 7]
    member.sync()
    restarted = OurMember(store=member.store.crash())
    restarted.tick()
    restarted.sync()
    restarted.tick()
    assert restarted.host.committed == [8]
    assert isinstance(restarted.journal, GroupJournal)
