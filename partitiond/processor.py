"""The loop of one partition: read a batch, apply it, commit it with its LSN, hand the actions over."""

from __future__ import annotations

import asyncio
import logging
import sys
from typing import Protocol

from partitiond.checkpointer import Checkpointer, Made
from partitiond.leader.dispatch import carry_out
from partitiond.leader.leader import Leader
from partitiond.machine.actions import Action
from partitiond.machine.apply import apply
from partitiond.machine.tables import Tables
from partitiond.machine.txn import Txn
from partitiond.replay import Replay
from shared.api.log import Committed, Following, Leadership, LogError
from shared.api.partition import PartitionStatus
from shared.errors import CorruptionError, FormatError
from shared.storage.values import PartitionMeta
from shared.wal.batch import Batch, decode_batch

__all__ = ["Processor", "Store"]

_log = logging.getLogger(__name__)
#: Batches that came together are stored together until they have put this much: what small commands ask for may be
#: large (a read of state), and all of it is in memory until it is stored.
_COMMIT_BYTES = 4 * 1024 * 1024
#: Or until so much is to be done: services begin with what is stored while the rest is applied.
_COMMIT_ACTIONS = 512


class Store(Tables, Protocol):
    """Tables that can be committed to."""

    def commit(self, writes: dict[bytes, bytes | None]) -> None: ...

    def checkpoint(self) -> None: ...

    def close(self) -> None: ...


class Processor:
    """One partition on this worker: the store that replays the log, and the leader when this node leads.

    Invariant: `meta` is what the store holds, or will hold after the commit that is being prepared.
    """

    def __init__(
        self, group: str, store: Store, meta: PartitionMeta, leader: Leader, checkpointer: Checkpointer
    ) -> None:
        self.group = group
        self.leader = leader
        self._store = store
        self._meta = meta
        self._checkpointer = checkpointer
        self._tail_lsn = 0
        #: Why it stands still for good, for people.
        self.damaged: str | None = None
        self._trimmed_lsn = 0
        #: Of what was in the log before us; None: it is over.
        self._replay: Replay | None = None
        self._now_s = asyncio.get_running_loop().time

    @property
    def applied_lsn(self) -> int:
        return self._meta.applied_lsn

    def on_following(self, message: Following) -> None:
        self._tail_lsn = message.tail_lsn
        self._trimmed_lsn = max(0, message.first_lsn - 1)
        self._replay = None
        if message.tail_lsn > self.applied_lsn:
            self._replay = Replay(from_lsn=self.applied_lsn, tail_lsn=message.tail_lsn, now_s=self._now_s())
            _log.info("%s replays from lsn=%d to lsn=%d", self.group, self.applied_lsn + 1, message.tail_lsn)

    def on_leadership(self, message: Leadership) -> None:
        if self.damaged is not None:
            return
        if message.is_leader:
            self.leader.announce()
        else:
            self.leader.step_down(f"{message.leader or 'nobody yet'} leads {self.group}")

    def on_append_failed(self, error: LogError) -> None:
        if error.code in ("trimmed", "bad_request"):
            self.stop(
                f"its store ends at lsn={self.applied_lsn}, and the log cannot go on from there: {error.message}; "
                f"nothing on this node has what is between: restore a snapshot"
            )
        elif self.leader.leading:
            self.leader.announce()

    def stop(self, why: str) -> None:
        """This partition cannot go on, while others of the worker can. Nothing mends that but another start."""
        if self.damaged is None:
            self.damaged = why
            _log.critical("partition=%d cannot go on: %s", self._meta.partition_id, why)
        self.leader.step_down(why)

    def on_log_lost(self) -> None:
        self.leader.step_down("logd is away")

    def on_committed(self, batches: list[Committed]) -> None:
        """Apply, store, and only then act; in several commits, if there is much to store."""
        if self.damaged is not None:
            return
        self._tail_lsn = batches[-1].tail_lsn
        at = 0
        while at < len(batches):
            at = self._commit_some(batches, at)
            if self._replay is not None:
                self._tell_replay(self._replay)

    def _commit_some(self, batches: list[Committed], at: int) -> int:
        """One commit of the batches from `at` on; where the next begins."""
        txn = Txn(self._store, self._meta)
        actions: list[Action] = []
        own_actions = -1
        applied: list[tuple[int, Batch, bool]] = []
        log_bytes = 0
        unreadable: str | None = None
        actions_max = _COMMIT_ACTIONS if self.leader.leading else sys.maxsize
        while at < len(batches) and txn.put_bytes < _COMMIT_BYTES and len(actions) < actions_max:
            message = batches[at]
            try:
                batch = decode_batch(message.payload)
            except CorruptionError as damage:
                unreadable = f"the record at lsn={message.lsn} of {self.group} cannot be read: {damage}"
                at = len(batches)
                break
            except FormatError as error:
                raise FormatError(f"{self.group} lsn={message.lsn}: {error}") from error
            at += 1
            if batch.epoch == 0 and own_actions < 0:
                # What follows is asked for by another leader, or by this one in its next epoch.
                own_actions = len(actions)
            counts = apply(txn, message.lsn, batch, actions)
            applied.append((message.lsn, batch, not counts))
            log_bytes += len(message.payload)
        self._store.commit(txn.finish())
        # A leader that begins with these batches finds in the store what earlier ones asked for.
        if self.leader.leading:
            carry_out(self.leader, actions if own_actions < 0 else actions[:own_actions])
        for lsn, batch, fenced in applied:
            self.leader.on_applied(self._meta, lsn, batch, fenced=fenced)
        self._checkpointer.on_committed(log_bytes)
        if unreadable is not None:
            self.stop(unreadable)
        return at

    def _tell_replay(self, replay: Replay) -> None:
        news = replay.news(self.applied_lsn, self._now_s())
        if news is not None:
            _log.info("%s %s", self.group, news)
        if self.applied_lsn >= replay.tail_lsn:
            self._replay = None

    def status(self) -> PartitionStatus:
        """For /health, `everlog status` and SQL."""
        replay = self._replay
        left_s = None if replay is None else replay.left_s(self.applied_lsn, self._now_s())
        return PartitionStatus(
            partition_id=self._meta.partition_id,
            start_key=self._meta.start_key,
            end_key=self._meta.end_key,
            ready=self.leader.leading,
            epoch=self.leader.epoch,
            applied_lsn=self.applied_lsn,
            # Nothing is trimmed that is not durable.
            durable_lsn=max(self._checkpointer.durable_lsn, self._trimmed_lsn),
            tail_lsn=max(self._tail_lsn, self.applied_lsn),
            inflight=len(self.leader.replies),
            replayed_percent=100 if replay is None else replay.percent(self.applied_lsn),
            replay_left_s=0.0 if replay is None else -1.0 if left_s is None else left_s,
        )

    async def checkpoint(self) -> Made:
        """One of all that is applied by now, for an operator."""
        return await self._checkpointer.make_now()

    async def close(self) -> None:
        """Drain: stop leading, finish a running checkpoint, close the store."""
        self.leader.step_down("the worker ends")
        await self._checkpointer.close()
        self._store.close()
