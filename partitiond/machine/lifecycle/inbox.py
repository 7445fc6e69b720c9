"""The lock of an object and the queue before it. Pure: no I/O.

Rules that always hold:
- at most one invocation holds an object's lock, from its start to its end, through suspensions and retries;
- the others wait in the order of their arrival;
- one that leaves the queue early leaves a gap, which the next holder steps over;
- a change of state from outside waits in the same queue, and is made when the holder before it has ended.
"""

from __future__ import annotations

from partitiond.machine.chains import resume
from partitiond.machine.context import Context
from partitiond.machine.lifecycle.mutation import Place, take_mutation
from partitiond.machine.status import move
from shared.ids import partition_key_of
from shared.storage import keys
from shared.storage.values import InvocationRow, Status, decode_inbox

__all__ = ["enqueue", "leave_inbox", "release_lock", "take_lock"]


def _lock_key(invocation_id: bytes, row: InvocationRow) -> bytes:
    assert row.target.key is not None
    return keys.lock_key(partition_key_of(invocation_id), row.target.service, row.target.key, row.target.scope)


def _inbox_key(invocation_id: bytes, row: InvocationRow, seq: int) -> bytes:
    target = row.target
    assert target.key is not None
    return keys.inbox_key(partition_key_of(invocation_id), target.service, target.key, seq, target.scope)


def take_lock(ctx: Context, invocation_id: bytes, row: InvocationRow) -> bool:
    """True: the lock is this invocation's now. False: somebody holds it."""
    key = _lock_key(invocation_id, row)
    lock = ctx.txn.lock(key)
    if lock.holder is not None:
        return False
    lock.holder = invocation_id
    ctx.txn.put_lock(key, lock)
    return True


def enqueue(ctx: Context, invocation_id: bytes, row: InvocationRow) -> None:
    """Wait behind all who came before."""
    key = _lock_key(invocation_id, row)
    lock = ctx.txn.lock(key)
    assert lock.holder is not None
    assert lock.holder != invocation_id
    ctx.txn.put(_inbox_key(invocation_id, row, lock.tail), invocation_id)
    row.inbox_seq = lock.tail
    lock.tail += 1
    ctx.txn.put_lock(key, lock)
    if row.status is Status.SCHEDULED:
        move(row, Status.INBOXED, ctx.now_ms)
    else:
        row.status = Status.INBOXED
    row.inboxed_at_ms = ctx.now_ms
    ctx.txn.changed(invocation_id)


def leave_inbox(ctx: Context, invocation_id: bytes, row: InvocationRow) -> None:
    """An inboxed invocation ends before its turn."""
    assert row.status is Status.INBOXED
    ctx.txn.delete(_inbox_key(invocation_id, row, row.inbox_seq))


def release_lock(ctx: Context, invocation_id: bytes, row: InvocationRow) -> None:
    """The holder ended: the next in the queue starts."""
    key = _lock_key(invocation_id, row)
    lock = ctx.txn.lock(key)
    assert lock.holder == invocation_id, f"{row.target} ends without its lock"
    lock.holder = None
    while lock.head < lock.tail:
        seq = lock.head
        place = _inbox_key(invocation_id, row, seq)
        lock.head += 1
        waiting = ctx.txn.get(place)
        if waiting is None:
            continue
        ctx.txn.delete(place)
        next_id = decode_inbox(waiting)
        if next_id is None:
            target = row.target
            assert target.key is not None
            take_mutation(ctx, Place(partition_key_of(invocation_id), target.service, target.key, target.scope), seq)
            continue
        next_row = ctx.txn.invocation(next_id)
        assert next_row is not None
        assert next_row.status is Status.INBOXED
        lock.holder = next_id
        ctx.txn.put_lock(key, lock)
        resume(ctx, next_id, next_row)
        return
    ctx.txn.put_lock(key, lock)
