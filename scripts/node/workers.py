"""Questions to the partition workers of a running node. Owns: connections to their sockets."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable

import msgspec

from shared.api.partition import (
    CheckpointReply,
    CheckpointRequest,
    PartitionReply,
    WorkerStatusReply,
    WorkerStatusRequest,
)
from shared.config import Settings
from shared.errors import UnavailableError
from shared.rpc.client import RpcCaller

__all__ = ["make_checkpoints"]

_ANSWER_S = 10.0
#: A first checkpoint reads all of a store.
_CHECKPOINT_S = 600.0


async def make_checkpoints(
    settings: Settings, *, only: int | None = None, on_made: Callable[[CheckpointReply], None] = lambda reply: None
) -> list[CheckpointReply]:
    """Let every partition, or one, make a checkpoint now; in order of partitions.

    Raises UnavailableError when a worker is away, or does not know the partition.
    """
    workers = range(settings.worker_count) if only is None else [settings.worker_of(only)]
    made: list[CheckpointReply] = []

    def on_each(reply: CheckpointReply) -> None:
        made.append(reply)
        on_made(reply)

    tasks = [asyncio.ensure_future(_of_worker(settings, worker, only, on_each)) for worker in workers]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
    return sorted(made, key=lambda reply: reply.partition_id)


async def _of_worker(
    settings: Settings, worker: int, only: int | None, on_made: Callable[[CheckpointReply], None]
) -> None:
    """One partition after the other: a worker has other things to do."""
    name = f"partitiond-{worker}"
    caller = RpcCaller(settings.socket(name), msgspec.msgpack.Decoder(PartitionReply).decode, name=name)
    caller.start()
    try:
        # Asked in any case: a worker that is away is not waited for as long as a checkpoint may take.
        known = await _partitions(caller)
        for partition_id in known if only is None else [only]:
            reply = await caller.call(CheckpointRequest(0, partition_id), timeout_s=_CHECKPOINT_S)
            if not isinstance(reply, CheckpointReply):
                raise UnavailableError(f"{name} made no checkpoint of partition {partition_id}: {reply.message}")
            on_made(reply)
    finally:
        await caller.close()


async def _partitions(caller: RpcCaller) -> Iterable[int]:
    status = await caller.call(WorkerStatusRequest(0), timeout_s=_ANSWER_S)
    assert isinstance(status, WorkerStatusReply)
    return sorted(partition.partition_id for partition in status.partitions)
