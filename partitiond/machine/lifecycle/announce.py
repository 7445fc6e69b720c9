"""A leader takes over. Pure: no I/O."""

from __future__ import annotations

from partitiond.machine.context import Context
from partitiond.machine.running import index_all
from shared.wal.commands import AnnounceLeader

__all__ = ["on_announce_leader"]


def on_announce_leader(ctx: Context, command: AnnounceLeader) -> None:
    """From this LSN on only batches of this leader count, from sequence 1."""
    meta = ctx.txn.meta
    meta.epoch = ctx.lsn
    meta.leader_uid = command.uid
    meta.seq = 0
    index_all(ctx.txn)
