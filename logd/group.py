"""One group: proposals in, committed batches out. Joins the engine, its journal and its followers.

Rules that always hold:
- `first_lsn <= LSN of every batch served <= tail_lsn <= published_index <= synced_index` of the journal;
- an append is answered once: when its entry is published, or when this node leads that term no more;
- a batch is trimmed only when it is published.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from logd.followers import Followers, is_batch
from logd.journal import Entry, GroupJournal
from logd.raft.private import COMMAND, NO_OP, Engine
from logd.raft.timing import Timing
from logd.raft.transport import Fabric, GroupTransport
from shared.api.log import Appended, GroupStatus, Leadership, LogError
from shared.errors import CorruptionError
from shared.rpc.connection import Connection

__all__ = ["Group", "Membership"]

_COMMAND_PREFIX = bytes([COMMAND])
#: Entries that one tick takes from the queue, bytes: one sync must not become endless.
_TAKE_BYTES = 4 * 1024 * 1024
#: Bytes of appends in the queue over which whoever appends is not read, until half of it is taken.
_QUEUE_BYTES = 32 * 1024 * 1024
#: Committed entries read at once to be published.
_PUBLISH_BYTES = 4 * 1024 * 1024


class Membership(NamedTuple):
    """This node's name, its peers' names, and Raft's times."""

    name: str
    peers: tuple[str, ...] = ()
    timing: Timing = Timing()


class _Proposal(NamedTuple):
    """An append that waits to be taken, then to be committed."""

    payload: bytes
    connection: Connection
    request_id: int
    kept: bool


class _Waiter(NamedTuple):
    """An append that has its place in the log."""

    lsn: int
    term: int
    connection: Connection
    request_id: int
    #: Who sent it has the payload still.
    kept: bool


class Group:
    """One group on this node."""

    def __init__(
        self,
        journal: GroupJournal,
        membership: Membership,
        fabric: Fabric,
        on_error: Callable[[BaseException], None],
        disk_trouble: Callable[[], str | None] = lambda: None,
    ) -> None:
        """`disk_trouble`: why nothing may be written now but what makes room; appends wait as long as it says so."""
        self.name = journal.group
        self.journal = journal
        self.transport = GroupTransport(fabric, journal)
        self.has_peers = bool(membership.peers)
        self.followers = Followers(self, on_error)
        self._disk_trouble = disk_trouble
        self._proposals: deque[_Proposal] = deque()
        self._proposed_bytes = 0
        #: Connections that are not read until the queue is shorter.
        self._held: set[Connection] = set()
        self._waiters: deque[_Waiter] = deque()
        self.engine = Engine(
            name=membership.name,
            peers=membership.peers,
            journal=journal,
            transport=self.transport,
            host=self,
            timing=membership.timing,
        )
        self.transport.bind(self.engine)
        for peer in membership.peers:
            self.on_peer_ready(peer, ready=fabric.ready(peer))
        self.published_index = self.engine.applied_index
        #: Newest committed batch, 0 while there was none.
        self.tail_lsn = self._find_tail()
        #: Oldest batch that is served: 0 while there was none; behind the trim point while none is left.
        self.first_lsn = self._find_first()
        self._leadership = Leadership(self.name, self.engine.term, False, None)

    # What the driver calls.

    def tick(self) -> None:
        """Let Raft do what is due, then tell of a new leader."""
        self.engine.tick()
        self.note_leadership()

    @property
    def idle(self) -> bool:
        """No append is on its way."""
        return not self._proposals and not self._waiters

    def note_leadership(self) -> None:
        """Compare with what the followers know."""
        engine, known = self.engine, self._leadership
        if engine.term == known.term and engine.is_leader == known.is_leader and engine.leader == known.leader:
            return
        self._leadership = Leadership(self.name, engine.term, engine.is_leader, engine.leader)
        for connection in self.followers.connections():
            connection.send(self._leadership)
        self._refuse_lost()

    def receive(self, peer: str, message: dict[str, Any]) -> None:
        """A message of a peer. The caller sees to a tick."""
        self.transport.receive(peer, message)
        self.note_leadership()

    def on_peer_ready(self, peer: str, *, ready: bool) -> None:
        """A peer takes messages, or does not."""
        if self.engine.has_peer(peer):
            (self.engine.peer_up if ready else self.engine.peer_down)(peer)

    # What the server calls.

    @property
    def leadership(self) -> Leadership:
        return self._leadership

    def propose(self, connection: Connection, request_id: int, payload: bytes, *, kept: bool = False) -> None:
        """Order a batch; the leader only. The caller sees to a tick."""
        self._proposals.append(_Proposal(payload, connection, request_id, kept))
        self._proposed_bytes += len(payload)
        if self._proposed_bytes > _QUEUE_BYTES and connection not in self._held:
            self._held.add(connection)
            connection.hold(on=True)

    def not_leader(self, request_id: int) -> LogError:
        leader = self.engine.leader
        where = f"{leader} leads" if leader else "there is no leader now"
        return LogError(request_id, "not_leader", f"group={self.name}: {where}; the outcome of this append is unknown")

    def trim(self, lsn: int) -> None:
        """Drop batches up to `lsn`, as far as they are committed. The caller sees to a tick, which stores it."""
        lsn = min(lsn, self.tail_lsn)
        if lsn <= self.journal.trim_lsn:
            return
        self.journal.trim(lsn)
        self.first_lsn = self._find_first()
        # pysyncobj looks at the entry before those it sends, and wants two entries at all times.
        needed = min(lsn, self.engine.acknowledged_index) if self.engine.is_leader else lsn
        self.journal.drop_before(min(needed, self.journal.last_index) - 1)

    def trimmed(self, lsn: int) -> str | None:
        """Why a batch at `lsn` cannot be read any more."""
        if lsn > self.journal.trim_lsn or not self.journal.trim_lsn:
            return None
        return (
            f"group={self.name}: batches up to LSN {self.journal.trim_lsn} are trimmed, first_lsn is {self.first_lsn}"
        )

    def read_committed(self, first: int, *, bytes_limit: int) -> list[Entry]:
        return self.journal.read(first, self.published_index, bytes_limit=bytes_limit)

    def status(self) -> GroupStatus:
        known = self._leadership
        return GroupStatus(
            group=self.name,
            term=known.term,
            is_leader=known.is_leader,
            leader=known.leader,
            first_lsn=self.first_lsn,
            tail_lsn=self.tail_lsn,
            stored_bytes=self.journal.stored_bytes,
        )

    # What the engine calls.

    def take_commands(self, *, index: int, term: int) -> Iterator[bytes]:
        size = 0
        if self._proposals and self._disk_trouble() is not None:
            return  # The driver's housekeeping asks again.
        while self._proposals and size < _TAKE_BYTES:
            proposal = self._proposals.popleft()
            size += len(proposal.payload)
            self._waiters.append(_Waiter(index, term, proposal.connection, proposal.request_id, proposal.kept))
            index += 1
            yield _COMMAND_PREFIX + proposal.payload
        self._taken(size)

    def _taken(self, size: int) -> None:
        """So many bytes left the queue."""
        self._proposed_bytes -= size
        if self._held and self._proposed_bytes <= _QUEUE_BYTES // 2:
            for connection in self._held:
                connection.hold(on=False)
            self._held.clear()

    def on_committed(self, first: int, last: int) -> None:
        while first <= last:
            entries = self.journal.read(first, last, bytes_limit=_PUBLISH_BYTES)
            assert entries
            assert entries[0][1] == first
            self._publish(entries)
            first = entries[-1][1] + 1

    # Helpers.

    def _publish(self, entries: list[Entry]) -> None:
        """Followers first: who appended may then be sure that the others were told."""
        last = entries[-1][1]
        assert self.published_index < entries[0][1]
        assert last <= self.journal.synced_index
        self.published_index = last
        for command, index, _ in reversed(entries):
            if is_batch(command):
                self.tail_lsn = index
                break
        for command, index, _ in entries:
            if command[0] not in (COMMAND, NO_OP):
                raise CorruptionError(f"log entry group={self.name} index={index} is of unknown kind {command[0]}")
            if not self.first_lsn and is_batch(command):
                self.first_lsn = index
        answers = self._take_waiters(entries)
        kept = {waiter.lsn: (waiter.connection, waiter.request_id) for waiter, mine in answers if mine and waiter.kept}
        self.followers.publish(entries, kept)
        for waiter, mine in answers:
            if mine:
                waiter.connection.send(Appended(waiter.request_id, waiter.lsn))
            else:
                waiter.connection.send(self.not_leader(waiter.request_id))

    def _take_waiters(self, entries: list[Entry]) -> list[tuple[_Waiter, bool]]:
        """Appends whose place is told by these entries, in order; whether it is theirs."""
        waiters, taken = self._waiters, list[tuple[_Waiter, bool]]()
        first, last = entries[0][1], entries[-1][1]
        while waiters and waiters[0].lsn <= last:
            waiter = waiters.popleft()
            taken.append((waiter, waiter.lsn >= first and entries[waiter.lsn - first][2] == waiter.term))
        return taken

    def _refuse_lost(self) -> None:
        """Answer the appends of a leadership that is over: they may be committed later, nobody can say."""
        leads, term = self.engine.is_leader, self.engine.term
        while self._waiters and not (leads and self._waiters[0].term == term):
            waiter = self._waiters.popleft()
            waiter.connection.send(self.not_leader(waiter.request_id))
        while self._proposals and not leads:
            proposal = self._proposals.popleft()
            self._taken(len(proposal.payload))
            proposal.connection.send(self.not_leader(proposal.request_id))

    def _find_tail(self) -> int:
        for index in range(self.published_index, self.journal.trim_lsn, -1):
            if is_batch(self.journal.entry(index)[0]):
                return index
        return self.journal.trim_lsn

    def _find_first(self) -> int:
        trim_lsn = self.journal.trim_lsn
        for index in range(trim_lsn + 1, self.published_index + 1):
            if is_batch(self.journal.entry(index)[0]):
                return index
        return trim_lsn + 1 if trim_lsn else 0
