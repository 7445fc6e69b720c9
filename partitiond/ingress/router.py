"""Finds the worker of a partition, sends, matches replies, retries. Owns: the connections to the workers.

Rules that always hold:
- a request that may have reached a log is repeated only in a form that cannot run anything twice: the caller says
  which (`repeat`);
- a waiting client is never given up while its partition is away, unless we drain; nor while it is there, unless the
  drain takes too long (`abandon`);
- a client that goes away is forgotten at the worker, and nothing else changes.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import NamedTuple

import msgspec

from shared.api.partition import (
    LARGE_BYTES,
    AttachRequest,
    AwakeableRequest,
    ForgetRequest,
    InvokeRequest,
    Moved,
    PartitionReply,
)
from shared.errors import UnavailableError
from shared.rpc.client import RpcClient
from shared.rpc.connection import Connection

__all__ = ["AbandonedError", "Exchange", "RoutedRequest", "Router"]

_log = logging.getLogger(__name__)
_BACKOFF_FIRST_S = 0.05
_BACKOFF_MAX_S = 1.0

RoutedRequest = InvokeRequest | AttachRequest | AwakeableRequest


class AbandonedError(UnavailableError):
    """We stop before there was an answer. What was asked for may be done or not."""


class Exchange(NamedTuple):
    """A reply, and whether the request was sent more than once for it."""

    reply: PartitionReply
    repeated: bool


class Router:
    """`partition_of`: partition key -> partition; `worker_of`: partition -> worker; `socket_of`: worker -> socket."""

    def __init__(
        self,
        *,
        partition_of: Callable[[int], int],
        worker_of: Callable[[int], int],
        socket_of: Callable[[int], Path],
    ) -> None:
        self._partition_of = partition_of
        self._worker_of = worker_of
        self._socket_of = socket_of
        #: By worker and lane: what is large has a connection of its own, which the worker leaves unread while the log
        #: takes what came before; what is small does not wait behind it.
        self._links: dict[tuple[int, bool], _Link] = {}
        self._draining = asyncio.Event()
        self._abandoned = False
        self._next_id = 1

    async def exchange(
        self, partition_key: int, request: RoutedRequest, repeat: RoutedRequest | None = None
    ) -> Exchange:
        """Send until somebody answers. `repeat`: what to send instead once the first may have been applied.

        Raises UnavailableError when we drain and nobody leads the partition, AbandonedError when we must end.
        """
        backoff_s = _BACKOFF_FIRST_S
        repeated = False
        while True:
            partition_id = self._partition_of(partition_key)
            large = _is_large(request)
            link = self._link_to(self._worker_of(partition_id), large=large)
            if not link.is_up():
                await self._or_drain(link.connected())
                continue
            if large:
                await link.turn()
                if not link.is_up():
                    continue
            request.request_id = self._next_id
            request.partition_id = partition_id
            self._next_id += 1
            waiting = link.ask(request)
            try:
                reply = await waiting
            except asyncio.CancelledError:
                link.forget(request)
                raise
            finally:
                link.waiting.pop(request.request_id, None)
            if reply is not None and not isinstance(reply, Moved):
                return Exchange(reply, repeated)
            if self._abandoned:
                raise AbandonedError("this ingress is stopping, and waits no longer")
            _log.debug("partition=%d no answer: %s", partition_id, reply.message if reply else "worker is away")
            repeated = True
            request = repeat or request
            await self._or_drain(asyncio.sleep(backoff_s))
            backoff_s = min(backoff_s * 2, _BACKOFF_MAX_S)

    def connect(self, worker: int) -> None:
        """Open the connection before the first request needs it."""
        self._link_to(worker)

    def drain(self) -> None:
        """From now on a request whose partition is away fails instead of waiting."""
        self._draining.set()

    def abandon(self) -> None:
        """Let nobody wait any longer, whatever comes later."""
        self._draining.set()
        self._abandoned = True
        for link in self._links.values():
            link.abandon()

    async def close(self) -> None:
        """Close the connections to all workers."""
        await asyncio.gather(*(link.close() for link in self._links.values()))

    def _link_to(self, worker: int, *, large: bool = False) -> _Link:
        link = self._links.get((worker, large))
        if link is None:
            link = self._links[worker, large] = _Link(self._socket_of(worker), f"partitiond-{worker}")
        return link

    async def _or_drain(self, waiting: Coroutine[None, None, None]) -> None:
        """Wait for it, but not while draining."""
        task = asyncio.ensure_future(waiting)
        draining = asyncio.ensure_future(self._draining.wait())
        try:
            await asyncio.wait((task, draining), return_when=asyncio.FIRST_COMPLETED)
        finally:
            task.cancel()
            draining.cancel()
        if self._draining.is_set():
            raise UnavailableError("the partition has no leader, and this ingress is stopping")


def _is_large(request: RoutedRequest) -> bool:
    if type(request) is InvokeRequest:
        return len(request.invoke.input) > LARGE_BYTES
    return type(request) is AwakeableRequest and isinstance(request.result, bytes) and len(request.result) > LARGE_BYTES


class _Link:
    """One worker: its connection, and who waits for which reply."""

    def __init__(self, path: Path, name: str) -> None:
        self._client = RpcClient(path, msgspec.msgpack.Decoder(PartitionReply).decode, self, name=name)
        self.waiting: dict[int, asyncio.Future[PartitionReply | None]] = {}
        self._loop = asyncio.get_running_loop()
        self._turn = asyncio.Lock()
        self._client.start()

    def is_up(self) -> bool:
        """Something can be sent."""
        return self._client.connection is not None

    async def connected(self) -> None:
        await self._client.connected()

    async def close(self) -> None:
        await self._client.close()

    async def turn(self) -> None:
        """Wait until the worker reads what was sent before; then one request may be sent."""
        async with self._turn:
            # What the one before sent is written at the end of its loop turn: only then is it known.
            await asyncio.sleep(0)
            connection = self._client.connection
            if connection is not None:
                await connection.drained()

    def ask(self, request: RoutedRequest) -> asyncio.Future[PartitionReply | None]:
        """None: the worker went away before it answered. Needs a connection. Who waits leaves `waiting` at the end."""
        connection = self._client.connection
        assert connection is not None
        future: asyncio.Future[PartitionReply | None] = self._loop.create_future()
        self.waiting[request.request_id] = future
        connection.send(request)
        return future

    def forget(self, request: RoutedRequest) -> None:
        """Nobody waits for the reply any more."""
        connection = self._client.connection
        if connection is not None:
            connection.send(ForgetRequest(request.request_id, request.partition_id))

    def on_connected(self, connection: Connection) -> None:
        pass

    def on_messages(self, connection: Connection, messages: list[PartitionReply]) -> None:
        waiting = self.waiting
        for message in messages:
            # Nobody waits when the client has gone away meanwhile.
            future = waiting.get(message.request_id)
            if future is not None and not future.done():
                future.set_result(message)

    def on_closed(self, connection: Connection) -> None:
        self.abandon()

    def abandon(self) -> None:
        """Nobody's answer will come, or will be waited for."""
        for future in self.waiting.values():
            if not future.done():
                future.set_result(None)
