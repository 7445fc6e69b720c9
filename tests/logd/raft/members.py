"""One Raft member without a network: the stock SyncObj, and ours, behind the same verbs.

What a member sends lands in `sent`; a test decides what arrives where, and when the disk is synced.
"""

from __future__ import annotations

import contextlib
from typing import Any, Protocol

from pysyncobj import SyncObj, SyncObjConf
from pysyncobj.node import Node
from pysyncobj.transport import Transport

from logd.journal import Entry, GroupJournal
from logd.raft.private import Engine
from logd.raft.timing import Timing
from logd.raft.transport import GroupTransport
from tests.logd.fakes import MemoryStore, RecordingHost

__all__ = ["Member", "OurMember", "StockMember", "append_entries", "command", "elect"]

Message = dict[str, Any]


def command(payload: bytes) -> bytes:
    """A client's batch, as an entry."""
    return b"\0" + payload


def append_entries(*, term: int, previous: tuple[int, int], entries: list[Entry], commit: int = 1) -> Message:
    """A leader's message; `previous`: index and term."""
    return {
        "type": "append_entries",
        "term": term,
        "commit_index": commit,
        "entries": entries,
        "prevLogIdx": previous[0],
        "prevLogTerm": previous[1],
    }


class Member(Protocol):
    """A member called `a`."""

    sent: list[tuple[str, Message]]

    def receive(self, peer: str, message: Message) -> None: ...

    def tick(self) -> None: ...

    def sync(self) -> None:
        """The disk has all that was written."""

    def propose(self, payload: bytes) -> None: ...

    def send_entries(self) -> None:
        """What a leader does at each heartbeat."""

    def campaign(self) -> None:
        """The election timeout is over."""

    def entries(self) -> list[Entry]: ...

    @property
    def commit_index(self) -> int: ...

    @property
    def applied_index(self) -> int: ...

    @property
    def leads(self) -> bool: ...

    @property
    def term(self) -> int: ...


def elect(member: Member, *voters: str) -> None:
    """Make it the leader by these votes."""
    member.campaign()
    for voter in voters:
        member.receive(voter, {"type": "response_vote", "term": member.term})
    assert member.leads


class _Recorder(Transport):  # type: ignore[misc]
    def __init__(self, sent: list[tuple[str, Message]]) -> None:
        super().__init__(None, None, [])
        self._sent = sent

    @property
    def ready(self) -> bool:
        return True

    def send(self, node: Node, message: Message) -> bool:
        self._sent.append((node.id, message))
        return True


class _Common:
    raft: SyncObj

    def tick(self) -> None:
        self.raft.doTick(0.0)

    def campaign(self) -> None:
        self.raft._SyncObj__raftElectionDeadline = 0.0
        self.tick()

    def send_entries(self) -> None:
        self.raft._SyncObj__sendAppendEntries()

    def entries(self) -> list[Entry]:
        entries: list[Entry] = self.raft._SyncObj__raftLog[:]
        return entries

    @property
    def commit_index(self) -> int:
        return int(self.raft.raftCommitIndex)

    @property
    def applied_index(self) -> int:
        return int(self.raft.raftLastApplied)

    @property
    def leads(self) -> bool:
        return bool(self.raft._isLeader())

    @property
    def term(self) -> int:
        return int(self.raft.raftCurrentTerm)


class StockMember(_Common):
    """pysyncobj as it is, but for its sockets and its thread."""

    def __init__(self, *peers: str, journal_file: str | None = None) -> None:
        self.sent: list[tuple[str, Message]] = []
        self.nodes = {peer: Node(peer) for peer in peers}
        self._transport = _Recorder(self.sent)
        conf = SyncObjConf(autoTick=False, journalFile=journal_file, commandsWaitLeader=False)
        self.raft = SyncObj(Node("a"), self.nodes.values(), conf, transport=self._transport)
        for node in self.nodes.values():
            self._transport._onNodeConnected(node)

    def receive(self, peer: str, message: Message) -> None:
        self._transport._onMessageReceived(self.nodes[peer], dict(message))

    def propose(self, payload: bytes) -> None:
        # Its type byte makes it one of Raft's own: the stock member would unpickle any other to apply it.
        self.raft._applyCommand(payload, None, 1)

    def sync(self) -> None:
        """It has no notion of it."""

    def close(self) -> None:
        with contextlib.suppress(Exception):
            self.raft.destroy()


class OurMember(_Common):
    """Ours, on a store that can crash."""

    def __init__(self, *peers: str, store: MemoryStore | None = None, window_bytes: int = 1 << 20) -> None:
        self.sent: list[tuple[str, Message]] = []
        self.store = store or MemoryStore()
        self.host = RecordingHost()
        self.journal = GroupJournal(self.store, "p-1", 1, window_bytes=window_bytes)
        self.transport = GroupTransport(self, self.journal)
        self.raft: Engine = Engine(
            name="a", peers=peers, journal=self.journal, transport=self.transport, host=self.host, timing=Timing()
        )
        self.transport.bind(self.raft)
        for peer in peers:
            self.raft.peer_up(peer)
        self.sync()

    def send(self, peer: str, group: str, message: Message) -> bool:
        self.sent.append((peer, dict(message)))
        return True

    def ready(self, peer: str) -> bool:
        return True

    def receive(self, peer: str, message: Message) -> None:
        self.transport.receive(peer, dict(message))

    def propose(self, payload: bytes) -> None:
        self.host.proposals.append(command(payload))

    def stage(self) -> None:
        self.journal.before_stage()
        self.store.stage()
        self.journal.after_stage()

    def sync(self) -> None:
        self.stage()
        self.store.sync()
        self.journal.after_sync()
        self.transport.release()
