"""Slots and deadlines."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import cast

import uvloop

from partitiond.invoker.attempt import Attempt
from partitiond.invoker.deadlines import Deadlines
from partitiond.invoker.slots import Slots
from tests.partitiond.invoker.stage import until


class _Waiter:
    def __init__(self, began: list[_Waiter], queue: str = "q") -> None:
        self.gone = False
        self.queue = queue
        self._began = began

    def begin(self) -> None:
        self._began.append(self)


def test_first_come_first_served_and_never_within_the_call() -> None:
    deferred: list[Callable[[], None]] = []
    began: list[_Waiter] = []
    slots = Slots(2, deferred.append)
    waiters = [_Waiter(began) for _ in range(5)]
    for waiter in waiters:
        slots.acquire(waiter)
    assert (began, len(deferred)) == ([], 1)
    deferred.pop()()
    assert began == waiters[:2]
    waiters[2].gone = True
    slots.release()
    slots.release()
    assert began == waiters[:2]
    deferred.pop()()
    assert began == [*waiters[:2], *waiters[3:]]
    slots.release()
    assert deferred == []


def test_queues_take_turns_and_cost_the_same_however_long_they_are() -> None:
    deferred: list[Callable[[], None]] = []
    began: list[_Waiter] = []
    slots = Slots(1, deferred.append)
    many = [_Waiter(began, "many") for _ in range(10_000)]
    few = [_Waiter(began, "few") for _ in range(3)]
    for waiter in (*many, *few):
        slots.acquire(waiter)
    for _ in range(7):
        deferred.pop()()
        slots.release()
    assert began == [many[0], few[0], many[1], few[1], many[2], few[2], many[3]]


class _Ticked:
    def __init__(self, deadlines: Deadlines) -> None:
        self.ticks = 0
        self._deadlines = deadlines

    def on_tick(self, now: float) -> None:
        self.ticks += 1
        if self.ticks == 3:
            self._deadlines.discard(cast(Attempt, self))


def test_deadlines_tick_only_while_something_is_watched() -> None:
    async def scene() -> None:
        deadlines = Deadlines(0.001)
        watched = _Ticked(deadlines)
        deadlines.add(cast(Attempt, watched))
        await until(lambda: watched.ticks == 3)
        await asyncio.sleep(0.02)
        assert watched.ticks == 3
        deadlines.add(cast(Attempt, watched))
        deadlines.add(cast(Attempt, watched))
        await until(lambda: watched.ticks == 4)
        deadlines.close()
        await asyncio.sleep(0.02)
        assert watched.ticks in (4, 5)

    uvloop.run(scene())
