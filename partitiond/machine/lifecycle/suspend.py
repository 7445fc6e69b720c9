"""The handler waits; nothing runs. Pure: no I/O."""

from __future__ import annotations

from partitiond.machine.actions import SuspensionRefused
from partitiond.machine.chains import release, resume
from partitiond.machine.context import Context
from partitiond.machine.entries.call import tell_ids
from partitiond.machine.futures import advance
from partitiond.machine.journal import FAILED, REPEATED
from partitiond.machine.status import move
from shared.storage import keys
from shared.storage.values import InvocationRow, Status, Waiting
from shared.wal.commands import Suspend, SuspendOn
from shared.wal.futures import Leaf, comes_again, completion_of

__all__ = ["on_suspend", "on_suspend_on"]


def on_suspend(ctx: Context, invocation_id: bytes, row: InvocationRow, effect: Suspend) -> None:
    """Sleep until any awaited notification is there; if one came meanwhile, go on at once.

    A signal that the attempt began with did not come meanwhile: the handler had it, and waits for a further one.

    A run without a result can be finished by a further attempt only, so that whoever waits for one must not sleep:
    the attempt counts as failed and is repeated by the retry policy. So it is, too, when something else is awaited
    with it: that something is found in the journal by the next attempt, while a sleep until it comes, for days
    maybe, would keep a run waiting that the handler began. Most SDKs await the cancel signal with everything.
    """
    tell_ids(ctx, invocation_id, row)
    waiting = Waiting(effect.completions, effect.signals, effect.names, None, effect.known_entries)
    assert waiting.leaves(), "the invoker refuses an empty suspension"
    if any(_arrived(ctx, invocation_id, leaf, effect.known_entries) is not None for leaf in waiting.leaves()):
        resume(ctx, invocation_id, row)
        return
    unfinished = [i for i in effect.completions if i in row.open_runs]
    if unfinished:
        ctx.act(SuspensionRefused(invocation_id, row.generation, unfinished))
        return
    move(row, Status.SUSPENDED, ctx.now_ms)
    row.waiting = waiting
    release(ctx, invocation_id, row)
    ctx.txn.changed(invocation_id)


def on_suspend_on(ctx: Context, invocation_id: bytes, row: InvocationRow, effect: SuspendOn) -> None:
    """Sleep until the tree is settled; what came already counts in the order of the journal. Otherwise as
    `on_suspend`."""
    tell_ids(ctx, invocation_id, row)
    leaves = effect.future.leaves()
    assert leaves, "the invoker refuses an empty suspension"
    arrived: list[tuple[bytes, Leaf]] = []
    for leaf in leaves:
        place = _arrived(ctx, invocation_id, leaf, effect.known_entries)
        if place is not None:
            arrived.append((place, leaf))
    arrived.sort(key=lambda each: each[0])
    rest = advance(effect.future, [(leaf, place[4:] == FAILED) for place, leaf in arrived])
    # Of a signal that came several times the row tells the last only, and the first may have settled the tree.
    if rest is None or any(place[4:] == REPEATED for place, _ in arrived):
        resume(ctx, invocation_id, row)
        return
    unfinished = [leaf for leaf in map(completion_of, rest.leaves()) if leaf is not None and leaf in row.open_runs]
    if unfinished:
        ctx.act(SuspensionRefused(invocation_id, row.generation, unfinished))
        return
    move(row, Status.SUSPENDED, ctx.now_ms)
    row.waiting = Waiting([], [], [], rest, effect.known_entries)
    release(ctx, invocation_id, row)
    ctx.txn.changed(invocation_id)


def _arrived(ctx: Context, invocation_id: bytes, leaf: Leaf, known_entries: int) -> bytes | None:
    """Its NOTIFICATION row, if it came.

    A signal that may come again, and that the attempt was given at its start, was heard before: the handler waits
    for another one. Were it woken, it would say so again, and again, without an end.
    """
    place = ctx.txn.get(keys.leaf_key(invocation_id, leaf))
    if place is not None and comes_again(leaf) and int.from_bytes(place[:4], "big") < known_entries:
        return None
    return place
