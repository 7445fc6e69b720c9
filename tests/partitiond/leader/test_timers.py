"""One alarm for any number of timers, whatever the clock does."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from partitiond.leader.timers import TIMERS_MAX, Timers
from partitiond.store.memory import MemoryStore
from shared.clock import SimClock
from shared.storage import keys
from shared.storage.values import Status
from shared.wal.commands import Command, FireTimers, Suspend
from tests.fakes.sim_log import SimLog
from tests.fakes.sim_loop import LoopClock, simulate
from tests.partitiond.leader.rig import FakePeer, Node, until
from tests.partitiond.machine.fixtures import invoke, new_id, reported, sleep


class Bench:
    """Timers over a store that the test writes; `apply` plays the machine."""

    def __init__(self, clock: SimClock | None = None) -> None:
        self.store = MemoryStore()
        self.clock = clock or LoopClock()
        self.proposed: list[tuple[float, Command]] = []
        self._callbacks: list[Callable[[], None]] = []
        self.timers = Timers(self.store, self.clock, self._propose, self._callbacks.append)

    def _propose(self, command: Command) -> None:
        self.proposed.append((asyncio.get_running_loop().time(), command))

    def add(self, fire_at_ms: int, number: int = 1) -> None:
        self.store.commit({keys.timer_key(fire_at_ms, number.to_bytes(24, "big"), 1): b""})
        self.timers.registered(fire_at_ms)

    def apply(self) -> None:
        """What was proposed is applied: the rows are gone."""
        command = self.proposed[-1][1]
        assert isinstance(command, FireTimers)
        due = [key for key, _ in self.store.scan(keys.TIMER, keys.timer_key(command.until_ms + 1, b"", 0))]
        self.store.commit(dict.fromkeys(due))
        callbacks, self._callbacks[:] = list(self._callbacks), []
        for callback in callbacks:
            callback()

    def proposed_after(self) -> list[int]:
        """When something was proposed, whole seconds."""
        return [round(at) for at, _ in self.proposed]


def test_a_timer_is_proposed_when_due_and_not_before() -> None:
    async def scenario() -> None:
        bench = Bench()
        bench.timers.start()
        bench.add(bench.clock.now_ms() + 5000)
        await asyncio.sleep(4.9)
        assert not bench.proposed
        await asyncio.sleep(0.2)
        assert bench.proposed_after() == [5]
        assert bench.proposed[0][1] == FireTimers(bench.clock.now_ms() - 100, TIMERS_MAX)

    simulate(scenario())


def test_one_registered_later_that_is_due_earlier_comes_first() -> None:
    async def scenario() -> None:
        bench = Bench()
        bench.timers.start()
        now_ms = bench.clock.now_ms()
        bench.add(now_ms + 50_000, 1)
        bench.add(now_ms + 10_000, 2)
        bench.add(now_ms + 30_000, 3)
        for seconds in (11, 20, 20):
            await asyncio.sleep(seconds)
            bench.apply()
        assert bench.proposed_after() == [10, 30, 50]

    simulate(scenario())


def test_while_a_firing_is_on_its_way_no_second_is_proposed() -> None:
    async def scenario() -> None:
        bench = Bench()
        bench.timers.start()
        bench.add(bench.clock.now_ms(), 1)
        await asyncio.sleep(0.1)
        bench.add(bench.clock.now_ms(), 2)
        await asyncio.sleep(60)
        assert len(bench.proposed) == 1
        bench.apply()
        assert len(bench.proposed) == 2, "the second became due while the first was on its way"
        bench.apply()
        await asyncio.sleep(60)
        assert len(bench.proposed) == 2

    simulate(scenario())


def test_a_clock_that_jumps_back_delays_and_one_that_jumps_forth_is_noticed_within_seconds() -> None:
    async def scenario() -> None:
        bench = Bench()
        bench.timers.start()
        bench.add(bench.clock.now_ms() + 5000)
        bench.clock.advance(ms=-20_000)
        await asyncio.sleep(10)
        assert not bench.proposed
        await asyncio.sleep(16)
        assert bench.proposed_after() == [25]
        bench.apply()
        bench.add(bench.clock.now_ms() + 3_600_000)
        await asyncio.sleep(1)
        bench.clock.advance(ms=3_600_000)
        await asyncio.sleep(6)
        assert len(bench.proposed) == 2

    simulate(scenario())


def test_a_timer_far_away_is_looked_at_now_and_then_and_fires_on_time() -> None:
    async def scenario() -> None:
        bench = Bench()
        bench.add(bench.clock.now_ms() + 600_000)
        bench.timers.start()
        await asyncio.sleep(599)
        assert not bench.proposed
        await asyncio.sleep(1.1)
        assert bench.proposed_after() == [600]

    simulate(scenario())


def test_after_a_stop_nothing_fires_until_the_next_start() -> None:
    async def scenario() -> None:
        bench = Bench()
        bench.timers.start()
        bench.add(bench.clock.now_ms() + 1000)
        bench.timers.stop()
        bench.timers.registered(bench.clock.now_ms())
        await asyncio.sleep(60)
        assert not bench.proposed
        bench.timers.start()
        assert len(bench.proposed) == 1

    simulate(scenario())


def test_a_thousand_timers_of_one_moment_fire_in_a_few_batches() -> None:
    """A day's job wakes all its sleepers at midnight; what else there is to do has its turn in between."""

    async def scenario() -> None:
        node = await Node(SimLog()).follow().leading()
        peer = FakePeer()
        due_ms = node.clock.now_ms() + 10_000
        ids = [new_id() for _ in range(1000)]
        for invocation_id in ids:
            node.invoke(peer, invoke(invocation_id))
        await until(lambda: len(node.invoker.started) == 1000)
        for invocation_id in ids:
            effects = sleep(due_ms, 1), Suspend([1], [], [])
            node.leader.propose(reported(node.row(invocation_id), invocation_id, *effects))
        await until(lambda: _status(node, ids[-1]) is Status.SUSPENDED)
        batches = len(node.batches())
        await asyncio.sleep(9)
        assert len(node.batches()) == batches
        await until(lambda: len(node.invoker.started) == 2000)
        assert node.clock.now_ms() - due_ms < 50
        assert len(node.batches()) == batches + 4
        assert {node.row(i).generation - node.row(i).born_lsn for i in ids} == {2}  # type: ignore[union-attr]
        assert not list(node.store.scan(keys.TIMER, keys.OUTBOX))

    simulate(scenario())


def _status(node: Node, invocation_id: bytes) -> Status:
    row = node.row(invocation_id)
    assert row is not None
    return row.status


def test_timers_fire_under_a_clock_that_goes_wild() -> None:
    """The machine's own time never goes back; a scheduled start waits for the clock to come there again."""

    async def scenario() -> None:
        clock = LoopClock()
        node = await Node(SimLog(), clock=clock).follow().leading()
        peer = FakePeer()
        a, b = new_id(), new_id()
        start_ms = clock.now_ms() + 5000
        node.invoke(peer, invoke(a, start_at_ms=start_ms))
        await until(lambda: node.row(a) is not None)
        clock.advance(ms=-60_000)
        node.invoke(peer, invoke(b, start_at_ms=start_ms + 1000))
        await asyncio.sleep(30)
        assert node.invoker.started == []
        clock.advance(ms=120_000)
        await until(lambda: node.invoker.started == [a, b], seconds=61)
        times = [batch.at_ms for batch in node.batches()]
        assert times != sorted(times), "the proposer's clock did go back"

    simulate(scenario())
