"""Requests whose invocation was ended before it began. Pure: no I/O.

Such an invocation is forgotten at once, its id free for the next request. But the one that made it may be sent again,
by an ingress that saw no answer because the leader changed: it gets the end that it missed. Were it taken for a new
one, what an operator has killed would run.
"""

from __future__ import annotations

from partitiond.machine.actions import InvocationEnded, InvocationStored
from partitiond.machine.context import Context
from shared.storage import keys
from shared.storage.values import DroppedRow, InvocationRow, decode_dropped, encode
from shared.wal.commands import Invoke, Result

__all__ = ["answer_dropped", "forget_dropped", "remember_dropped"]

#: No request is sent again after so long.
_KEPT_MS = 24 * 60 * 60 * 1000


def remember_dropped(ctx: Context, invocation_id: bytes, row: InvocationRow, result: Result) -> None:
    """Keep how it ended for the request that made it; what other invocations send comes once."""
    if not row.request_uid:
        return
    until_ms = ctx.now_ms + _KEPT_MS
    ctx.txn.put(keys.dropped_key(invocation_id), encode(DroppedRow(row.request_uid, result, until_ms)))
    ctx.txn.meta.dropped_until_ms = until_ms


def answer_dropped(ctx: Context, command: Invoke) -> bool:
    """True: it is such a request, and was answered. Costs nothing while no invocation was dropped for a day."""
    if ctx.txn.meta.dropped_until_ms <= ctx.now_ms or not command.request_uid:
        return False
    stored = ctx.txn.get(keys.dropped_key(command.id))
    if stored is None:
        return False
    dropped = decode_dropped(stored)
    if dropped.request_uid != command.request_uid:
        return False
    ctx.act(InvocationStored(command.id, command.request_uid, True, 0))
    ctx.act(InvocationEnded(command.id, command.target, dropped.result, 0))
    return True


def forget_dropped(ctx: Context, invocation_id: bytes) -> None:
    """Once its time is over."""
    key = keys.dropped_key(invocation_id)
    stored = ctx.txn.get(key)
    if stored is not None and decode_dropped(stored).until_ms <= ctx.now_ms:
        ctx.txn.delete(key)
