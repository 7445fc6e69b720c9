"""Commands of a leader -> batches in sequence."""

from __future__ import annotations

import asyncio

import pytest

from partitiond.log.proposer import BATCH_BYTES_TARGET, BATCH_COMMANDS_MAX, Proposer
from shared.clock import SimClock
from shared.wal.batch import Batch, decode_batch
from shared.wal.commands import AnnounceLeader, Command, FireTimers, InvokerEffects, RunCompletion
from tests.fakes.sim_loop import simulate

ANNOUNCEMENT = AnnounceLeader(b"u" * 16, "node-1", 0, 9)


class Bench:
    """A proposer whose batches stay here."""

    def __init__(self) -> None:
        self.payloads: list[bytes] = []
        self.clock = SimClock(1000)
        self.proposer = Proposer("p-0", self, self.clock)

    def append(self, group: str, payload: bytes) -> None:
        assert group == "p-0"
        self.payloads.append(payload)

    @property
    def batches(self) -> list[Batch]:
        return [decode_batch(payload) for payload in self.payloads]

    @property
    def shape(self) -> list[tuple[int, int, int]]:
        """(epoch, sequence, number of commands) of each batch."""
        return [(batch.epoch, batch.seq, len(batch.commands)) for batch in self.batches]

    def propose(self, count: int) -> None:
        for number in range(count):
            self.proposer.propose(FireTimers(number))


async def turn() -> None:
    """Let what is scheduled now run."""
    await asyncio.sleep(0)
    await asyncio.sleep(0)


def test_commands_of_one_turn_leave_as_one_batch_in_order() -> None:
    async def scenario() -> None:
        bench = Bench()
        bench.proposer.begin(7)
        bench.propose(3)
        assert not bench.payloads
        await turn()
        bench.propose(2)
        await turn()
        assert bench.shape == [(7, 1, 3), (7, 2, 2)]
        assert bench.batches[0].commands == [FireTimers(0), FireTimers(1), FireTimers(2)]

    simulate(scenario())


def test_a_batch_carries_the_proposers_time() -> None:
    async def scenario() -> None:
        bench = Bench()
        bench.proposer.begin(7)
        bench.propose(1)
        bench.clock.advance(ms=5)
        await turn()
        assert bench.batches[0].at_ms == 1005

    simulate(scenario())


def test_the_announcement_is_outside_of_any_sequence() -> None:
    async def scenario() -> None:
        bench = Bench()
        bench.proposer.announce(ANNOUNCEMENT)
        assert bench.batches == [Batch(0, 0, 1000, [ANNOUNCEMENT])]
        bench.propose(1)
        await turn()
        assert len(bench.payloads) == 1, "nothing else leaves before begin"

    simulate(scenario())


@pytest.mark.parametrize("count", [1, BATCH_COMMANDS_MAX - 1, BATCH_COMMANDS_MAX, BATCH_COMMANDS_MAX + 1, 2000])
def test_batches_are_cut_by_count(count: int) -> None:
    async def scenario() -> None:
        bench = Bench()
        bench.proposer.begin(1)
        bench.propose(count)
        await turn()
        sizes = [size for _, _, size in bench.shape]
        assert sum(sizes) == count
        assert max(sizes) <= BATCH_COMMANDS_MAX
        assert [seq for _, seq, _ in bench.shape] == list(range(1, len(sizes) + 1))
        commands: list[Command] = [command for batch in bench.batches for command in batch.commands]
        assert commands == [FireTimers(number) for number in range(count)]

    simulate(scenario())


def test_batches_are_cut_by_size_and_a_large_command_goes_alone() -> None:
    async def scenario() -> None:
        bench = Bench()
        bench.proposer.begin(1)
        sizes = [300_000] * 7 + [BATCH_BYTES_TARGET * 3] + [10] * 5
        for number, size in enumerate(sizes):
            bench.proposer.propose(InvokerEffects(bytes(24), number, [RunCompletion(1, b"x" * size)]))
        await turn()
        generations = [command.generation for batch in bench.batches for command in batch.commands]  # type: ignore[union-attr]
        assert generations == list(range(len(sizes)))
        assert [batch.seq for batch in bench.batches] == list(range(1, len(bench.batches) + 1))
        for payload, batch in zip(bench.payloads, bench.batches, strict=True):
            assert len(payload) <= BATCH_BYTES_TARGET or len(batch.commands) == 1

    simulate(scenario())


def test_callbacks_come_in_order_once_their_batches_are_applied() -> None:
    async def scenario() -> None:
        bench = Bench()
        proposer = bench.proposer
        proposer.begin(1)
        called: list[str] = []
        proposer.when_applied(lambda: called.append("nothing was proposed"))
        assert not called, "never within the call"
        await turn()
        assert called == ["nothing was proposed"]
        bench.propose(1)
        proposer.when_applied(lambda: called.append("first"))
        proposer.when_applied(lambda: called.append("also first"))
        await turn()
        bench.propose(1)
        proposer.when_applied(lambda: called.append("second"))
        await turn()
        assert [seq for _, seq, _ in bench.shape] == [1, 2]
        assert len(called) == 1
        proposer.on_applied(1)
        assert called[1:] == ["first", "also first"]
        proposer.when_applied(lambda: called.append("third"))
        proposer.on_applied(2)
        assert called[3:] == ["second", "third"]

    simulate(scenario())


def test_who_waits_makes_no_batch_of_its_own() -> None:
    """Each 64 KiB of a service that sends much waits so: the log would have one sync for each."""

    async def scenario() -> None:
        bench = Bench()
        bench.proposer.begin(1)
        called: list[int] = []
        for number in range(4):
            bench.propose(1)
            bench.proposer.when_applied(lambda number=number: called.append(number))  # type: ignore[misc]
        await turn()
        assert bench.shape == [(1, 1, 4)]
        assert called == []
        bench.proposer.on_applied(1)
        assert called == [0, 1, 2, 3]

    simulate(scenario())


def test_what_is_applied_already_is_not_waited_for() -> None:
    async def scenario() -> None:
        bench = Bench()
        bench.proposer.begin(1)
        bench.propose(1)
        await turn()
        bench.proposer.on_applied(1)
        called: list[int] = []
        bench.proposer.when_applied(lambda: called.append(1))
        await turn()
        assert called == [1]

    simulate(scenario())


def test_stop_drops_commands_and_callbacks() -> None:
    async def scenario() -> None:
        bench = Bench()
        bench.proposer.begin(1)
        called: list[int] = []
        bench.proposer.when_applied(lambda: called.append(1))
        bench.propose(3)
        bench.proposer.when_applied(lambda: called.append(2))
        await turn()
        called.clear()
        bench.propose(3)
        bench.proposer.when_applied(lambda: called.append(3))
        bench.proposer.stop()
        await turn()
        bench.proposer.on_applied(5)
        bench.propose(1)
        bench.proposer.when_applied(lambda: called.append(4))
        await turn()
        assert bench.shape == [(1, 1, 3)], "only what had left before"
        assert called == []
        assert bench.proposer.epoch == 0

    simulate(scenario())


def test_a_repeated_begin_starts_a_new_sequence_and_forgets_the_old_one() -> None:
    async def scenario() -> None:
        bench = Bench()
        called: list[int] = []
        bench.proposer.begin(1)
        bench.propose(2)
        await turn()
        bench.propose(1)
        bench.proposer.when_applied(lambda: called.append(1))
        bench.proposer.flush()
        bench.proposer.begin(9)
        bench.propose(1)
        bench.proposer.when_applied(lambda: called.append(9))
        await turn()
        assert bench.shape == [(1, 1, 2), (1, 2, 1), (9, 1, 1)]
        bench.proposer.on_applied(1)
        assert called == [9]

    simulate(scenario())


def test_a_callback_of_an_idle_proposer_is_not_called_in_the_next_epoch() -> None:
    """It was to be called in the next turn; leadership is lost and won again before that."""

    async def scenario() -> None:
        bench = Bench()
        bench.proposer.begin(1)
        bench.proposer.when_applied(lambda: pytest.fail("called in another epoch"))
        bench.proposer.begin(2)
        await turn()

    simulate(scenario())


def test_a_callback_may_end_the_leadership_or_propose() -> None:
    async def scenario() -> None:
        bench = Bench()
        bench.proposer.begin(1)
        bench.propose(1)
        bench.proposer.when_applied(lambda: bench.propose(1))
        bench.proposer.when_applied(bench.proposer.stop)
        bench.proposer.when_applied(lambda: pytest.fail("called after stop"))
        bench.proposer.on_applied(1)
        await turn()
        assert bench.shape == [(1, 1, 1)]

    simulate(scenario())
