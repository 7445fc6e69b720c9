"""Entries and notifications appended to an invocation's journal. Pure: no I/O.

Rules that always hold:
- the journal only grows, one row an index, until it is dropped as a whole;
- a command is completed once: a second completion of the same id changes nothing.
"""

from __future__ import annotations

from partitiond.machine.actions import AckRun, ForwardNotification
from partitiond.machine.chains import resume
from partitiond.machine.context import Context
from partitiond.machine.events import drop_events
from partitiond.machine.futures import advance
from partitiond.machine.large_values import release_all, use_in_journal
from partitiond.machine.messages import notification_raw, signal_raw
from shared.protocol.message_types import MessageType
from shared.storage import keys, values
from shared.storage.values import InvocationRow, JournalRow, LargePart, Status
from shared.wal.commands import Failure, Result, Target
from shared.wal.futures import Leaf, comes_again, signal_leaf

__all__ = [
    "FAILED",
    "REPEATED",
    "append_command",
    "append_notification",
    "complete",
    "drop_journal",
    "may_have_result",
    "signal",
]

#: Marks behind the index in a NOTIFICATION row: it is a failure; it came more than once, and may be either.
FAILED = b"f"
REPEATED = b"r"


def append_command(
    ctx: Context,
    invocation_id: bytes,
    row: InvocationRow,
    entry_type: int,
    raw: bytes,
    *,
    callee_id: bytes | None = None,
    callee_target: Target | None = None,
    large: LargePart | None = None,
) -> int:
    """Store a command as the next entry; returns its index among the commands (Input has 0)."""
    _append(ctx, invocation_id, row, JournalRow(entry_type, raw, ctx.now_ms, callee_id, callee_target, large))
    row.command_count += 1
    return row.command_count - 1


def _append(ctx: Context, invocation_id: bytes, row: InvocationRow, entry: JournalRow) -> None:
    if entry.large is not None:
        use_in_journal(ctx.txn, invocation_id, row, entry.large.number)
    ctx.txn.put(keys.journal_key(invocation_id, row.journal_length), values.encode(entry))
    row.journal_length += 1
    ctx.txn.changed(invocation_id)


def append_notification(
    ctx: Context,
    invocation_id: bytes,
    row: InvocationRow,
    entry_type: int,
    raw: bytes,
    notification: int | str,
    *,
    is_signal: bool = False,
    failed: bool = False,
    ack: bool = False,
    large: LargePart | None = None,
    fresh: bool = False,
) -> None:
    """Store a notification and bring it to the handler: forwarded if it runs, waking it if it waits for this.

    A command is completed once. A signal may come again, and each time is another one: a handler may wait for a name
    in a loop, and be cancelled while it cleans up after a cancel.
    `ack`: the handler knows the result, and is told in its place among the notifications only that it is stored.
    `fresh`: whoever calls this has seen that there is none yet.
    """
    leaf = signal_leaf(notification) if is_signal else notification
    key = keys.leaf_key(invocation_id, leaf)
    completion_id = notification if isinstance(notification, int) and not is_signal else None
    open_run = completion_id is not None and completion_id in row.open_runs
    # An open run has no result yet.
    looks = not fresh and not open_run and (completion_id is None or may_have_result(row, completion_id))
    again = looks and ctx.txn.get(key) is not None
    if again and not comes_again(leaf):
        return
    mark = REPEATED if again else FAILED if failed else b""
    ctx.txn.put(key, row.journal_length.to_bytes(4, "big") + mark)
    if completion_id is not None:
        _note_result(row, completion_id)
        if open_run:
            row.open_runs.remove(completion_id)
    _append(ctx, invocation_id, row, JournalRow(entry_type, raw, ctx.now_ms, large=large))
    if row.status is Status.INVOKED:
        if ack:
            assert isinstance(notification, int)
            ctx.act(AckRun(invocation_id, row.generation, notification))
        else:
            index = row.journal_length - 1
            ctx.act(ForwardNotification(invocation_id, row.generation, entry_type, raw, index, large))
    elif row.status is Status.SUSPENDED and _wakes(row, leaf, failed):
        resume(ctx, invocation_id, row)


def may_have_result(row: InvocationRow, completion_id: int) -> bool:
    """Whether a command of this id may have a result: most results come in the order of their ids."""
    if row.journal_length == row.command_count:
        return False
    return row.newest_completion < 0 or completion_id <= row.newest_completion


def _note_result(row: InvocationRow, completion_id: int) -> None:
    if row.journal_length == row.command_count or 0 <= row.newest_completion < completion_id:
        row.newest_completion = completion_id


def _wakes(row: InvocationRow, leaf: Leaf, failed: bool) -> bool:
    assert row.waiting is not None
    future = row.waiting.future
    if future is not None:
        future = row.waiting.future = advance(future, [(leaf, failed)])
        return future is None
    return leaf in row.waiting.leaves()


def complete(
    ctx: Context,
    invocation_id: bytes,
    row: InvocationRow,
    notification_type: MessageType,
    completion_id: int,
    result: Result | None,
    *,
    ack: bool = False,
) -> None:
    """Store the result of a command: a value, a failure, or void."""
    raw = notification_raw(completion_id, result)
    failed = isinstance(result, Failure)
    append_notification(ctx, invocation_id, row, notification_type, raw, completion_id, failed=failed, ack=ack)


def signal(ctx: Context, invocation_id: bytes, row: InvocationRow, which: int | str, result: Result | None) -> None:
    """Store a signal for an invocation that has begun."""
    raw = signal_raw(which, result)
    failed = isinstance(result, Failure)
    append_notification(ctx, invocation_id, row, MessageType.SIGNAL, raw, which, is_signal=True, failed=failed)


def drop_journal(ctx: Context, invocation_id: bytes, row: InvocationRow) -> None:
    """Forget all entries of a completed invocation."""
    txn = ctx.txn
    for index in range(row.journal_length):
        txn.delete(keys.journal_key(invocation_id, index))
    if row.journal_length > row.command_count:
        for key in txn.scan_keys(keys.NOTIFICATION + invocation_id):
            txn.delete(key)
    row.journal_length = 0
    row.command_count = 0
    row.output_index = -1
    row.open_runs = []
    row.newest_completion = -1
    row.first_untold = 0
    if row.large_values:
        release_all(txn, invocation_id, row)
    drop_events(ctx, invocation_id, row)
    txn.changed(invocation_id)
