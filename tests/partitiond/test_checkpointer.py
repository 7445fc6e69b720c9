"""When checkpoints are made, and what logd is told after them."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable

import pytest

from partitiond.checkpointer import Checkpointer


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
