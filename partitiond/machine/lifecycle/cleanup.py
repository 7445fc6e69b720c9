"""Retention is over. Pure: no I/O."""

from __future__ import annotations

from partitiond.machine.context import Context
from partitiond.machine.journal import drop_journal
from partitiond.machine.lifecycle.complete import forget
from partitiond.machine.lifecycle.dropped import forget_dropped
from shared.storage.values import Status
from shared.wal.commands import CleanUp

__all__ = ["on_clean_up"]


def on_clean_up(ctx: Context, command: CleanUp) -> None:
    """Forget what has expired by now; the proposer's list may be older than the rows."""
    for invocation_id in command.invocation_ids:
        if ctx.txn.meta.dropped_until_ms:
            forget_dropped(ctx, invocation_id)
        row = ctx.txn.invocation(invocation_id)
        if row is None or row.status is not Status.COMPLETED:
            continue
        if row.expires_at_ms <= ctx.now_ms:
            forget(ctx, invocation_id, row)
        elif row.completed_at_ms + row.journal_retention_ms <= ctx.now_ms:
            drop_journal(ctx, invocation_id, row)
