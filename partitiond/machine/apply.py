"""Command type -> handler, exhaustive; epochs and sequences. Pure: no I/O.

Rules that always hold:
- a batch counts only if it is of the present leader's epoch and the next of its sequence; a leader that has
  been replaced, or a batch that the log repeats or lost the one before, changes nothing;
- time never goes back, though the clocks of leaders may;
- the same batches in the same order give the same writes and actions, byte for byte.
"""

from __future__ import annotations

from partitiond.machine.actions import Action
from partitiond.machine.context import Context
from partitiond.machine.lifecycle.announce import on_announce_leader
from partitiond.machine.lifecycle.cleanup import on_clean_up
from partitiond.machine.lifecycle.deliver import on_deliver, on_message, on_truncate_outbox
from partitiond.machine.lifecycle.effects import on_invoker_effects
from partitiond.machine.lifecycle.invoke import on_invoke
from partitiond.machine.lifecycle.mutation import on_patch_state
from partitiond.machine.lifecycle.pause import on_pause_invocation
from partitiond.machine.lifecycle.restart import on_restart_as_new
from partitiond.machine.lifecycle.resume import on_resume_invocation
from partitiond.machine.lifecycle.rules import on_set_rules
from partitiond.machine.lifecycle.signals import on_complete_awakeable
from partitiond.machine.lifecycle.terminate import on_terminate
from partitiond.machine.lifecycle.timers import on_fire_timers
from partitiond.machine.running import keep_index
from partitiond.machine.txn import Txn
from shared.storage.values import STORE_FORMAT, PartitionMeta
from shared.wal.batch import Batch
from shared.wal.commands import (
    AnnounceLeader,
    CleanUp,
    Command,
    CompleteAwakeable,
    Deliver,
    FireTimers,
    Invoke,
    InvokerEffects,
    PatchState,
    PauseInvocation,
    RestartAsNew,
    ResumeInvocation,
    SetRules,
    Terminate,
    TruncateOutbox,
)

__all__ = ["apply", "apply_alone", "begin", "initial_meta"]


def initial_meta(partition_id: int, start_key: int, end_key: int) -> PartitionMeta:
    """A partition before its first record."""
    return PartitionMeta(
        format=STORE_FORMAT,
        partition_id=partition_id,
        start_key=start_key,
        end_key=end_key,
        applied_lsn=0,
        time_ms=0,
        epoch=0,
        leader_uid=b"",
        seq=0,
        outbox_seq=0,
        fresh=[],
    )


def apply(txn: Txn, lsn: int, batch: Batch, actions: list[Action]) -> bool:
    """Apply one batch at `lsn`: changes go to `txn`, what is to be done to `actions`.

    Returns False when the batch was fenced: its commands changed nothing (the applied LSN moved all the same).
    """
    meta = txn.meta
    if not begin(meta, lsn, batch):
        return False
    ctx = Context(txn, lsn=lsn, now_ms=meta.time_ms, clock_ms=batch.at_ms, actions=actions)
    for command in batch.commands:
        _apply_command(ctx, command)
    return True


def begin(meta: PartitionMeta, lsn: int, batch: Batch) -> bool:
    """What a batch changes of the partition itself. False: it is fenced, and its commands are not to be applied."""
    assert lsn > meta.applied_lsn, f"batch {lsn} after {meta.applied_lsn}"
    meta.applied_lsn = lsn
    announces = batch.epoch == 0
    if not announces:
        if batch.epoch != meta.epoch or batch.seq != meta.seq + 1:
            return False
        meta.seq = batch.seq
    meta.time_ms = max(meta.time_ms, batch.at_ms)
    for command in batch.commands:
        assert announces == isinstance(command, AnnounceLeader), "announcements come in batches of their own"
    return True


def apply_alone(txn: Txn, lsn: int, at_ms: int, command: Command, actions: list[Action]) -> None:
    """Apply one command of a batch that has begun in a transaction of its own, the earlier ones being committed.

    For who looks at each of them (`everlog step`, `story`): the processor applies a batch as a whole. `at_ms`: the
    batch's.
    """
    _apply_command(Context(txn, lsn=lsn, now_ms=txn.meta.time_ms, clock_ms=at_ms, actions=actions), command)


def _apply_command(ctx: Context, command: Command) -> None:
    """And what it sends to its own partition."""
    _dispatch(ctx, command)
    while ctx.inbound:
        on_message(ctx, ctx.inbound.popleft())
    keep_index(ctx.txn)


def _dispatch(ctx: Context, command: Command) -> None:
    match command:
        case InvokerEffects():
            on_invoker_effects(ctx, command)
        case Invoke():
            on_invoke(ctx, command)
        case FireTimers():
            on_fire_timers(ctx, command)
        case Deliver():
            on_deliver(ctx, command)
        case TruncateOutbox():
            on_truncate_outbox(ctx, command)
        case CompleteAwakeable():
            on_complete_awakeable(ctx, command)
        case Terminate():
            on_terminate(ctx, command)
        case CleanUp():
            on_clean_up(ctx, command)
        case PauseInvocation():
            on_pause_invocation(ctx, command)
        case ResumeInvocation():
            on_resume_invocation(ctx, command)
        case RestartAsNew():
            on_restart_as_new(ctx, command)
        case SetRules():
            on_set_rules(ctx, command)
        case PatchState():
            on_patch_state(ctx, command)
        case AnnounceLeader():
            on_announce_leader(ctx, command)
