"""logd without a socket: an ordered log in memory and connections to it, all in one (simulated) event loop.

What is appended is committed in order, after `delay()` seconds, and handed to all who follow, many batches at once
when they come together. Tests set fields to make it misbehave.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from partitiond.log.link import GroupFollower
from shared.api.log import Committed, Following, Leadership, LogError
from tests.fakes.log_server import MemoryGroup, MemoryLog

__all__ = ["KilledError", "SimLink", "SimLog"]


class KilledError(Exception):
    """Raised by a test's store or invoker: the process was killed right there."""


class SimLog:
    """The log itself: `disk` is what survives everything."""

    def __init__(self, *, delay: Callable[[], float] = lambda: 0.0) -> None:
        self.disk = MemoryLog()
        self.delay = delay
        #: Asked at each append whether it is committed twice, as Raft may after a change of leader.
        self.repeats: Callable[[], bool] = lambda: False
        #: What is lost with its connection is committed all the same, so many seconds later; None: never.
        self.late: Callable[[], float | None] = lambda: None
        self._links: list[SimLink] = []

    def connect(self) -> SimLink:
        """A connection of one more process."""
        link = SimLink(self)
        self._links.append(link)
        return link

    def disconnect(self, link: SimLink) -> None:
        self._links.remove(link)

    def group(self, name: str) -> MemoryGroup:
        return self.disk.group(name)

    def commit(self, name: str, payload: bytes) -> int:
        """Order one batch, whoever made it, and hand it to all who follow."""
        lsn = self.group(name).commit(payload)
        for link in self._links:
            link.push(name, lsn, payload)
        return lsn

    def lead(self, name: str, leader: SimLink | None, *, node: str | None = None) -> None:
        """A new term: `leader`'s node leads the group from here on."""
        group = self.group(name)
        group.term += 1
        for link in self._links:
            link.tell(Leadership(name, group.term, link is leader, node))


@dataclass(eq=False)
class _Append:
    group: str
    payload: bytes


class SimLink:
    """One connection: an `Appender`, and the source of a `GroupFollower`."""

    def __init__(self, log: SimLog) -> None:
        self.log = log
        self.connected = True
        #: This many appends are lost on the way, and nobody is told.
        self.lose_appends = 0
        #: This many appends are refused with `error_code`.
        self.refuse_appends = 0
        self.error_code = "not_leader"
        #: Appends wait, committed by nobody, until `release`.
        self.hold_appends = False
        self.appended: list[tuple[str, bytes]] = []
        self.trims: list[tuple[str, int]] = []
        self._held: list[_Append] = []
        self._followers: dict[str, GroupFollower] = {}
        self._on_the_way: list[_Append] = []
        self._arrived: dict[str, list[Committed]] = {}
        self._ready_at = 0.0

    # What partitiond calls.

    def follow(self, follower: GroupFollower, *, leads: bool = True) -> None:
        name = follower.group
        group = self.log.group(name)
        self._followers[name] = follower
        self._arrived.pop(name, None)
        follower.on_following(Following(0, name, group.first_lsn, group.tail_lsn))
        follower.on_leadership(Leadership(name, group.term, leads, "node-1"))
        for lsn, payload in group.from_lsn(follower.applied_lsn + 1):
            self.push(name, lsn, payload)

    def append(self, group: str, payload: bytes) -> None:
        if not self.connected:
            return
        self.appended.append((group, payload))
        if self.lose_appends:
            self.lose_appends -= 1
        elif self.refuse_appends:
            self.refuse_appends -= 1
            asyncio.get_running_loop().call_soon(self._refuse, group, payload)
        elif self.hold_appends:
            self._held.append(_Append(group, payload))
        else:
            self._send(_Append(group, payload))

    def trim(self, group: str, lsn: int) -> None:
        self.trims.append((group, lsn))

    # What tests call.

    def release(self, *, now: bool = False) -> None:
        """Let go what was held. `now`: it is committed when this returns."""
        self.hold_appends = False
        held, self._held = self._held, []
        for append in held:
            if now:
                self.log.commit(append.group, append.payload)
            else:
                self._send(append)

    def lose(self, *, committed: int | None = None) -> None:
        """logd is away. Of what was on its way the first `committed` are committed all the same; None: all."""
        self.connected = False
        lost = self._on_the_way[len(self._on_the_way) if committed is None else committed :]
        for append in self._on_the_way[:committed]:
            self.log.commit(append.group, append.payload)
        self._on_the_way.clear()
        late_s = self.log.late()
        if late_s is not None:
            for number, append in enumerate(lost):
                asyncio.get_running_loop().call_later(
                    late_s + number * 1e-6, self.log.commit, append.group, append.payload
                )
        self._held.clear()
        self._arrived.clear()
        for follower in self._followers.values():
            follower.on_log_lost()

    def come_back(self, *, leads: bool = True) -> None:
        """logd is there again."""
        self.connected = True
        self._ready_at = 0.0
        for follower in list(self._followers.values()):
            self.follow(follower, leads=leads)

    def die(self, *, committed: int | None = None) -> None:
        """This process was killed: nobody is told anything."""
        self._followers.clear()
        self.lose(committed=committed)
        self.log.disconnect(self)

    # What the log calls.

    def push(self, name: str, lsn: int, payload: bytes) -> None:
        if not self.connected or name not in self._followers:
            return
        if not self._arrived:
            asyncio.get_running_loop().call_soon(self._deliver)
        self._arrived.setdefault(name, []).append(Committed(name, lsn, self.log.group(name).tail_lsn, payload))

    def tell(self, leadership: Leadership) -> None:
        follower = self._followers.get(leadership.group)
        if self.connected and follower is not None:
            self._deliver()
            follower.on_leadership(leadership)

    # Helpers.

    def _send(self, append: _Append) -> None:
        loop = asyncio.get_running_loop()
        self._on_the_way.append(append)
        # Appends of one connection keep their order; alarms of one time would not.
        self._ready_at = max(self._ready_at + 1e-6, loop.time() + self.log.delay())
        loop.call_at(self._ready_at, self._arrive, append)

    def _arrive(self, append: _Append) -> None:
        if append in self._on_the_way:
            self._on_the_way.remove(append)
            self.log.commit(append.group, append.payload)
            if self.log.repeats():
                self.log.commit(append.group, append.payload)

    def _refuse(self, group: str, payload: bytes) -> None:
        late_s = self.log.late()
        if late_s is not None:
            asyncio.get_running_loop().call_later(late_s, self.log.commit, group, payload)
        follower = self._followers.get(group)
        if follower is not None:
            follower.on_append_failed(LogError(0, self.error_code, "refused by the test"))

    def _deliver(self) -> None:
        arrived, self._arrived = self._arrived, {}
        for name, batches in arrived.items():
            follower = self._followers.get(name)
            if follower is None:
                continue
            try:
                follower.on_committed(batches)
            except KilledError:
                assert not self._followers, "who raised this has called `die`"
