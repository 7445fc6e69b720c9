"""The other partition workers of this node, for messages between partitions."""

from __future__ import annotations

import msgspec

from shared.api.partition import DeliverReply, DeliverRequest, Moved, PartitionReply
from shared.config import Settings
from shared.errors import UnavailableError
from shared.rpc.client import RpcCaller
from shared.wal.commands import OutboxMessage

__all__ = ["Peers"]


class Peers:
    """One connection to each worker that was ever written to."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._callers: dict[int, RpcCaller] = {}

    async def deliver(self, receiver: int, sender: int, messages: list[tuple[int, OutboxMessage]]) -> None:
        """Returns once the receiving partition has stored them. Raises UnavailableError: try again."""
        reply = await self._caller(self._settings.worker_of(receiver)).call(
            DeliverRequest(0, receiver, sender, messages)
        )
        match reply:
            case DeliverReply():
                return
            case Moved():
                raise UnavailableError(reply.message)
            case _:
                raise TypeError(f"unexpected reply {reply!r}")

    def _caller(self, worker: int) -> RpcCaller:
        caller = self._callers.get(worker)
        if caller is None:
            name = f"partitiond-{worker}"
            decode = msgspec.msgpack.Decoder(PartitionReply).decode
            caller = self._callers[worker] = RpcCaller(self._settings.socket(name), decode, name=name)
            caller.start()
        return caller

    async def close(self) -> None:
        for caller in self._callers.values():
            await caller.close()
