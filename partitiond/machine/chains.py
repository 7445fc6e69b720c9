"""The start of a chain of attempts, and the permit that it needs within a scope. Pure: no I/O.

Rules that always hold:
- an invocation with a scope has a permit from the start of a chain until it is suspended, is paused, ends, or puts its
  next attempt off;
- one that never ran waits for its permit INBOXED, with its object's lock if it takes one; one that did, INVOKED;
- without a scope there is nothing to wait for, and nothing is read or written for it.
"""

from __future__ import annotations

from partitiond.machine.actions import StartInvocation
from partitiond.machine.context import Context
from partitiond.machine.limiter import Limiter
from partitiond.machine.rules import book_of
from partitiond.machine.status import move
from shared.ids import partition_key_of
from shared.storage import keys
from shared.storage.values import InvocationRow, Status
from shared.wal.commands import Target

__all__ = ["limits_changed", "queue_of", "release", "resume"]


def resume(ctx: Context, invocation_id: bytes, row: InvocationRow, input: bytes | None = None) -> None:
    """Begin a new chain of attempts, now or when its scope has room; effects of the former one no longer count.

    `input`: the Input message, from who has just stored it.
    """
    if row.target.scope is not None and not row.has_permit:
        limiter = _limiter(ctx, invocation_id, row.target.scope)
        row.has_permit = limiter.take(row.limit_key)
        if not row.has_permit:
            begun = row.running_at_ms > 0
            row.queue_seq = limiter.enqueue(row.limit_key, queue_of(row.target), invocation_id, begun=begun)
        limiter.save()
        if not row.has_permit:
            _wait(ctx, invocation_id, row)
            return
    move(row, Status.INVOKED, ctx.now_ms)
    row.generation += 1
    _start(ctx, invocation_id, row, input)


def _start(ctx: Context, invocation_id: bytes, row: InvocationRow, input: bytes | None = None) -> None:
    if row.running_at_ms == 0:
        row.running_at_ms = ctx.now_ms
    ctx.txn.changed(invocation_id)
    ctx.act(StartInvocation(invocation_id, row, input))


def _wait(ctx: Context, invocation_id: bytes, row: InvocationRow) -> None:
    ctx.txn.changed(invocation_id)
    if row.running_at_ms:
        move(row, Status.INVOKED, ctx.now_ms)
        row.generation += 1
        return
    if row.status is Status.SCHEDULED:
        move(row, Status.INBOXED, ctx.now_ms)
    row.status = Status.INBOXED
    row.inboxed_at_ms = row.inboxed_at_ms or ctx.now_ms


def release(ctx: Context, invocation_id: bytes, row: InvocationRow) -> None:
    """Give back what it has of its scope's room, and stop waiting for it; whose turn it is starts."""
    if row.target.scope is None:
        return
    if row.retry_at_ms:
        ctx.txn.delete(keys.retry_timer_key(row.retry_at_ms, invocation_id))
        row.retry_at_ms = 0
    if row.queue_seq:
        limiter = _limiter(ctx, invocation_id, row.target.scope)
        limiter.leave(row.limit_key, queue_of(row.target), row.queue_seq)
        limiter.save()
        row.queue_seq = 0
    elif row.has_permit:
        limiter = _limiter(ctx, invocation_id, row.target.scope)
        limiter.give_back(row.limit_key)
        row.has_permit = False
        _serve(ctx, limiter)
        limiter.save()


def limits_changed(ctx: Context) -> None:
    """Everybody starts who has room now. Reads each counter that counts something."""
    scopes: dict[tuple[int, str], list[str]] = {}
    for key, _ in ctx.txn.scan_prefix(keys.COUNTER):
        place, path = keys.decode_counter(key)
        scopes.setdefault((place, path.partition("/")[0]), []).append(path)
    for (place, scope), paths in scopes.items():
        limiter = Limiter(ctx.txn, book_of(ctx.txn), place, scope)
        limiter.limits_changed(paths)
        _serve(ctx, limiter)
        limiter.save()


def _serve(ctx: Context, limiter: Limiter) -> None:
    while (served := limiter.next_served()) is not None:
        row = ctx.txn.invocation(served)
        assert row is not None, f"{served.hex()} waits for a permit and does not exist"
        assert row.queue_seq, f"{row.target} was in a queue and does not know it"
        row.queue_seq = 0
        row.has_permit = True
        if row.status is Status.INBOXED:
            move(row, Status.INVOKED, ctx.now_ms)
            row.generation += 1
        _start(ctx, served, row)


def queue_of(target: Target) -> bytes:
    """Which of the queues at its counter it waits in: of its service, and of its object where only one of it runs."""
    name = target.service.encode()
    if target.takes_lock:
        assert target.key is not None
        return b"".join((b"o", len(name).to_bytes(2, "big"), name, target.key.encode()))
    return b"s" + name


def _limiter(ctx: Context, invocation_id: bytes, scope: str) -> Limiter:
    return Limiter(ctx.txn, book_of(ctx.txn), partition_key_of(invocation_id), scope)
