"""Deliberate bugs, put in for a while. Each breaks a rule of ARCHITECTURE.md; the simulation must find each.

Seeds are tried in order from 0 on: `SEEDS` says after how many at most a bug is found (about twice what was needed).
"""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Callable, Iterator
from typing import Any

import partitiond.machine.apply as machine_apply
import partitiond.machine.lifecycle.complete as machine_complete
import partitiond.machine.lifecycle.inbox as machine_inbox
import partitiond.machine.lifecycle.invoke as machine_invoke
import partitiond.machine.lifecycle.mutation as machine_mutation
import partitiond.processor
import tests.simulation.cluster
import tests.simulation.record
from logd.journal import GroupJournal
from logd.raft.private import Engine
from logd.raft.transport import GroupTransport
from partitiond.checkpointer import Checkpointer
from partitiond.leader import recovery
from partitiond.leader.leader import Leader
from partitiond.leader.outbox import Outbox
from partitiond.leader.replies import Replies
from partitiond.leader.timers import TIMERS_MAX, Timers
from partitiond.machine.context import Context
from shared.ids import key_partition_key
from shared.storage import keys
from shared.storage.values import InvocationRow, MutationRow
from shared.wal.batch import Batch
from shared.wal.commands import Deliver, FireTimers, PatchState, TruncateOutbox
from tests.simulation.patches import replaced
from tests.simulation.plan import FAULTS, Plan

__all__ = ["MUTANTS", "QUICK", "SEEDS", "mutated", "plan_of"]

_apply = machine_apply.apply


def _ack_before_sync(transport: Any, node: Any, message: dict[str, Any]) -> bool:
    if message["type"] == "next_node_idx":
        message["term"] = transport._engine.raftCurrentTerm
    return bool(transport._fabric.send(node.id, transport._journal.group, message))


def _count_own_vote_early(engine: Any) -> bool:
    applied, last = engine._SyncObj__raftLastApplied, engine._SyncObj__raftCommitIndex
    if last > applied:
        engine._SyncObj__raftLastApplied = last
        engine._host.on_committed(applied + 1, last)
    return False


def _forget_the_vote(journal: Any, term: int, vote: str | None) -> None:
    """In memory only."""
    journal._hard_state = type(journal._hard_state)(term, vote)


def _no_fencing(txn: Any, lsn: int, batch: Batch, actions: list[Any]) -> bool:
    """A batch counts whoever sent it, and however often."""
    if batch.epoch:
        batch.epoch, batch.seq = txn.meta.epoch, txn.meta.seq + 1
    return _apply(txn, lsn, batch, actions)


def _clock_of_the_replica(txn: Any, lsn: int, batch: Batch, actions: list[Any]) -> bool:
    """The time is taken where the batch is applied, and not where it was proposed."""
    node = tests.simulation.cluster.current_process()
    batch.at_ms += round(node.chooser.random() * 3)
    return _apply(txn, lsn, batch, actions)


def _twice_when_early(txn: Any, lsn: int, batch: Batch, actions: list[Any]) -> bool:
    """A replica that has just started takes its first batch for two."""
    counted = _apply(txn, lsn, batch, actions)
    if lsn % 64 == 0 and batch.epoch:
        txn.meta.seq += 1
    return counted


def _no_dedup(ctx: Context, command: Deliver) -> None:
    for seq, message in command.messages:
        ctx.inbound.append(message)
        ctx.txn.put(keys.dedup_key(command.sender), seq.to_bytes(8, "big"))


def _out_of_turn(ctx: Context, invocation_id: bytes, row: InvocationRow) -> None:
    """The newest of a queue changes places with the one before it."""
    _enqueue(ctx, invocation_id, row)
    if not row.inbox_seq:
        return
    before = machine_inbox._inbox_key(invocation_id, row, row.inbox_seq - 1)
    other_id = ctx.txn.get(before)
    other = None if other_id is None else ctx.txn.invocation(other_id)
    if other is None or other_id is None:
        return
    own = machine_inbox._inbox_key(invocation_id, row, row.inbox_seq)
    ctx.txn.put(before, invocation_id)
    ctx.txn.put(own, other_id)
    row.inbox_seq, other.inbox_seq = other.inbox_seq, row.inbox_seq
    ctx.txn.changed(other_id)


_enqueue = machine_inbox.enqueue


def _forget_waiting(ctx: Context, invocation_id: bytes, row: InvocationRow) -> None:
    """The lock is given back, and who waits for it is not told."""
    key = machine_inbox._lock_key(invocation_id, row)
    lock = ctx.txn.lock(key)
    lock.holder = None
    ctx.txn.put_lock(key, lock)


def _forget_mutation(ctx: Context, place: machine_mutation.Place, seq: int) -> None:
    """It waited for nothing."""
    ctx.txn.delete(keys.mutation_key(*place.at(seq)))


def _amid_a_call(ctx: Context, command: PatchState) -> None:
    """The state is changed, whoever holds the object."""
    place = machine_mutation.Place(key_partition_key(command.key), command.service, command.key, command.scope)
    machine_mutation._change_state(ctx, place, MutationRow(command.version, command.state))


def _drop_replies(every: int) -> Any:
    count = itertools.count(1)

    def ended(replies: Any, invocation_id: bytes, *rest: Any) -> None:
        if next(count) % every:
            _ended(replies, invocation_id, *rest)
        else:
            replies._waiters.pop(invocation_id, None)

    return ended


def _reply_twice(replies: Any, invocation_id: bytes, *rest: Any) -> None:
    waiters = list(replies._waiters.get(invocation_id, ()))
    _ended(replies, invocation_id, *rest)
    replies._waiters[invocation_id] = waiters
    _ended(replies, invocation_id, *rest)


_ended = Replies.ended


def _fire_early(timers: Any) -> None:
    timers._cancel()
    first = next(iter(timers._tables.scan(keys.TIMER, keys.OUTBOX)), None)
    if first is not None:
        timers._firing = True
        timers._propose(FireTimers(keys.decode_timer(first[0])[0], TIMERS_MAX))
        timers._when_applied(timers.start)


def _truncate_before_delivery(outbox: Any, seq: int, row: Any) -> None:
    _send(outbox, seq, row)
    outbox._propose(TruncateOutbox([seq]))


_send = Outbox.send


async def _trim_first(checkpointer: Any) -> None:
    checkpointer._trim(checkpointer._applied_lsn())


def _keep_leading(leader: Any, why: str) -> None:
    """Whatever the log says."""
    if leader.role.value != "leading":
        _step_down(leader, why)


_step_down = Leader.step_down


def _of_processor(apply: Any) -> list[tuple[Any, str, Any]]:
    return [(partitiond.processor, "apply", apply)]


def _of_all(apply: Any) -> list[tuple[Any, str, Any]]:
    return [*_of_processor(apply), (tests.simulation.record, "apply", apply)]


#: Name -> what is replaced. Made anew for each use.
MUTANTS: dict[str, Callable[[], list[tuple[Any, str, Any]]]] = {
    "acknowledge before the sync": lambda: [(GroupTransport, "send", _ack_before_sync)],
    "count the own vote before the sync": lambda: [(Engine, "_SyncObj__applyLogEntries", _count_own_vote_early)],
    "keep term and vote in memory": lambda: [(GroupJournal, "setCurrentTerm", _forget_the_vote)],
    "no fencing of old epochs": lambda: _of_all(_no_fencing),
    "the clock of the replica": lambda: _of_processor(_clock_of_the_replica),
    "apply a record twice": lambda: _of_processor(_twice_when_early),
    "no check of duplicates": lambda: [(machine_apply, "on_deliver", _no_dedup)],
    "an inbox out of order": lambda: [(machine_invoke, "enqueue", _out_of_turn)],
    "an inbox forgotten": lambda: [(machine_complete, "release_lock", _forget_waiting)],
    "state changed amid a call": lambda: [(machine_apply, "on_patch_state", _amid_a_call)],
    "a change of state forgotten": lambda: [(machine_inbox, "take_mutation", _forget_mutation)],
    "a change of state made again": lambda: [(machine_mutation, "_came_before", lambda ctx, uid: False)],
    "drop a reply": lambda: [(Replies, "ended", _drop_replies(20))],
    "reply twice": lambda: [(Replies, "ended", _reply_twice)],
    "timers before their time": lambda: [(Timers, "_look", _fire_early)],
    "timers forgotten by a new leader": lambda: [(Timers, "start", lambda timers: None)],
    "runs forgotten by a new leader": lambda: [(recovery, "invoked", lambda tables: iter(()))],
    "messages forgotten by a new leader": lambda: [(recovery, "outbox", lambda tables: iter(()))],
    "messages truncated before they arrive": lambda: [(Outbox, "send", _truncate_before_delivery)],
    "trim before the flush": lambda: [
        (Checkpointer, "checkpoint", _trim_first),
        (tests.simulation.cluster.Cluster, "trim_bound", lambda cluster, partition: 1 << 60),
    ],
    "lead on without the log": lambda: [(Leader, "step_down", _keep_leading)],
}

#: Seeds that are enough, where 6 are not.
SEEDS = {"no check of duplicates": 40, "keep term and vote in memory": 200}

_RAFT = ("raft", "island", "kill", "cut", "slow-net", "power", "stop")


def plan_of(name: str, seed: int) -> Plan:
    """Bugs of Raft show in elections: a small load, and faults that bring them about."""
    if name != "keep term and vote in memory":
        return Plan.of_seed(seed)
    others = tuple(kind for kind in FAULTS if kind not in _RAFT)
    return Plan(seed, nodes=3, clients=3, requests=8, faults=60, without=others)


#: Found in a moment, for each run of all tests; and which properties they break, one of them.
QUICK = {
    "acknowledge before the sync": {"log.quorum"},
    "the clock of the replica": {"replica.digest"},
    "apply a record twice": {"replica.digest"},
    "timers before their time": {"timer.early"},
    "trim before the flush": {"log.trim"},
    "an inbox out of order": {"send.fifo"},
    # What is not sent keeps somebody waiting, or is a one-way call that is left in the outbox.
    "messages forgotten by a new leader": {"machine.wakers", "end.leftovers"},
    "reply twice": {"reply.once"},
}


@contextlib.contextmanager
def mutated(name: str) -> Iterator[None]:
    """The product with this bug."""
    with replaced(*MUTANTS[name]()):
        yield
