"""The socket: requests of `shared/api/log.py` in, replies out. Owns: the listening socket.

A request that cannot be carried out gets a `LogError` and touches nothing else; a frame that cannot be
read ends its connection. An exception here is a bug or a failed disk: it ends the process.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from logd.followers import CHUNK_BYTES, is_batch
from logd.group import Group
from logd.registry import valid_name
from shared.api.log import (
    Append,
    Follow,
    Following,
    LogError,
    LogRequest,
    LogStatus,
    LogStatusReply,
    Read,
    ReadReply,
    Trim,
    Trimmed,
)
from shared.rpc.connection import Connection
from shared.rpc.server import RpcServer

__all__ = ["ENVELOPE_BYTES", "LogServer"]

#: A batch may be this much over the record limit: its envelope.
ENVELOPE_BYTES = 64 * 1024
#: One reply must fit in a frame, together with one batch that is over.
_READ_BYTES_MAX = 16 * 1024 * 1024


class LogServer:
    """Carries out the requests of all connections.

    `groups`: the open ones by name; `open_group` makes one; `touch` asks for a tick; `syncs` counts.
    """

    def __init__(
        self,
        path: Path,
        *,
        groups: dict[str, Group],
        open_group: Callable[[str], Group],
        touch: Callable[[Group], None],
        syncs: Callable[[], int],
        on_error: Callable[[BaseException], None],
        payload_bytes_limit: int,
    ) -> None:
        self._groups = groups
        self._open_group = open_group
        self._touch = touch
        self._syncs = syncs
        self._on_error = on_error
        self._payload_bytes_limit = payload_bytes_limit
        self._stopping = False
        self._reads: set[asyncio.Task[None]] = set()
        decoder: msgspec.msgpack.Decoder[LogRequest] = msgspec.msgpack.Decoder(LogRequest)
        self._server = RpcServer(path, decoder.decode, self, name="logd")

    async def start(self) -> None:
        await self._server.start()

    def refuse_appends(self) -> None:
        """From now on appends are answered with `stopping`."""
        self._stopping = True

    async def close(self) -> None:
        """Close every connection, after what is queued for it."""
        for task in self._reads:
            task.cancel()
        await asyncio.gather(*self._reads, return_exceptions=True)
        await self._server.close()

    def on_messages(self, connection: Connection, messages: list[Any]) -> None:
        try:
            for message in messages:
                if type(message) is Append:
                    self._on_append(connection, message)
                else:
                    self._on_request(connection, message)
        except Exception as error:
            self._on_error(error)

    def on_closed(self, connection: Connection) -> None:
        for group in self._groups.values():
            group.followers.remove(connection)

    def _on_append(self, connection: Connection, request: Append) -> None:
        group = self._groups.get(request.group)
        if group is None:
            connection.send(_unknown_group(request.request_id, request.group))
        elif self._stopping:
            connection.send(LogError(request.request_id, "stopping", "logd is stopping: append again when it is back"))
        elif len(request.payload) > self._payload_bytes_limit:
            text = f"batch of {len(request.payload)} bytes is over the limit of {self._payload_bytes_limit}"
            connection.send(LogError(request.request_id, "too_large", f"{text}; see the setting record_bytes_limit"))
        elif not group.engine.is_leader:
            connection.send(group.not_leader(request.request_id))
        else:
            group.propose(connection, request.request_id, request.payload, kept=request.kept)
            self._touch(group)

    def _on_request(self, connection: Connection, request: LogRequest) -> None:
        match request:
            case Follow():
                self._on_follow(connection, request)
            case Read():
                task = asyncio.get_running_loop().create_task(self._read(connection, request))
                self._reads.add(task)
                task.add_done_callback(self._read_done)
            case Trim():
                self._on_trim(connection, request)
            case LogStatus():
                rows = [group.status() for _, group in sorted(self._groups.items())]
                connection.send(LogStatusReply(request.request_id, rows, self._syncs()))
            case _:
                raise AssertionError(f"unexpected request {type(request).__name__}")

    def _on_follow(self, connection: Connection, request: Follow) -> None:
        if not valid_name(request.group):
            text = f"{request.group!r} is no name for a group: lower-case letters, digits and dashes, 63 at most"
            connection.send(LogError(request.request_id, "bad_request", text))
            return
        group = self._groups.get(request.group) or self._open_group(request.group)
        if (reason := group.trimmed(request.from_lsn)) is not None:
            connection.send(LogError(request.request_id, "trimmed", reason))
        elif request.from_lsn > group.journal.last_index + 1:
            # Its state knows more than the log does: one of them is not this node's, or was damaged.
            text = f"group={group.name}: from_lsn {request.from_lsn} is beyond the log's end {group.journal.last_index}"
            connection.send(LogError(request.request_id, "bad_request", f"{text}; restore the log or drop the state"))
        else:
            connection.send(Following(request.request_id, group.name, group.first_lsn, group.tail_lsn))
            connection.send(group.leadership)
            group.followers.add(connection, request_id=request.request_id, from_lsn=request.from_lsn)

    def _on_trim(self, connection: Connection, request: Trim) -> None:
        group = self._groups.get(request.group)
        if group is None:
            connection.send(_unknown_group(request.request_id, request.group))
            return
        group.trim(request.lsn)
        self._touch(group)
        connection.send(Trimmed(request.request_id, group.first_lsn))

    async def _read(self, connection: Connection, request: Read) -> None:
        """Bounded chunks, with a loop turn between: a long read must not hold up the appends."""
        group = self._groups.get(request.group)
        if group is None:
            connection.send(_unknown_group(request.request_id, request.group))
            return
        left = min(request.bytes_limit, _READ_BYTES_MAX)
        batches: list[tuple[int, bytes]] = []
        index = max(request.from_lsn, 1)
        while index <= group.published_index:
            if (reason := group.trimmed(index)) is not None:
                connection.send(LogError(request.request_id, "trimmed", reason))
                return
            chunk = min(left, CHUNK_BYTES)
            last_chunk = left <= CHUNK_BYTES
            for command, at, _ in group.read_committed(index, bytes_limit=chunk):
                if is_batch(command):
                    batches.append((at, command[1:]))
                    left -= len(command)
                index = at + 1
            if last_chunk and batches:
                break
            await asyncio.sleep(0)
        connection.send(ReadReply(request.request_id, batches, group.tail_lsn))

    def _read_done(self, task: asyncio.Task[None]) -> None:
        self._reads.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._on_error(error)


def _unknown_group(request_id: int, group: str) -> LogError:
    return LogError(request_id, "bad_request", f"group {group!r} is not open here: follow it first")
