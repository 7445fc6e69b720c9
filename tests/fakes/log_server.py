"""logd's socket without Raft or a disk: an ordered log in memory that speaks `shared/api/log.py`.

For tests of daemons that replay a log. `MemoryLog` is what a disk would keep: give the same one to a second
`FakeLogServer` to play a restart of logd. As the real one, it commits appends of a connection in order, leaves
gaps between LSNs, answers requests for groups that nobody follows with `bad_request`, and pushes every
committed batch to every follower. Tests set the fields below to make it misbehave.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from shared.api.log import (
    Append,
    Appended,
    Committed,
    Follow,
    Following,
    GroupStatus,
    Leadership,
    LogError,
    LogReply,
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

__all__ = ["FakeLogServer", "MemoryGroup", "MemoryLog"]


@dataclass
class MemoryGroup:
    """One group. `lsn_step` over 1 leaves gaps, as Raft's own entries do."""

    name: str
    term: int = 1
    is_leader: bool = True
    leader: str | None = "node-1"
    #: Raft's first entry of a term is its own.
    next_lsn: int = 2
    lsn_step: int = 1
    trimmed_lsn: int = 0
    batches: dict[int, bytes] = field(default_factory=dict)

    @property
    def first_lsn(self) -> int:
        return min(self.batches, default=self.trimmed_lsn and self.trimmed_lsn + 1)

    @property
    def tail_lsn(self) -> int:
        return max(self.batches, default=self.trimmed_lsn)

    def commit(self, payload: bytes) -> int:
        """Order one batch, as if on disk on a quorum."""
        lsn = self.next_lsn
        self.batches[lsn] = payload
        self.next_lsn += self.lsn_step
        return lsn

    def from_lsn(self, lsn: int) -> list[tuple[int, bytes]]:
        """Batches in order, from this LSN on."""
        return [(at, payload) for at, payload in self.batches.items() if at >= lsn]

    def trim(self, lsn: int) -> None:
        self.trimmed_lsn = max(self.trimmed_lsn, min(lsn, self.tail_lsn))
        self.batches = {at: payload for at, payload in self.batches.items() if at > lsn}

    def leadership(self) -> Leadership:
        return Leadership(self.name, self.term, self.is_leader, self.leader)


@dataclass
class MemoryLog:
    """All groups: what survives a restart of the server."""

    groups: dict[str, MemoryGroup] = field(default_factory=dict)

    def group(self, name: str) -> MemoryGroup:
        return self.groups.setdefault(name, MemoryGroup(name))


class FakeLogServer:
    """Answers on a Unix socket. All in the loop's thread."""

    def __init__(self, path: Path, log: MemoryLog | None = None) -> None:
        self.log = log if log is not None else MemoryLog()
        #: Commit an append, and close the connection instead of answering it: the outcome is unknown to the client.
        self.forget_replies = 0
        #: Close the connection at the next appends, without committing them.
        self.lose_appends = 0
        #: Commit this many appends twice, as Raft may after a change of leader.
        self.repeat_commits = 0
        #: Appends wait, committed by nobody, until `release`.
        self.hold_appends = False
        self.appends = 0
        self._held: list[tuple[Connection, Append]] = []
        self._followers: dict[str, list[Connection]] = {}
        self._server = RpcServer(path, msgspec.msgpack.Decoder(LogRequest).decode, self, name="fake-logd")

    async def start(self) -> None:
        await self._server.start()

    async def close(self) -> None:
        await self._server.close()

    def release(self) -> None:
        """Commit and answer what was held."""
        self.hold_appends = False
        held, self._held = self._held, []
        for connection, request in held:
            self._append(connection, request)

    def commit(self, group: str, payload: bytes) -> int:
        """Order a batch of another proposer and push it."""
        lsn = self.log.group(group).commit(payload)
        self._push(group, self._committed(group, lsn))
        return lsn

    def set_leader(self, group: str, *, is_leader: bool, leader: str | None) -> None:
        """A new term with this leader; appends to groups that are not led are refused."""
        held = self.log.group(group)
        held.term, held.is_leader, held.leader = held.term + 1, is_leader, leader
        self._push(group, held.leadership())

    def on_closed(self, connection: Connection) -> None:
        for followers in self._followers.values():
            if connection in followers:
                followers.remove(connection)

    def on_messages(self, connection: Connection, messages: list[Any]) -> None:
        for message in messages:
            if not connection.closed:
                self._on_request(connection, message)

    def _on_request(self, connection: Connection, request: LogRequest) -> None:
        match request:
            case Follow():
                self._follow(connection, request)
            case LogStatus():
                connection.send(LogStatusReply(request.request_id, [_status(g) for g in self.log.groups.values()], 0))
            case Append() | Read() | Trim() if request.group not in self.log.groups:
                connection.send(LogError(request.request_id, "bad_request", f"group {request.group!r} is not open"))
            case Append():
                self._on_append(connection, request)
            case Read():
                connection.send(self._read(request))
            case Trim():
                self.log.group(request.group).trim(request.lsn)
                connection.send(Trimmed(request.request_id, self.log.group(request.group).first_lsn))

    def _on_append(self, connection: Connection, request: Append) -> None:
        self.appends += 1
        if self.lose_appends:
            self.lose_appends -= 1
            connection.close()
        elif not self.log.group(request.group).is_leader:
            leader = self.log.group(request.group).leader
            connection.send(LogError(request.request_id, "not_leader", f"the leader is {leader}"))
        elif self.hold_appends:
            self._held.append((connection, request))
        else:
            self._append(connection, request)

    def _append(self, connection: Connection, request: Append) -> None:
        lsn = self.log.group(request.group).commit(request.payload)
        if self.forget_replies:
            self.forget_replies -= 1
            connection.close()
            self._push(request.group, self._committed(request.group, lsn))
        else:
            self._push(
                request.group, self._committed(request.group, lsn), connection if request.kept else None, request
            )
            connection.send(Appended(request.request_id, lsn))
        if self.repeat_commits:
            self.repeat_commits -= 1
            self.commit(request.group, request.payload)

    def _follow(self, connection: Connection, request: Follow) -> None:
        group = self.log.group(request.group)
        if request.from_lsn <= group.trimmed_lsn:
            connection.send(LogError(request.request_id, "trimmed", f"the log begins after {group.trimmed_lsn}"))
            return
        connection.send(Following(request.request_id, group.name, group.first_lsn, group.tail_lsn))
        connection.send(group.leadership())
        for lsn, _ in group.from_lsn(request.from_lsn):
            connection.send(self._committed(group.name, lsn))
        self._followers.setdefault(group.name, []).append(connection)

    def _read(self, request: Read) -> LogReply:
        group = self.log.group(request.group)
        if request.from_lsn <= group.trimmed_lsn:
            return LogError(request.request_id, "trimmed", f"the log begins after {group.trimmed_lsn}")
        batches: list[tuple[int, bytes]] = []
        left = request.bytes_limit
        for lsn, payload in group.from_lsn(request.from_lsn):
            if batches and left <= 0:
                break
            batches.append((lsn, payload))
            left -= len(payload)
        return ReadReply(request.request_id, batches, group.tail_lsn)

    def _committed(self, name: str, lsn: int) -> Committed:
        group = self.log.group(name)
        return Committed(name, lsn, group.tail_lsn, group.batches[lsn])

    def _push(
        self, name: str, message: Committed | Leadership, keeper: Connection | None = None, own: Append | None = None
    ) -> None:
        """`keeper` has the payload of its `own` append still."""
        for connection in self._followers.get(name, []):
            if connection is keeper and isinstance(message, Committed) and own is not None:
                connection.send(Committed(name, message.lsn, message.tail_lsn, b"", own.request_id))
            else:
                connection.send(message)


def _status(group: MemoryGroup) -> GroupStatus:
    stored_bytes = sum(len(payload) for payload in group.batches.values())
    return GroupStatus(
        group.name, group.term, group.is_leader, group.leader, group.first_lsn, group.tail_lsn, stored_bytes
    )
