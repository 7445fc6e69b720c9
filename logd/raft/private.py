"""The Raft engine of one group: pysyncobj's SyncObj, and every use of its private names. No other file has one.

pysyncobj decides (terms, votes, commit, what to send to whom); this subclass binds it to our journal, our
transport and our driver, and corrects what 0.3.17 does wrong. Each correction has a test that the
stock library fails:
1. a follower cuts its log behind every append, also acknowledged entries: `GroupJournal.add`;
   since the end of the log may now be stale, an append moves the commit index only over what it checked: `receive`;
2. an acknowledgement moves `nextIndex` back, so what is in flight is sent again: `receive`;
3. acknowledgements carry no term, so a late one counts for a later leadership: `transport`, `receive`;
4. an entry over the batch size is pickled and cut wrongly: the size is infinite here, `getEntries` bounds messages;
5. the leader's own vote counts entries that are not on disk: `applyLogEntries`;
6. a commit index beyond the journal, after a crash: `GroupJournal`; one vote could count twice: `receive`.
There is no PreVote: a node that was cut off comes back with a higher term and forces an election. That costs
availability for a moment, never safety; nodes that are no member are not listened to at all (`transport`).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Protocol

import pysyncobj.syncobj
from pysyncobj import SyncObj, SyncObjConf
from pysyncobj.journal import Journal
from pysyncobj.node import Node
from pysyncobj.transport import Transport
from pysyncobj.version import VERSION

from logd.journal import Entry, GroupJournal
from logd.raft.timing import Timing
from shared.errors import ConfigError

__all__ = [
    "COMMAND",
    "NO_OP",
    "PRIVATE_ATTRIBUTES",
    "PRIVATE_METHODS",
    "PYSYNCOBJ_VERSION",
    "Engine",
    "EngineHost",
    "check_version",
    "missing_names",
]

#: The only version whose private names are known.
PYSYNCOBJ_VERSION = "0.3.17"

#: First byte of an entry: a client's batch, or Raft's own empty entry of a new leader.
COMMAND = pysyncobj.syncobj._COMMAND_TYPE.REGULAR
NO_OP = pysyncobj.syncobj._COMMAND_TYPE.NO_OP

#: What this file overrides or calls, and what it reads or sets: a test compares the lists with the code.
PRIVATE_METHODS = (
    "_SyncObj__applyLogEntries",
    "_SyncObj__getEntries",
    "_SyncObj__onMessageReceived",
    "_SyncObj__sendAppendEntries",
    "_SyncObj__tryLogCompaction",
    "_checkCommandsToApply",
    "_getLeader",
    "_isLeader",
)
PRIVATE_ATTRIBUTES = (
    "_SyncObj__connectedNodes",
    "_SyncObj__raftCommitIndex",
    "_SyncObj__raftElectionDeadline",
    "_SyncObj__raftLastApplied",
    "_SyncObj__raftMatchIndex",
    "_SyncObj__raftNextIndex",
    "_SyncObj__serializer",
    "_poller",
)

#: Entries of one append message, about: a lagging follower must not cost the leader its memory.
_MESSAGE_BYTES = 1024 * 1024
_NEVER = 2**60


class EngineHost(Protocol):
    """The group: where commands come from and committed entries go."""

    def take_commands(self, *, index: int, term: int) -> Iterable[bytes]:
        """The leader takes what is proposed; the first gets `index`."""

    def on_committed(self, first: int, last: int) -> None:
        """These entries are committed and durable here. In order, each once since the engine was made."""


def check_version() -> None:
    """Raises ConfigError for any pysyncobj but the one this file was written against."""
    if VERSION != PYSYNCOBJ_VERSION:
        raise ConfigError(
            f"pysyncobj {VERSION} is installed, logd needs {PYSYNCOBJ_VERSION}: "
            f"run `pip install pysyncobj=={PYSYNCOBJ_VERSION}`"
        )


def missing_names(engine: SyncObj) -> list[str]:
    """Private names that this pysyncobj does not have."""
    missing = [name for name in PRIVATE_METHODS if not hasattr(SyncObj, name)]
    return missing + [name for name in PRIVATE_ATTRIBUTES if not hasattr(engine, name)]


_stock_create_journal = pysyncobj.syncobj.createJournal


def _create_journal(journal: Any) -> Any:
    return journal if isinstance(journal, Journal) else _stock_create_journal(journal)


# SyncObj takes no journal object: it makes its own out of `conf.journalFile`, through this module global.
pysyncobj.syncobj.createJournal = _create_journal


class Engine(SyncObj):  # type: ignore[misc]
    """One group's Raft member. Driven from outside: `receive` a message, `tick`, nothing happens by itself."""

    _SyncObj__raftCommitIndex: int
    _SyncObj__raftLastApplied: int

    def __init__(
        self,
        *,
        name: str,
        peers: Iterable[str],
        journal: GroupJournal,
        transport: Transport,
        host: EngineHost,
        timing: Timing,
    ) -> None:
        self._journal = journal
        self._host = host
        self._nodes = {peer: Node(peer) for peer in peers}
        #: Who voted for us in `_votes_term`.
        self._votes: set[str] = set()
        self._votes_term = 0
        super().__init__(Node(name), self._nodes.values(), _conf(journal, timing), transport=transport)
        missing = missing_names(self)
        assert not missing, f"pysyncobj lacks {missing}"
        self._poller = _NoPoller()
        self._SyncObj__serializer = _NoSnapshots()
        # What was committed before the start is read from the log by those who ask; nothing is applied again.
        self._SyncObj__raftLastApplied = max(journal.getRaftCommitIndex(), journal.first_index)
        if not self._nodes:
            # Nobody to wait for: the first tick elects this node.
            self._SyncObj__raftElectionDeadline = 0.0

    # What the group calls.

    def tick(self) -> None:
        """Elect, commit, publish, send, take new commands: whatever is due."""
        self.doTick(0.0)

    def receive(self, peer: str, message: dict[str, Any]) -> None:
        """One message of a member."""
        node = self._nodes[peer]
        kind = message["type"]
        if kind == "next_node_idx":
            self._receive_ack(node, message)
            return
        if kind == "append_entries":
            # Entries behind the ones of this message may be another leader's: they are not known to be committed.
            known = message["prevLogIdx"] + len(message["entries"]) if "prevLogIdx" in message else 0
            message["commit_index"] = min(message["commit_index"], known)
        elif kind == "response_vote":
            if self._votes_term != self.raftCurrentTerm:
                self._votes_term = self.raftCurrentTerm
                self._votes.clear()
            if message["term"] != self.raftCurrentTerm or peer in self._votes:
                return
            self._votes.add(peer)
        self._SyncObj__onMessageReceived(node, message)

    def _receive_ack(self, node: Node, message: dict[str, Any]) -> None:
        # Of an earlier leadership: what it acknowledges may be other entries by now.
        if message.pop("term") != self.raftCurrentTerm:
            return
        next_index = self._SyncObj__raftNextIndex
        before = next_index.get(node, 0)
        self._SyncObj__onMessageReceived(node, message)
        if message["success"] and not message["reset"] and next_index.get(node, 0) < before:
            # pysyncobj went back to what is acknowledged; what is behind it is in flight, not lost.
            next_index[node] = before

    @property
    def is_leader(self) -> bool:
        return bool(self._isLeader())

    @property
    def leader(self) -> str | None:
        """The leading node as far as this one knows."""
        node = self._getLeader()
        return None if node is None else str(node.id)

    @property
    def term(self) -> int:
        return int(self.raftCurrentTerm)

    @property
    def applied_index(self) -> int:
        """Up to here entries are committed, durable here, and published."""
        return int(self.raftLastApplied)

    @property
    def acknowledged_index(self) -> int:
        """The leader: up to here every peer has acknowledged."""
        match = self._SyncObj__raftMatchIndex
        return min((match.get(node, 0) for node in self._nodes.values()), default=self._journal.last_index)

    def has_peer(self, peer: str) -> bool:
        return peer in self._nodes

    def peer_up(self, peer: str) -> None:
        """Messages to this peer are taken again."""
        self._SyncObj__connectedNodes.add(self._nodes[peer])

    def peer_down(self, peer: str) -> None:
        """Messages to this peer would be lost, or it reads too slowly: send it nothing."""
        self._SyncObj__connectedNodes.discard(self._nodes[peer])

    # What pysyncobj calls, overridden.

    def _SyncObj__applyLogEntries(self) -> bool:
        """Hand over what is committed. Called in a tick after the leader counted votes, before it sends."""
        durable = self._journal.synced_index
        if self._isLeader() and self._SyncObj__raftCommitIndex > durable:
            # pysyncobj counts our own vote for entries that are still on their way to the disk.
            self._SyncObj__raftCommitIndex = durable
            self._journal.setRaftCommitIndex(durable)
        applied = self._SyncObj__raftLastApplied
        last = min(self._SyncObj__raftCommitIndex, durable)
        if last > applied:
            self._SyncObj__raftLastApplied = last
            self._host.on_committed(applied + 1, last)
        return False

    def _checkCommandsToApply(self) -> None:
        """The leader takes all that is proposed and sends it at once; pysyncobj would wait for its next heartbeat."""
        if not self._isLeader():
            return
        journal, term = self._journal, self.raftCurrentTerm
        first = index = journal.last_index + 1
        for command in self._host.take_commands(index=index, term=term):
            journal.add(command, index, term)
            index += 1
        if index > first and self._nodes:
            self._SyncObj__sendAppendEntries()

    def _SyncObj__getEntries(
        self, fromIDx: int | None, count: int | None = None, maxSizeBytes: int | None = None
    ) -> list[Entry]:
        """Like pysyncobj's, but never the whole rest of the log."""
        if fromIDx is None or fromIDx < self._journal.first_index:
            return []
        if maxSizeBytes is not None:
            return self._journal.read(fromIDx, self._journal.last_index, bytes_limit=_MESSAGE_BYTES)
        # Without a count a follower looks up the entry before those of an append, and would cut off what is behind it
        # (correction 1): it is shown that one entry. Rolling back members, which we do not change, would need the rest.
        return self._journal.read(fromIDx, fromIDx + (count or 1) - 1)

    def _SyncObj__tryLogCompaction(self) -> None:
        """Nothing: the owner of a group's state trims its log."""


class _NoPoller:
    """pysyncobj polls its sockets at the end of a tick; it has none."""

    def poll(self, timeout: float) -> None:
        pass


class _NoSnapshots:
    """For peers that need entries which are trimmed: they get none, checkpoints are not sent to peers yet."""

    def getTransmissionData(self, node: Node) -> None:
        return None

    def setTransmissionData(self, data: object) -> bool:
        return False

    def cancelTransmisstion(self, node: Node) -> None:
        pass


def _conf(journal: GroupJournal, timing: Timing) -> SyncObjConf:
    return SyncObjConf(
        autoTick=False,
        journalFile=journal,
        appendEntriesUseBatch=True,
        appendEntriesBatchSizeBytes=_NEVER,
        appendEntriesPeriod=timing.heartbeat_s,
        raftMinTimeout=timing.election_s_min,
        raftMaxTimeout=timing.election_s_max,
        leaderFallbackTimeout=timing.fallback_s,
        connectionTimeout=max(timing.election_s_max, 3.5),
        commandsWaitLeader=False,
        dynamicMembershipChange=False,
    )
