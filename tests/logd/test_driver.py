"""The pump over a store that forgets what was not synced, or fails."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable
from typing import Any, cast

import msgspec
import pytest

from logd import syncer as syncer_module
from logd.driver import Driver
from logd.group import Group, Membership
from logd.journal import GroupJournal
from logd.raft.transport import NoFabric
from logd.reclaimer import Reclaimer
from logd.store import StoreError
from logd.syncer import Syncer
from shared.api.log import Appended, Committed, LogReply
from shared.rpc.connection import Connection
from tests.logd.fakes import FailingStore, MemoryStore

_decode = msgspec.msgpack.Decoder(LogReply).decode


class FakeConnection:
    """Keeps what it is sent."""

    def __init__(self) -> None:
        self.sent: list[Any] = []
        self.paused = False
        self.closed = False
        #: Each change of whether it is read.
        self.held: list[bool] = []

    def hold(self, *, on: bool) -> None:
        self.held.append(on)

    def send(self, message: Any) -> None:
        self.sent.append(message)

    def send_encoded(self, payload: bytes) -> None:
        self.sent.append(_decode(payload))

    async def drained(self) -> None: ...

    def of_type(self, kind: type) -> list[Any]:
        return [message for message in self.sent if type(message) is kind]


class HeldSyncer(Syncer):
    """Syncs when told to."""

    def __init__(self, store: MemoryStore) -> None:
        self._store = store
        self.waiting: list[Callable[[BaseException | None], None]] = []

    def start(self, done: Callable[[BaseException | None], None]) -> None:
        self.waiting.append(done)

    def release(self) -> None:
        """Finish the sync that waits."""
        [done] = self.waiting
        self.waiting.clear()
        error: BaseException | None = None
        try:
            self._store.sync()
        except StoreError as failure:
            error = failure
        done(error)

    def close(self) -> None: ...


class Pump:
    """A driver with groups, and one connection that appends and follows."""

    def __init__(self, store: MemoryStore, *names: str, reclaim_bytes: int = 1 << 30) -> None:
        self.store = store
        self.syncer = HeldSyncer(store)
        self.reclaimer = Reclaimer(store, lambda error: self.driver.fail(error), bytes_min=reclaim_bytes)
        self.driver = Driver(store, self.syncer, self.reclaimer)
        self.connection = FakeConnection()
        self.disk_trouble: str | None = None
        self.groups: list[Group] = []
        for number, name in enumerate(names, start=1):
            journal = GroupJournal(store, name, number)
            group = Group(journal, Membership("a"), NoFabric(), self.driver.fail, lambda: self.disk_trouble)
            group.followers.add(cast(Connection, self.connection), request_id=0, from_lsn=group.published_index + 1)
            self.groups.append(group)
            self.driver.add(group)

    def append(self, group: Group, payload: bytes, request_id: int = 0) -> None:
        group.propose(cast(Connection, self.connection), request_id, payload)
        self.driver.touch(group)

    async def turn(self) -> None:
        """Let the driver do what it can without the disk."""
        for _ in range(3):
            await asyncio.sleep(0)

    async def settle(self) -> None:
        """Sync until nothing is left to do."""
        await self.turn()
        while self.syncer.waiting:
            self.syncer.release()
            await self.turn()


def run(scenario: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(cast(Any, scenario()))


def test_nothing_is_told_before_the_sync() -> None:
    async def main() -> None:
        pump = Pump(MemoryStore(), "p-1")
        await pump.settle()
        assert pump.groups[0].engine.is_leader
        pump.append(pump.groups[0], b"x")
        await pump.turn()
        assert pump.store.stages
        assert pump.connection.of_type(Appended) == []
        assert pump.connection.of_type(Committed) == []
        crashed = GroupJournal(pump.store.crash(), "p-1", 1)
        assert b"\0x" not in [command for command, _, _ in crashed[:]]
        pump.syncer.release()
        [answer], [batch] = pump.connection.of_type(Appended), pump.connection.of_type(Committed)
        assert answer.lsn == batch.lsn
        crashed = GroupJournal(pump.store.crash(), "p-1", 1)
        assert crashed[-1][:2] == (b"\0x", answer.lsn)
        pump.driver.close()

    run(main)


def test_all_groups_of_a_turn_share_one_write_and_one_sync() -> None:
    async def main() -> None:
        pump = Pump(MemoryStore(), "p-1", "p-2", "p-3")
        await pump.settle()
        stages, syncs = pump.store.stages, pump.store.syncs
        for number in range(90):
            pump.append(pump.groups[number % 3], b"%d" % number, number)
        await pump.settle()
        assert (pump.store.stages - stages, pump.store.syncs - syncs) == (1, 1)
        answers = {answer.request_id: answer.lsn for answer in pump.connection.of_type(Appended)}
        assert len(answers) == 90
        for place in range(3):
            lsns = [answers[number] for number in range(place, 90, 3)]
            assert lsns == list(range(lsns[0], lsns[0] + 30))
        pump.driver.close()

    run(main)


def test_what_comes_during_a_sync_waits_for_the_next_one() -> None:
    async def main() -> None:
        pump = Pump(MemoryStore(), "p-1")
        await pump.settle()
        pump.append(pump.groups[0], b"one", 1)
        await pump.turn()
        pump.append(pump.groups[0], b"two", 2)
        await pump.turn()
        pump.syncer.release()
        assert [answer.request_id for answer in pump.connection.of_type(Appended)] == [1]
        await pump.settle()
        assert [answer.request_id for answer in pump.connection.of_type(Appended)] == [1, 2]
        pump.driver.close()

    run(main)


def test_a_touch_from_within_a_tick_begins_no_second_sync() -> None:
    """A tick sends to a peer, whose connection has enough with that: the fabric tells all groups, and touches them.
    Were a second sync begun beside the first, the end of the first would acknowledge what only the second covers."""

    async def main() -> None:
        pump = Pump(MemoryStore(), "p-1")
        await pump.settle()
        group = pump.groups[0]
        tick = group.tick

        def tick_and_tell() -> None:
            tick()
            pump.driver.touch(group)

        group.tick = tick_and_tell  # type: ignore[method-assign]
        pump.append(group, b"one", 1)
        await asyncio.sleep(0)
        pump.append(group, b"two", 2)
        await pump.turn()
        assert len(pump.syncer.waiting) == 1
        pump.syncer.release()
        assert [answer.request_id for answer in pump.connection.of_type(Appended)] == [1]
        group.tick = tick  # type: ignore[method-assign]
        await pump.settle()
        assert [answer.request_id for answer in pump.connection.of_type(Appended)] == [1, 2]
        pump.driver.close()

    run(main)


@pytest.mark.parametrize("call", ["stage", "sync"])
def test_a_failing_store_ends_everything_and_loses_nothing_acknowledged(call: str) -> None:
    async def main() -> None:
        store = FailingStore()
        pump = Pump(store, "p-1")
        await pump.settle()
        pump.append(pump.groups[0], b"kept", 1)
        await pump.settle()
        store.failing = call
        pump.append(pump.groups[0], b"lost", 2)
        await pump.settle()
        with pytest.raises(StoreError, match="no space left"):
            await pump.driver.quiet()
        store.failing = None
        pump.append(pump.groups[0], b"never", 3)
        await pump.settle()
        assert [answer.request_id for answer in pump.connection.of_type(Appended)] == [1]
        assert [batch.payload for batch in pump.connection.of_type(Committed)] == [b"kept"]
        kept = [command for command, _, _ in GroupJournal(store.crash(), "p-1", 1)[:]]
        assert b"\0kept" in kept
        assert b"\0never" not in kept
        pump.driver.close()

    run(main)


def test_a_large_queue_is_taken_in_several_syncs() -> None:
    async def main() -> None:
        pump = Pump(MemoryStore(), "p-1")
        await pump.settle()
        syncs = pump.store.syncs
        for number in range(10):
            pump.append(pump.groups[0], b"x" * 1024 * 1024, number)
        await pump.settle()
        assert [answer.request_id for answer in pump.connection.of_type(Appended)] == list(range(10))
        assert pump.store.syncs - syncs == 3
        pump.driver.close()

    run(main)


def test_who_appends_faster_than_the_disk_is_not_read_meanwhile() -> None:
    async def main() -> None:
        pump = Pump(MemoryStore(), "p-1")
        await pump.settle()
        for number in range(33):
            pump.append(pump.groups[0], b"x" * 1024 * 1024, number)
        assert pump.connection.held == [True]
        await pump.settle()
        assert len(pump.connection.of_type(Appended)) == 33
        assert pump.connection.held == [True, False]
        pump.driver.close()

    run(main)


def test_appends_wait_for_room_on_the_disk_while_what_makes_room_goes_on() -> None:
    async def main() -> None:
        pump = Pump(MemoryStore(), "p-1")
        await pump.settle()
        group = pump.groups[0]
        pump.append(group, b"before", 1)
        await pump.settle()
        pump.disk_trouble = "disk full: a test"
        stages = pump.store.stages
        pump.append(group, b"waits", 2)
        await pump.settle()
        assert (pump.store.stages, group.idle) == (stages, False)
        group.trim(group.tail_lsn)
        pump.driver.touch(group)
        await pump.settle()
        assert pump.store.stages > stages
        assert group.journal.trim_lsn == group.tail_lsn
        assert [answer.request_id for answer in pump.connection.of_type(Appended)] == [1]
        pump.disk_trouble = None
        pump.driver.touch(group)
        await pump.settle()
        assert [answer.request_id for answer in pump.connection.of_type(Appended)] == [1, 2]
        assert group.idle
        pump.driver.close()

    run(main)


@pytest.mark.parametrize(
    ("trimmed", "expected"),
    [
        # Each number is what is trimmed between two looks, a reclaim is worth it from 1000 on.
        ([600, 0], [0, 0]),
        ([1200, 0], [0, 1]),
        ([600, 600, 0], [0, 0, 1]),
        # While trimming goes on, four times as much.
        ([1200, 1200, 1200, 600], [0, 0, 0, 1]),
        ([1200, 0, 0, 1200, 0], [0, 1, 1, 1, 2]),
    ],
)
def test_trimmed_space_is_reclaimed_once_it_is_worth_it(trimmed: list[int], expected: list[int]) -> None:
    async def main() -> None:
        pump = Pump(MemoryStore(), "p-1", reclaim_bytes=1000)
        await pump.settle()
        group = pump.groups[0]
        runs: list[int] = []
        for size in trimmed:
            for number in range(size // 100):
                pump.append(group, b"x" * 99, number)
            await pump.settle()
            group.trim(group.tail_lsn)
            pump.driver.touch(group)
            await pump.settle()
            pump.reclaimer.maybe_start([group.journal])
            await pump.reclaimer.close()
            assert len(pump.store.reclaimed) == pump.reclaimer.runs
            runs.append(pump.reclaimer.runs)
        assert runs == expected
        pump.driver.close()

    run(main)


class _TimedStore(MemoryStore):
    """Takes as long as told, and notes the thread."""

    def __init__(self) -> None:
        super().__init__()
        self.takes_s = 0.0
        self.threads: list[int] = []

    def sync(self) -> None:
        time.sleep(self.takes_s)
        self.threads.append(threading.get_ident())
        super().sync()


def test_a_fast_disk_is_synced_in_the_loop_and_a_slow_one_beside_it() -> None:
    async def main() -> None:
        store = _TimedStore()
        syncer = Syncer(store, inline_s_max=0.005)
        loop = asyncio.get_running_loop()

        async def sync() -> bool:
            done: asyncio.Future[BaseException | None] = loop.create_future()
            syncer.start(done.set_result)
            assert not done.done()
            assert await done is None
            return store.threads[-1] == threading.get_ident()

        for _ in range(50):
            inline = await sync()
        assert inline
        store.takes_s = 0.02
        for _ in range(10):
            inline = await sync()
        assert not inline
        syncer.close()

    run(main)


def test_a_slow_sync_is_told_of_now_and_then(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        store = _TimedStore()
        syncer = Syncer(store)
        for takes_s in (0.0, 0.02, 0.02):
            store.takes_s = takes_s
            assert syncer._sync() is None
        syncer.close()

    monkeypatch.setattr(syncer_module, "_SLOW_S", 0.01)
    run(main)
    [text] = caplog.messages
    assert text.startswith("a sync of the log took 0.0 s")


def test_a_failing_sync_reports_its_error() -> None:
    async def main() -> None:
        store = FailingStore()
        store.failing = "sync"
        syncer = Syncer(store)
        done: asyncio.Future[BaseException | None] = asyncio.get_running_loop().create_future()
        syncer.start(done.set_result)
        assert isinstance(await done, StoreError)
        syncer.close()

    run(main)
