"""When checkpoints are made, and what logd is told after them."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable

import pytest

from partitiond.checkpointer import Checkpointer
from partitiond.keeper import Kept
from shared.snapshots.checkpoint_file import CheckpointInfo
from shared.snapshots.checkpoints import KeepError


class Bench:
    """A store whose checkpoints take as long as the test says."""

    def __init__(self, *, interval_s: float = 1000.0, log_bytes: int = 1000) -> None:
        self.applied_lsn = 0
        self.flushed: list[int] = []
        self.trims: list[int] = []
        self.go_on = threading.Event()
        self.go_on.set()
        self.error: Exception | None = None
        self.checkpointer = Checkpointer(
            self, lambda: self.applied_lsn, self.trims.append, interval_s=interval_s, log_bytes=log_bytes
        )

    def checkpoint(self) -> None:
        assert threading.current_thread() is not threading.main_thread()
        lsn = self.applied_lsn
        assert self.go_on.wait(10)
        if self.error is not None:
            raise self.error
        self.flushed.append(lsn)

    def commit(self, log_bytes: int) -> None:
        self.applied_lsn += 1
        self.checkpointer.on_committed(log_bytes)


def run(scenario: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(scenario())  # type: ignore[arg-type]


async def soon(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.002)


def test_a_checkpoint_is_made_after_so_many_log_bytes() -> None:
    async def scenario() -> None:
        bench = Bench()
        for _ in range(9):
            bench.commit(100)
        await asyncio.sleep(0.02)
        assert not bench.flushed
        assert bench.checkpointer.durable_lsn == 0
        bench.commit(100)
        await soon(lambda: bench.trims == [10])
        assert bench.checkpointer.durable_lsn == 10

    run(scenario)


def test_a_checkpoint_is_made_at_the_latest_so_long_after_a_change() -> None:
    async def scenario() -> None:
        bench = Bench(interval_s=0.02)
        bench.commit(1)
        bench.commit(1)
        await soon(lambda: bench.trims == [2])
        await asyncio.sleep(0.06)
        assert bench.trims == [2], "nothing changed, nothing is flushed"
        bench.commit(1)
        await soon(lambda: bench.trims == [2, 3])

    run(scenario)


def test_only_what_was_applied_when_it_began_is_called_durable() -> None:
    async def scenario() -> None:
        bench = Bench()
        bench.go_on.clear()
        bench.commit(1000)
        await asyncio.sleep(0.01)
        bench.commit(1)
        bench.commit(1)
        assert bench.checkpointer.durable_lsn == 0
        bench.go_on.set()
        await soon(lambda: bench.trims)
        assert (bench.trims, bench.checkpointer.durable_lsn) == ([1], 1)

    run(scenario)


def test_changes_during_a_checkpoint_are_flushed_by_a_later_one() -> None:
    """A slow disk: a flush takes longer than the interval, and then nothing is written for a day."""

    async def scenario() -> None:
        bench = Bench(interval_s=0.01)
        bench.go_on.clear()
        bench.commit(1000)
        await asyncio.sleep(0)
        bench.commit(1)
        await asyncio.sleep(0.05)
        bench.go_on.set()
        await soon(lambda: bench.trims == [1, 2])
        bench.commit(1)
        await soon(lambda: bench.trims == [1, 2, 3])

    run(scenario)


def test_many_bytes_during_a_checkpoint_bring_the_next_at_once() -> None:
    async def scenario() -> None:
        bench = Bench()
        bench.go_on.clear()
        bench.commit(1000)
        await asyncio.sleep(0)
        bench.commit(5000)
        bench.go_on.set()
        await soon(lambda: bench.trims == [1, 2])

    run(scenario)


def test_close_waits_for_a_running_checkpoint_and_begins_no_other() -> None:
    async def scenario() -> None:
        bench = Bench(interval_s=0.01)
        bench.go_on.clear()
        bench.commit(1000)
        await asyncio.sleep(0.01)
        bench.commit(1)
        closing = asyncio.create_task(bench.checkpointer.close())
        await asyncio.sleep(0.01)
        assert not closing.done()
        bench.go_on.set()
        await closing
        await asyncio.sleep(0.05)
        assert bench.trims == [1]

    run(scenario)


def test_a_failed_checkpoint_ends_the_process_and_trims_nothing() -> None:
    async def scenario(bench: list[Bench]) -> None:
        bench.append(Bench())
        bench[0].error = OSError("no space left on device")
        bench[0].commit(1000)
        await asyncio.sleep(10)

    made: list[Bench] = []
    with pytest.raises(SystemExit) as ended:
        asyncio.run(scenario(made))
    assert ended.value.code == 1
    assert made[0].trims == []
    assert made[0].checkpointer.durable_lsn == 0


class KeeperBench(Bench):
    """Beside it a keeper, whose checkpoints are of the LSN that was flushed last."""

    def __init__(self, *, log_bytes: int = 1000, kept: list[int] | None = None) -> None:
        self.kept = list(kept or [])
        self.keep_error: KeepError | None = None
        self.rests = 0
        super().__init__(log_bytes=log_bytes)
        self.checkpointer = Checkpointer(
            self,
            lambda: self.applied_lsn,
            self.trims.append,
            interval_s=1000.0,
            log_bytes=log_bytes,
            keeper=self,
        )

    def keep(self) -> Kept:
        if self.keep_error is not None:
            raise self.keep_error
        self.kept = [*self.kept, self.flushed[-1]][-2:]
        return Kept(
            CheckpointInfo(
                format=1,
                partition_id=0,
                applied_lsn=self.kept[-1],
                epoch=0,
                start_key=0,
                end_key=0,
                store_format=1,
                created_at_ms=0,
                files=(),
            ),
            self.kept[0],
        )

    def kept_lsns(self) -> list[int]:
        return self.kept

    def rest(self) -> None:
        self.rests += 1

    def close(self) -> None:
        self.keep_error = KeepError("the keeper was ended")


def test_the_keeper_rests_when_nothing_was_kept_for_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("partitiond.checkpointer._REST_S", 0.05)

    async def scenario() -> None:
        bench = KeeperBench()
        for at in range(1, 4):
            bench.commit(1000)
            await soon(lambda at=at: bench.checkpointer.durable_lsn == at and bench.checkpointer._running is None)  # type: ignore[misc]
        assert bench.rests == 0
        await soon(lambda: bench.rests)
        bench.commit(1000)
        await soon(lambda: bench.checkpointer.durable_lsn == 4 and bench.checkpointer._running is None)
        await bench.checkpointer.close()
        await asyncio.sleep(0.1)
        assert bench.rests == 1

    asyncio.run(scenario())


def test_the_log_is_kept_from_the_older_kept_checkpoint_on() -> None:
    """A damaged newest one can then be replaced: by the one before it and what follows in the log."""

    async def scenario() -> None:
        bench = KeeperBench()
        for at in range(1, 5):
            bench.commit(1000)
            await soon(lambda at=at: bench.checkpointer.durable_lsn == at and bench.checkpointer._running is None)  # type: ignore[misc]
        assert bench.trims == [1, 2, 3]
        assert bench.kept == [3, 4]
        assert bench.checkpointer.trimmed_lsn == 3
        await bench.checkpointer.close()

    run(scenario)


def test_what_cannot_be_kept_is_flushed_all_the_same_and_trims_nothing(caplog: pytest.LogCaptureFixture) -> None:
    async def scenario() -> None:
        bench = KeeperBench(kept=[5, 7])
        assert bench.checkpointer.durable_lsn == 7
        bench.applied_lsn = 8
        bench.keep_error = KeepError("no room")
        made = await bench.checkpointer.make_now()
        assert (made.durable_lsn, made.trimmed_lsn, made.kept, made.complaint) == (8, 0, None, "no room")
        assert bench.trims == []
        assert "no room" in caplog.text
        bench.keep_error = None
        made = await bench.checkpointer.make_now()
        assert (made.durable_lsn, made.trimmed_lsn) == (8, 7)
        assert made.kept is not None
        assert bench.trims == [7]
        await bench.checkpointer.close()

    run(scenario)


def test_one_asked_for_during_another_has_what_was_applied_by_then() -> None:
    """The running one began before: it is waited for, and then one is made for all who asked."""

    async def scenario() -> None:
        bench = KeeperBench()
        bench.go_on.clear()
        bench.commit(1000)
        await asyncio.sleep(0.01)
        bench.commit(1)
        asked = [asyncio.ensure_future(bench.checkpointer.make_now()) for _ in range(3)]
        await asyncio.sleep(0.01)
        assert not any(future.done() for future in asked)
        bench.go_on.set()
        assert [made.durable_lsn for made in await asyncio.gather(*asked)] == [2, 2, 2]
        assert bench.flushed == [1, 2]
        await bench.checkpointer.close()

    run(scenario)
