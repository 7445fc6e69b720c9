"""Writes records to the log of a node of which only logd runs. Owns: a connection to logd.

The node's processors apply them when it is started: what is in its stores then came there as everything does.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import msgspec

from scripts.laden.batches import Load, Made, made
from shared.api.log import Append, Appended, LogReply, partition_group
from shared.catalog.partitions import Partition, PartitionTable, even_partitions
from shared.clock import SystemClock
from shared.config import Settings
from shared.errors import UnavailableError
from shared.rpc.client import RpcCaller
from shared.wal.batch import Batch, encode_batch
from shared.wal.commands import AnnounceLeader, Command

__all__ = ["fill"]

#: Invocations of one partition on their way to the log at once; large ones count as many.
_IN_FLIGHT = 1024
_TIMEOUT_S = 120.0
#: An object's state is as large as a few hundred plain invocations.
_OBJECTS_OF_A_CHUNK = 8


async def fill(settings: Settings, load: Load, deployment_id: str, *, commands_of_a_record: int) -> int:
    """Append the commands of `load`; how many records that made. Raises UnavailableError when logd is away."""
    log = RpcCaller(settings.socket("logd"), msgspec.msgpack.Decoder(LogReply).decode, name="logd")
    log.start()
    try:
        table = PartitionTable(1, even_partitions(settings.partition_count))
        fillers = {each.id: _Filler(log, each, commands_of_a_record) for each in table.partitions}
        await asyncio.gather(*(filler.announce(settings.node_name) for filler in fillers.values()))
        for partition_id, chunk in _chunks(load, deployment_id, table, commands_of_a_record):
            await fillers[partition_id].write(chunk)
        await asyncio.gather(*(filler.written() for filler in fillers.values()))
        return sum(filler.records for filler in fillers.values())
    finally:
        await log.close()


def _chunks(load: Load, deployment_id: str, table: PartitionTable, size: int) -> Iterator[tuple[int, list[Made]]]:
    """Invocations of one partition, so many at a time."""
    gathered: dict[int, list[Made]] = {}
    for each in made(load, deployment_id):
        partition_id = table.partition_of(each.partition_key).id
        chunk = gathered.setdefault(partition_id, [])
        chunk.append(each)
        limit = size if each.invoke.target.key is None else min(size, _OBJECTS_OF_A_CHUNK)
        if len(chunk) >= limit:
            yield partition_id, gathered.pop(partition_id)
    yield from gathered.items()


class _Filler:
    """Leads one partition, as far as its log can tell."""

    def __init__(self, log: RpcCaller, partition: Partition, size: int) -> None:
        self._log = log
        self._group = partition_group(partition.id)
        self._range = partition.start_key, partition.end_key
        self._clock = SystemClock()
        self._epoch = 0
        self._seq = 0
        self._free = asyncio.Semaphore(max(1, _IN_FLIGHT // size))
        self._tasks: set[asyncio.Task[None]] = set()
        self._failure: BaseException | None = None
        self.records = 0

    async def announce(self, node: str) -> None:
        """From now on the log is this filler's, until the node's own leader announces itself."""
        self._epoch = await self._append(Batch(0, 0, self._clock.now_ms(), [AnnounceLeader(b"", node, *self._range)]))

    async def write(self, chunk: list[Made]) -> None:
        """Append the chunk; waits while much is on its way."""
        await self._free.acquire()
        task = asyncio.get_running_loop().create_task(self._write(chunk))
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        if self._failure is not None:
            raise self._failure

    async def written(self) -> None:
        """Wait until the log has all. Raises what failed."""
        await asyncio.gather(*self._tasks)
        if self._failure is not None:
            raise self._failure

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            self._failure = self._failure or task.exception()

    async def _write(self, chunk: list[Made]) -> None:
        try:
            lsn = await self._propose([each.invoke for each in chunk])
            await self._propose([each.report(lsn) for each in chunk])
        finally:
            self._free.release()

    async def _propose(self, commands: list[Command]) -> int:
        self._seq += 1
        return await self._append(Batch(self._epoch, self._seq, self._clock.now_ms(), commands))

    async def _append(self, batch: Batch) -> int:
        reply = await self._log.call(Append(0, self._group, encode_batch(batch)), timeout_s=_TIMEOUT_S)
        if not isinstance(reply, Appended):
            raise UnavailableError(f"{self._group}: logd answered {reply}")
        self.records += 1
        return reply.lsn
