"""Slots and deadlines."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import uvloop

from partitiond.invoker.deadlines import Deadlines
from partitiond.invoker.shares import Shares
from partitiond.invoker.slots import Gate, OwnGate, Slots
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
    slots = Slots(OwnGate(2), deferred.append, never)
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
    assert not slots.crowded
    slots.release()
    assert deferred == []
    slots.acquire(_Waiter(began))
    slots.acquire(_Waiter(began))
    deferred.pop()()
    assert slots.crowded


def never(callback: Callable[[], None]) -> None:
    raise AssertionError("nobody else gives slots back")


class _Node:
    """Workers of one node that share a file of counters."""

    def __init__(self, path: Path, *, workers: int, limit: int) -> None:
        self.soon: list[Callable[[], None]] = []
        self.later: list[Callable[[], None]] = []
        self.gates = [Shares(path / "slots", index=i, workers=workers, limit=limit) for i in range(workers)]
        self.slots = [Slots(gate, self.soon.append, self.later.append) for gate in self.gates]
        self.began: list[list[_Waiter]] = [[] for _ in range(workers)]

    def want(self, worker: int, count: int) -> None:
        for _ in range(count):
            self.slots[worker].acquire(_Waiter(self.began[worker]))

    def settle(self) -> None:
        """Until nothing changes; those that wait ask once more."""
        later, self.later[:] = list(self.later), []
        for callback in later:
            callback()
        while self.soon:
            self.soon.pop(0)()

    def counts(self) -> list[int]:
        return [len(began) for began in self.began]


def test_a_hot_worker_gets_what_the_others_leave(tmp_path: Path) -> None:
    """One object key in three thousand is called: all of it is one partition, and so one worker."""
    node = _Node(tmp_path, workers=4, limit=100)
    node.want(1, 150)
    node.settle()
    assert node.counts() == [0, 100, 0, 0]
    assert len(node.later) == 1, "one timer, however many wait"


def test_a_hot_worker_starves_nobody(tmp_path: Path) -> None:
    node = _Node(tmp_path, workers=4, limit=100)
    node.want(1, 500)
    node.settle()
    node.want(2, 40)
    node.settle()
    assert node.counts() == [0, 100, 0, 0]
    for _ in range(30):
        node.slots[1].release()
        node.settle()
    node.settle()
    assert node.counts()[2] == 25, "its even share, of all that the hot one gave back since"
    assert node.counts()[1] == 105
    for _ in range(25):
        node.slots[2].release()
        node.settle()
    assert node.counts()[2] == 40
    node.slots[2].release()
    node.settle()
    assert sum(node.counts()) == 100 + 30 + 26


def test_places_of_a_killed_worker_come_back_with_its_successor(tmp_path: Path) -> None:
    node = _Node(tmp_path, workers=2, limit=10)
    node.want(0, 10)
    node.settle()
    node.want(1, 10)
    node.settle()
    assert node.counts() == [10, 0]
    Shares(tmp_path / "slots", index=0, workers=2, limit=10)
    node.settle()
    assert node.counts() == [10, 10]


def test_two_gates_are_alike_for_one_worker(tmp_path: Path) -> None:
    gates: list[Gate] = [OwnGate(2), Shares(tmp_path / "slots", index=0, workers=1, limit=2)]
    for gate in gates:
        assert [gate.take(), gate.take(), gate.take()] == [True, True, False]
        gate.give()
        assert gate.take()


def test_queues_take_turns_and_cost_the_same_however_long_they_are() -> None:
    deferred: list[Callable[[], None]] = []
    began: list[_Waiter] = []
    slots = Slots(OwnGate(1), deferred.append, never)
    many = [_Waiter(began, "many") for _ in range(10_000)]
    few = [_Waiter(began, "few") for _ in range(3)]
    for waiter in (*many, *few):
        slots.acquire(waiter)
    for _ in range(7):
        deferred.pop()()
        slots.release()
    assert began == [many[0], few[0], many[1], few[1], many[2], few[2], many[3]]


class _Ticked:
    due = 0.0

    def __init__(self, deadlines: Deadlines) -> None:
        self.ticks = 0
        self._deadlines = deadlines

    def on_tick(self, now: float) -> None:
        self.ticks += 1
        if self.ticks == 3:
            self._deadlines.discard(self)


def test_deadlines_tick_only_while_something_is_watched() -> None:
    async def scene() -> None:
        deadlines = Deadlines(0.001)
        watched = _Ticked(deadlines)
        deadlines.add(watched, 60.0)
        await until(lambda: watched.ticks >= 3)
        await asyncio.sleep(0.02)
        assert watched.ticks == 3
        deadlines.add(watched, 60.0)
        deadlines.add(watched, 60.0)
        await until(lambda: watched.ticks >= 4)
        deadlines.close()
        ticks = watched.ticks
        await asyncio.sleep(0.02)
        assert watched.ticks == ticks

    uvloop.run(scene())
