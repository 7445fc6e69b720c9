"""Can this node serve, and if not, what is missing. Owns: nothing; asks the node's other daemons.

Asked only when somebody wants to know; an answer holds for a while, so that an eager prober costs little: 100 ms when
the node is ready, 10 ms when it is not, for then somebody waits.
"""

from __future__ import annotations

import asyncio

import msgspec

from metad.meta_log import MetaLog
from metad.peers import answers_connect, ask
from shared.api.partition import PartitionReply, WorkerStatusReply, WorkerStatusRequest
from shared.config import Settings
from shared.disk import node_guard
from shared.errors import UnavailableError

__all__ = ["Readiness"]

_READY_HOLDS_S = 0.1
_MISSING_HOLDS_S = 0.01
_TIMEOUT_S = 1.0
_decode_reply = msgspec.msgpack.Decoder(PartitionReply).decode


class Readiness:
    """Answers `missing()`: empty when the node can serve. `damaged`: what of it no waiting mends, at the last look."""

    def __init__(self, settings: Settings, meta_log: MetaLog) -> None:
        self._settings = settings
        self._meta_log = meta_log
        self._disk = node_guard(settings)
        self._running: asyncio.Task[list[str]] | None = None
        self._last: list[str] = []
        self._last_at: float | None = None
        self.damaged: list[str] = []

    async def missing(self) -> list[str]:
        """What is not ready, one sentence each."""
        now = asyncio.get_running_loop().time()
        holds_s = _MISSING_HOLDS_S if self._last else _READY_HOLDS_S
        if self._last_at is not None and now - self._last_at < holds_s:
            return self._last
        if self._running is None:
            self._running = asyncio.get_running_loop().create_task(self._look(), name="readiness")
            self._running.add_done_callback(self._keep)
        # One caller that goes away must not end the look of the others.
        return await asyncio.shield(self._running)

    def _keep(self, task: asyncio.Task[list[str]]) -> None:
        self._running = None
        if not task.cancelled() and task.exception() is None:
            self._last = task.result()
            self._last_at = asyncio.get_running_loop().time()

    async def close(self) -> None:
        if self._running is not None:
            self._running.cancel()
            await asyncio.gather(self._running, return_exceptions=True)

    async def _look(self) -> list[str]:
        missing: list[str] = []
        if (trouble := self._disk.look()) is not None:
            missing.append(trouble)
        if not self._meta_log.is_followed:
            missing.append("logd: group meta is not followed")
        if self._meta_log.state.partition_table is None:
            missing.append("metad: there is no partition table yet")
        workers, ingress, sqld = await asyncio.gather(
            self._workers(),
            answers_connect(self._settings.socket("ingress"), timeout_s=_TIMEOUT_S),
            answers_connect(self._settings.socket("sqld"), timeout_s=_TIMEOUT_S),
        )
        missing += workers
        if not ingress:
            missing.append("ingress: its socket does not answer")
        if not sqld:
            missing.append("sqld: its socket does not answer")
        return missing

    async def _workers(self) -> list[str]:
        """Every worker that does not answer, and every partition that none of the others leads."""
        asked = range(self._settings.worker_count)
        statuses = await asyncio.gather(*(self._status_of(worker) for worker in asked))
        missing = [status for status in statuses if isinstance(status, str)]
        replies = [status for status in statuses if not isinstance(status, str)]
        damaged = dict(each for reply in replies for each in reply.damaged)
        self.damaged = [f"partition {number}: {text}" for number, text in damaged.items()]
        missing += [each for reply in replies for each in reply.troubles] + self.damaged
        known = {each.partition_id: each for reply in replies for each in reply.partitions}
        table = self._meta_log.state.partition_table
        for partition in table.partitions if table is not None else []:
            status = known.get(partition.id)
            if partition.id not in damaged and (status is None or not status.ready):
                why = "" if status is None else status.replay
                missing.append(f"partition {partition.id}: {why or 'no ready leader'}")
        return missing

    async def _status_of(self, worker: int) -> WorkerStatusReply | str:
        """Or why there is none."""
        name = f"partitiond-{worker}"
        try:
            reply = await ask(
                self._settings.socket(name), WorkerStatusRequest(1), _decode_reply, name=name, timeout_s=_TIMEOUT_S
            )
        except UnavailableError as error:
            return f"{name}: {error}"
        if not isinstance(reply, WorkerStatusReply):
            return f"{name}: answered {type(reply).__name__} to a status request"
        return reply
