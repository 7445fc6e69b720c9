"""One connection to logd for all partitions of a worker. Owns: the socket and who follows which group.

Each time logd comes back every group is followed again from behind its applied LSN. What was in flight
then has an unknown outcome: followers are told by `on_log_lost` and step down.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import msgspec

from shared.api.log import (
    Append,
    Appended,
    Committed,
    Follow,
    Following,
    Leadership,
    LogError,
    LogReply,
    Trim,
    Trimmed,
    encode_kept_append,
)
from shared.rpc.client import RpcClient
from shared.rpc.connection import Connection

__all__ = ["GroupFollower", "LogLink"]

_log = logging.getLogger(__name__)
#: Messages handed over at once, and how long that may go on before others have their turn: a worker that replays
#: still answers how far it is, and a partition that has caught up serves.
_PORTION = 128
_TURN_S = 0.02
#: A batch over this is kept until it is committed, and so it is not sent back.
_KEPT_BYTES = 32 * 1024
#: Codes of refusals that a planned restart, or another leader, brings: nobody has to look into them.
_PASSING = ("not_leader", "stopping")


class GroupFollower(Protocol):
    """One partition, as the log sees it."""

    group: str

    @property
    def applied_lsn(self) -> int: ...

    def on_following(self, message: Following) -> None: ...

    def on_leadership(self, message: Leadership) -> None: ...

    def on_committed(self, batches: list[Committed]) -> None:
        """Committed batches in LSN order, each exactly once."""
        ...

    def on_append_failed(self, error: LogError) -> None:
        """A batch of this group was refused, or its outcome is unknown."""
        ...

    def on_log_lost(self) -> None:
        """logd is away; everything in flight has an unknown outcome."""
        ...


class LogLink:
    """Appends and follows over one socket."""

    def __init__(self, path: Path, on_paused: Callable[[bool], None] = lambda paused: None) -> None:
        """`on_paused`: called as logd takes appends too slowly (True), and when it has caught up or is gone."""
        self._on_paused = on_paused
        decode = msgspec.msgpack.Decoder(LogReply).decode
        self._client = RpcClient(path, decode, self, name="logd")
        self._followers: dict[str, GroupFollower] = {}
        self._asked: dict[int, str] = {}
        #: Payloads of large appends on their way.
        self._kept: dict[int, bytes] = {}
        self._next_id = 1
        self._loop: asyncio.AbstractEventLoop
        #: Messages that came and are not handed over. Invariant: not empty only while the connection is held.
        self._waiting: deque[Any] = deque()

    def start(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._client.start()

    async def close(self) -> None:
        await self._client.close()
        self._waiting.clear()

    def follow(self, follower: GroupFollower) -> None:
        """Bring every committed batch of the group to `follower`, from behind its applied LSN."""
        self._followers[follower.group] = follower
        if self._client.connection is not None:
            self._follow(self._client.connection, follower)

    def append(self, group: str, payload: bytes) -> None:
        """Order a batch. It comes back as committed, or `on_append_failed` or `on_log_lost` is called."""
        connection = self._client.connection
        if connection is None:
            return
        request_id = self._ask(group)
        if len(payload) < _KEPT_BYTES:
            connection.send(Append(request_id, group, payload))
        else:
            self._kept[request_id] = payload
            connection.send_pieces(encode_kept_append(request_id, group, payload))

    def trim(self, group: str, lsn: int) -> None:
        """Nothing up to this LSN is needed any more."""
        if self._client.connection is not None:
            self._client.connection.send(Trim(self._ask(group), group, lsn))

    def _ask(self, group: str) -> int:
        request_id = self._next_id
        self._next_id += 1
        self._asked[request_id] = group
        return request_id

    def _follow(self, connection: Connection, follower: GroupFollower) -> None:
        connection.send(Follow(self._ask(follower.group), follower.group, follower.applied_lsn + 1))

    def on_connected(self, connection: Connection) -> None:
        connection.watch_paused(self._on_paused)
        for follower in self._followers.values():
            self._follow(connection, follower)

    def on_closed(self, connection: Connection) -> None:
        self._on_paused(False)
        self._asked.clear()
        self._kept.clear()
        self._waiting.clear()
        for follower in self._followers.values():
            follower.on_log_lost()

    def on_messages(self, connection: Connection, messages: list[Any]) -> None:
        """Many at once are handed over in portions, with the loop's other work in between."""
        if len(messages) <= _PORTION and not self._waiting:
            self._hand_over(messages)
            return
        held = bool(self._waiting)
        self._waiting.extend(messages)
        if not held and not self._hand_over_some():
            connection.hold(on=True)
            self._loop.call_soon(self._go_on, connection)

    def _go_on(self, connection: Connection) -> None:
        if connection.closed or not self._waiting:
            return
        if self._hand_over_some():
            connection.hold(on=False)
        else:
            self._loop.call_soon(self._go_on, connection)

    def _hand_over_some(self) -> bool:
        """True: all is handed over."""
        until = self._loop.time() + _TURN_S
        while self._waiting:
            self._hand_over([self._waiting.popleft() for _ in range(min(_PORTION, len(self._waiting)))])
            if self._loop.time() >= until:
                break
        return not self._waiting

    def _hand_over(self, messages: list[Any]) -> None:
        """Committed batches that arrive together are handed over together: one commit of the store for all."""
        committed: dict[str, list[Committed]] = {}
        for message in messages:
            if type(message) is Committed:
                if message.request_id:
                    message.payload = self._kept.pop(message.request_id)
                committed.setdefault(message.group, []).append(message)
            elif type(message) is Appended:
                self._asked.pop(message.request_id, None)
                if self._kept:
                    self._kept.pop(message.request_id, None)
            else:
                # Keep the order between batches and what is told about their group.
                self._flush(committed)
                self._on_other(message)
        self._flush(committed)

    def _flush(self, committed: dict[str, list[Committed]]) -> None:
        for group, batches in committed.items():
            self._followers[group].on_committed(batches)
        committed.clear()

    def _on_other(self, message: LogReply) -> None:
        match message:
            case Following():
                self._asked.pop(message.request_id, None)
                self._followers[message.group].on_following(message)
            case Leadership():
                self._followers[message.group].on_leadership(message)
            case Trimmed():
                self._asked.pop(message.request_id, None)
            case LogError():
                group = self._asked.pop(message.request_id, None)
                self._kept.pop(message.request_id, None)
                level = logging.WARNING if message.code in _PASSING else logging.ERROR
                _log.log(level, "group=%s logd refused a request: %s: %s", group, message.code, message.message)
                if group is not None:
                    self._followers[group].on_append_failed(message)
            case _:
                raise TypeError(f"unexpected message of logd: {message!r}")
