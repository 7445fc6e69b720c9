"""One partition's leader: announce, recover, lead, step down; the invoker's host.

Rules that always hold:
- nothing is proposed and no action is carried out before this leader's own announcement has been applied;
- whatever makes the outcome of a proposal unknown (logd away, a batch refused or fenced) ends the leadership:
  everything volatile is dropped and a new announcement is made. What counts is in the store.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Awaitable, Callable, Iterable
from enum import Enum
from typing import Protocol

from partitiond.leader import recovery
from partitiond.leader.answers import Answers
from partitiond.leader.cleaner import Cleaner
from partitiond.leader.lane import Lane
from partitiond.leader.outbox import Outbox
from partitiond.leader.replies import Replies
from partitiond.leader.timers import Timers
from partitiond.log.proposer import Appender, Proposer
from partitiond.machine.tables import Tables
from shared.catalog.catalog import Catalog
from shared.catalog.partitions import Partition
from shared.clock import Clock
from shared.ids import partition_key_of, target_partition_key
from shared.storage import keys, values
from shared.storage.large import content_of, joined, large_state_of, whole_raw
from shared.storage.packing import unpack
from shared.storage.values import InvocationRow, LargePart, PartitionMeta
from shared.wal.batch import Batch
from shared.wal.commands import (
    AnnounceLeader,
    Command,
    DeploymentChoice,
    FailureDetail,
    InvokerEffects,
    OutboxMessage,
    ResumeInvocation,
    SetRules,
    Target,
)

__all__ = ["InvokerPort", "Leader", "Role"]

_log = logging.getLogger(__name__)

#: (receiver, sender, messages) -> stored.
DeliverPort = Callable[[int, int, list[tuple[int, OutboxMessage]]], Awaitable[None]]


class Role(Enum):
    """How this node's processor of the partition stands."""

    FOLLOWING = "following"
    ANNOUNCING = "announcing"
    LEADING = "leading"


class InvokerPort(Protocol):
    """What a leader asks of the invoker; `host` is the leader itself."""

    def start(self, host: Leader, invocation_id: bytes, row: InvocationRow, input: bytes | None = None) -> None: ...

    def notify(
        self, host: Leader, invocation_id: bytes, generation: int, index: int, entry_type: int, raw: bytes
    ) -> None: ...

    def ack(self, host: Leader, invocation_id: bytes, generation: int, command_index: int) -> None: ...

    def ack_run(self, host: Leader, invocation_id: bytes, generation: int, completion_id: int) -> None: ...

    def abort(self, host: Leader, invocation_id: bytes, generation: int) -> None: ...

    def refuse_suspension(
        self, host: Leader, invocation_id: bytes, generation: int, completions: list[int]
    ) -> None: ...

    def retry_now(self, host: Leader, invocation_id: bytes, generation: int) -> None: ...

    def write_now(self) -> None: ...

    def last_failure(self, host: Leader, invocation_id: bytes) -> FailureDetail | None: ...

    def deployment_of(self, target: Target, wanted: str | None) -> DeploymentChoice | None: ...

    def abort_all(self, host: Leader) -> None: ...


class Leader:
    """The volatile half of a partition processor."""

    def __init__(
        self,
        partition: Partition,
        *,
        group: str,
        node: str,
        tables: Tables,
        appender: Appender,
        invoker: InvokerPort,
        clock: Clock,
        partition_of: Callable[[int], int],
        deliver: DeliverPort,
        cleanup_interval_s: float,
        catalog: Callable[[], Catalog | None] = lambda: None,
    ) -> None:
        self.partition = partition
        self.role = Role.FOLLOWING
        self.invoker = invoker
        self.replies = Replies()
        self._node = node
        self._tables = tables
        self._uid = b""
        self._proposer = Proposer(group, appender, clock)
        self.propose_command: Callable[[Command], None] = self._proposer.propose
        self.when_applied: Callable[[Callable[[], None]], None] = self._proposer.when_applied
        self.timers = Timers(tables, clock, self.propose_command, self.when_applied)
        self.outbox = Outbox(
            partition_of,
            lambda receiver, messages: deliver(receiver, partition.id, messages),
            self.propose_command,
            lambda seq: recovery.outbox_message(tables, seq),
        )
        self._cleaner = Cleaner(tables, clock, self.propose_command, interval_s=cleanup_interval_s)
        self.answers = Answers(self.when_applied)
        self._catalog = catalog
        #: Of the rule book that the partition applies, or will once what is proposed is applied.
        self._rules_version = 0
        self.lane = Lane(self.when_applied)

    @property
    def leading(self) -> bool:
        return self.role is Role.LEADING

    @property
    def epoch(self) -> int:
        """LSN of the own announcement; 0 unless leading."""
        return self._proposer.epoch

    def announce(self) -> None:
        """Raft says that this node leads the group: take over."""
        self.step_down("a new announcement is on its way")
        self.role = Role.ANNOUNCING
        self._uid = os.urandom(16)
        self._proposer.announce(AnnounceLeader(self._uid, self._node, self.partition.start_key, self.partition.end_key))

    def step_down(self, why: str) -> None:
        """Drop everything volatile. Clients are told to look for the leader again."""
        if self.role is Role.LEADING:
            _log.info("partition=%d steps down: %s", self.partition.id, why)
            self._proposer.stop()
            self.invoker.abort_all(self)
            self.timers.stop()
            self.outbox.stop()
            self._cleaner.stop()
            self.answers.moved(why)
            self.lane.stop()
            self.replies.moved(why)
        self.role = Role.FOLLOWING
        self._uid = b""

    def on_applied(self, meta: PartitionMeta, lsn: int, batch: Batch, *, fenced: bool) -> None:
        """A batch was applied (or fenced) and is stored. Decides who leads from here on.

        `meta` is as of the last batch of the same commit, which may be a later one.
        """
        if batch.epoch == 0:
            self._on_announcement(meta, lsn, batch)
        elif self.role is Role.LEADING and batch.epoch == self.epoch:
            if fenced:
                self.announce()
            else:
                self._proposer.on_applied(batch.seq)

    def _on_announcement(self, meta: PartitionMeta, lsn: int, batch: Batch) -> None:
        (command,) = batch.commands
        assert isinstance(command, AnnounceLeader)
        own = self.role is Role.ANNOUNCING and command.uid == self._uid
        if own and meta.epoch == lsn:
            self._rules_version = meta.rules_version
            self._begin(lsn)
        elif own or self.role is Role.LEADING:
            # Somebody announced after us. If Raft still says that we lead, it was an old leader's last word.
            self.announce()

    def _begin(self, epoch: int) -> None:
        self.role = Role.LEADING
        self._proposer.begin(epoch)
        self.propose_rules()
        started = 0
        for invocation_id, row in recovery.invoked(self._tables):
            self.invoker.start(self, invocation_id, row)
            started += 1
        for seq, outbox_row in recovery.outbox(self._tables):
            self.outbox.send(seq, outbox_row)
        self.timers.start()
        self._cleaner.start()
        _log.info("partition=%d leads epoch=%d running=%d", self.partition.id, epoch, started)

    def propose_rules(self) -> None:
        """Bring a newer rule book to the log, before whatever is proposed behind it."""
        catalog = self._catalog()
        if not self.leading or catalog is None or catalog.rules_version <= self._rules_version:
            return
        self._rules_version = catalog.rules_version
        rules = [(rule.pattern, rule.concurrency) for rule in catalog.rules.values() if not rule.disabled]
        self._proposer.propose(SetRules(catalog.rules_version, rules))

    # What the invoker may ask of its host.

    def propose(self, effects: InvokerEffects | ResumeInvocation) -> None:
        """Effects of an attempt, or that it is to go on, go to the log, in order."""
        self._proposer.propose(effects)

    def flush(self) -> None:
        """What was proposed so far leaves as it is."""
        self._proposer.flush()

    def load(self, invocation_id: bytes) -> InvocationRow | None:
        """The invocation as stored now."""
        stored = self._tables.get(keys.invocation_key(invocation_id))
        return None if stored is None else values.decode_invocation(stored)

    def read_entry(self, invocation_id: bytes, index: int) -> tuple[int, bytes]:
        """(message type, raw message) of an entry."""
        stored = self._tables.get(keys.journal_key(invocation_id, index))
        assert stored is not None, f"journal entry {index} of {invocation_id.hex()} is missing"
        entry = values.decode_journal(stored)
        return entry.entry_type, whole_raw(self._tables.get, invocation_id, entry.raw, entry.large)

    def read_whole(self, invocation_id: bytes, raw: bytes, large: LargePart) -> bytes | None:
        """The message of an entry with its content; None: no journal has it any more."""
        stored = self._tables.get(keys.large_key(partition_key_of(invocation_id), large.number))
        return None if stored is None else joined(raw, large, unpack(stored, large.packing, large.size))

    def read_state(self, target: Target, *, value_bytes_limit: int) -> Iterable[tuple[bytes, bytes | None]]:
        """(name, value) of the object's or workflow's state, by name. None: it is larger, and may not be read."""
        assert target.key is not None
        place = target_partition_key(target.scope, target.key)
        prefix = keys.object_prefix(keys.STATE, place, target.service, target.key, target.scope)
        get = self._tables.get
        for key, value in self._tables.scan(prefix, keys.prefix_end(prefix)):
            large = large_state_of(get, key, value)
            if large is None:
                yield key[len(prefix) :], value
            else:
                fits = large.size <= value_bytes_limit
                yield key[len(prefix) :], content_of(get, place, large) if fits else None
