"""Asks the leader of a partition to do what an operator wants. Owns: nothing."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any

import msgspec

from metad.meta_log import MetaLog
from metad.peers import ask
from shared.api.partition import Moved, PartitionReply, TerminateReply
from shared.config import Settings
from shared.errors import UnavailableError
from shared.ids import encode_invocation_id, partition_key_of

__all__ = ["Make", "Operator"]

_log = logging.getLogger(__name__)
_decode_reply = msgspec.msgpack.Decoder(PartitionReply).decode
#: A leader change takes less than this; the request may be repeated.
_WHOLE_TIMEOUT_S = 10.0
_BACKOFF_FIRST_S = 0.05
_BACKOFF_MAX_S = 1.0

#: Partition id -> the request to its leader.
Make = Callable[[int], msgspec.Struct]


class Operator:
    """Finds the worker, and asks again while leaders change."""

    def __init__(self, settings: Settings, meta_log: MetaLog) -> None:
        self._settings = settings
        self._meta_log = meta_log

    async def ask(self, invocation_id: bytes, make: Make) -> str:
        """The outcome (see `outcomes`), once the partition's leader has answered. Raises UnavailableError."""
        about = f"invocation={encode_invocation_id(invocation_id)}"
        reply = await self.ask_at(partition_key_of(invocation_id), make, about=about)
        assert isinstance(reply, TerminateReply), f"a worker answered {type(reply).__name__} for {about}"
        return reply.outcome

    async def ask_at(self, partition_key: int, make: Make, *, about: str) -> Any:
        """What the leader of this place answers. `about`: for the log. Raises UnavailableError."""
        deadline = asyncio.get_running_loop().time() + _WHOLE_TIMEOUT_S
        backoff_s = _BACKOFF_FIRST_S
        while True:
            remaining_s = deadline - asyncio.get_running_loop().time()
            try:
                return await self._ask_leader(partition_key, make, timeout_s=max(remaining_s, _BACKOFF_FIRST_S))
            except UnavailableError as error:
                if remaining_s <= backoff_s:
                    raise
                _log.warning("%s: %s, trying again", about, error)
            await asyncio.sleep(backoff_s)
            backoff_s = min(backoff_s * 2, _BACKOFF_MAX_S)

    async def _ask_leader(self, partition_key: int, make: Make, *, timeout_s: float) -> Any:
        table = self._meta_log.state.partition_table
        if table is None:
            raise UnavailableError("there is no partition table yet")
        partition = table.partition_of(partition_key)
        name = f"partitiond-{self._settings.worker_of(partition.id)}"
        request = make(partition.id)
        reply = await ask(self._settings.socket(name), request, _decode_reply, name=name, timeout_s=timeout_s)
        if isinstance(reply, Moved):
            raise UnavailableError(f"partition {partition.id} is not led by {name}: {reply.message}")
        return reply
