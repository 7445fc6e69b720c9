"""What a clock that is set back or forth does to the machine: time stands still rather than go back, and what is due
is judged by the leader's clock."""

from __future__ import annotations

import pytest

from partitiond.leader.cleaner import expired
from shared.storage import keys
from shared.storage.values import Status
from shared.wal.commands import CleanUp, End, FireTimers, Suspend
from tests.partitiond.machine.fixtures import GREETER, HOUR_MS, Machine, invoke, new_id, output, sleep

DAY_MS = 24 * HOUR_MS
JUMPS = [-10 * DAY_MS, -HOUR_MS, -1, 0, 1, HOUR_MS, 10 * DAY_MS]


@pytest.mark.parametrize("jump_ms", JUMPS)
def test_nothing_is_completed_before_it_was_created(jump_ms: int) -> None:
    machine, a = Machine(), new_id()
    machine.apply(invoke(a))
    machine.now_ms += jump_ms
    machine.report(a, output(), End())
    row = machine.row(a)
    assert row.created_at_ms <= row.running_at_ms <= row.completed_at_ms
    assert row.expires_at_ms == row.completed_at_ms + HOUR_MS


@pytest.mark.parametrize("jump_ms", JUMPS)
@pytest.mark.parametrize("before_ms", [0, 10 * DAY_MS, -10 * DAY_MS])
def test_a_delayed_call_waits_for_its_delay_by_the_clock_as_it_is_now(jump_ms: int, before_ms: int) -> None:
    """The clock was ahead for a moment, and the partition's time with it: each delayed call began at once since."""
    machine, a = Machine(), new_id()
    machine.now_ms += before_ms
    machine.apply(invoke(new_id()))
    machine.now_ms += jump_ms - before_ms
    due_ms = machine.now_ms + 60_000
    machine.apply(invoke(a, start_at_ms=due_ms))
    assert machine.row(a).status is Status.SCHEDULED
    machine.now_ms = due_ms - 1
    machine.apply(FireTimers(machine.now_ms))
    assert machine.row(a).status is Status.SCHEDULED
    machine.now_ms = due_ms
    machine.apply(FireTimers(machine.now_ms))
    assert machine.row(a).status is Status.INVOKED


@pytest.mark.parametrize("jump_ms", JUMPS)
def test_a_sleep_is_over_when_the_clock_says_so(jump_ms: int) -> None:
    machine, a = Machine(), new_id()
    machine.apply(invoke(a))
    machine.report(a, sleep(machine.now_ms + 60_000, 1), Suspend([1], [], []))
    due_ms = machine.now_ms + 60_000
    machine.now_ms += jump_ms
    machine.apply(FireTimers(machine.now_ms))
    assert (machine.row(a).status is Status.INVOKED) == (machine.now_ms >= due_ms)
    machine.now_ms = max(machine.now_ms, due_ms)
    machine.apply(FireTimers(machine.now_ms))
    assert machine.row(a).status is Status.INVOKED


def test_results_are_kept_at_least_as_long_as_asked_for_when_the_clock_goes_back() -> None:
    machine, a = Machine(), new_id()
    machine.apply(invoke(a))
    machine.now_ms -= DAY_MS
    machine.report(a, output(), End())
    # By the clock that is a day and an hour; it is never less than the hour.
    for ahead_ms, due in ((HOUR_MS, False), (DAY_MS, False), (DAY_MS + HOUR_MS, True)):
        found, _ = expired(machine.store, keys.INVOCATION, machine.now_ms + ahead_ms)
        assert (found == [a]) == due, ahead_ms
    machine.now_ms += DAY_MS + HOUR_MS
    machine.apply(CleanUp([a]))
    assert not machine.exists(a)


def test_a_new_leader_whose_clock_is_behind_goes_on_from_the_time_of_the_old_one() -> None:
    machine, a, b = Machine(), new_id(), new_id()
    machine.apply(invoke(a, GREETER))
    machine.now_ms -= DAY_MS
    machine.announce(b"leader-2")
    machine.apply(invoke(b, GREETER))
    assert machine.row(b).created_at_ms == machine.row(a).created_at_ms
