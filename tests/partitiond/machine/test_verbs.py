"""Pause, resume and purge-journal from outside: outcomes, actions and rows."""

from __future__ import annotations

import pytest

from partitiond.machine.actions import AbortAttempt, RetryNow, StartInvocation, TerminateOutcome
from partitiond.machine.events import EVENTS_MAX
from shared.storage.values import EventKind, EventRow, Status
from shared.wal.commands import (
    CompleteAwakeable,
    DeploymentChoice,
    End,
    Failed,
    Failure,
    FailureDetail,
    InvokerEffects,
    Pause,
    PauseInvocation,
    Pin,
    ResumeInvocation,
    Suspend,
    Terminate,
    TerminateMode,
)
from tests.partitiond.machine.fixtures import COUNTER, START_MS, Machine, invoke, new_id, output, replay, run

BOOM = FailureDetail(500, "boom", "RT0007", "trace", 1, "step", "Run")
PIN = Pin("dp_1", 5)


@pytest.fixture
def machine() -> Machine:
    return Machine()


def test_pause_of_a_running_one_ends_its_attempt_and_keeps_all(machine: Machine) -> None:
    a = new_id(COUNTER)
    machine.apply(invoke(a, COUNTER))
    machine.report(a, PIN, run(1))
    generation = machine.row(a).generation
    actions = machine.apply(PauseInvocation(a, 7, BOOM))
    assert actions == [AbortAttempt(a, generation), TerminateOutcome(7, "pausing")]
    row = machine.row(a)
    assert (row.status, row.paused_for, row.journal_length) == (Status.PAUSED, None, 2)
    assert machine.events(a) == [EventRow(EventKind.PAUSED, 1, START_MS, BOOM)]
    # What the attempt had reported before it heard of the pause does not count any more.
    assert machine.apply(InvokerEffects(a, generation, [output(), End()])) == []
    assert machine.apply(PauseInvocation(a, 8)) == [TerminateOutcome(8, "paused")]
    assert len(machine.events(a)) == 1


def test_pause_of_a_suspended_one_holds_back_what_would_wake_it(machine: Machine) -> None:
    a = new_id()
    machine.apply(invoke(a))
    machine.report(a, Suspend([], [17], []))
    assert machine.apply(PauseInvocation(a, 7)) == [TerminateOutcome(7, "pausing")]
    assert machine.apply(CompleteAwakeable(a, 17, b"x")) == []
    assert machine.row(a).status is Status.PAUSED
    actions = machine.apply(ResumeInvocation(a, 8))
    assert [type(action) for action in actions] == [StartInvocation, TerminateOutcome]
    assert (machine.row(a).status, machine.row(a).journal_length) == (Status.INVOKED, 2)


def test_cancel_wakes_a_paused_one(machine: Machine) -> None:
    a = new_id()
    machine.apply(invoke(a))
    machine.apply(PauseInvocation(a))
    machine.apply(Terminate(a, TerminateMode.CANCEL, 1))
    assert machine.row(a).status is Status.INVOKED


def test_resume_of_one_that_runs_or_backs_off_begins_no_second_attempt(machine: Machine) -> None:
    a = new_id()
    machine.apply(invoke(a))
    generation = machine.row(a).generation
    assert machine.apply(ResumeInvocation(a, 7)) == [RetryNow(a, generation), TerminateOutcome(7, "done")]
    assert machine.row(a).generation == generation


def test_resume_of_a_suspended_one_begins_an_attempt(machine: Machine) -> None:
    a = new_id()
    machine.apply(invoke(a))
    machine.report(a, Suspend([], [17], []))
    generation = machine.row(a).generation
    machine.apply(ResumeInvocation(a, 7))
    assert (machine.row(a).status, machine.row(a).generation) == (Status.INVOKED, generation + 1)


@pytest.mark.parametrize(
    ("pinned", "choice", "outcome", "deployment"),
    [
        (True, None, "done", "dp_1"),
        (True, DeploymentChoice("dp_2", 5, 6), "done", "dp_2"),
        (True, DeploymentChoice("dp_2", 4, 5), "done", "dp_2"),
        (True, DeploymentChoice("dp_2", 6, 7), "incompatible", "dp_1"),
        (True, DeploymentChoice("dp_2", 1, 4), "incompatible", "dp_1"),
        (False, DeploymentChoice("dp_2", 5, 6), "deployment_fixed", None),
        (False, None, "done", None),
    ],
)
def test_resume_on_another_deployment(
    machine: Machine, pinned: bool, choice: DeploymentChoice | None, outcome: str, deployment: str | None
) -> None:
    a = new_id()
    machine.apply(invoke(a))
    if pinned:
        machine.report(a, PIN, run(1))
    machine.apply(PauseInvocation(a))
    actions = machine.apply(ResumeInvocation(a, 7, choice))
    assert actions[-1] == TerminateOutcome(7, outcome)
    row = machine.row(a)
    assert (row.deployment_id, row.protocol_version) == (deployment, 5 if pinned else 0)
    assert row.status is (Status.INVOKED if outcome == "done" else Status.PAUSED)


def test_a_deployment_is_not_changed_under_a_running_attempt(machine: Machine) -> None:
    a = new_id()
    machine.apply(invoke(a))
    machine.report(a, PIN, run(1))
    actions = machine.apply(ResumeInvocation(a, 7, DeploymentChoice("dp_2", 5, 6)))
    assert actions == [TerminateOutcome(7, "deployment_fixed")]
    assert machine.row(a).deployment_id == "dp_1"


def test_failures_and_pauses_are_events(machine: Machine) -> None:
    """Equal failures in a row are one event, also when a new leader's invoker reports them anew."""
    a = new_id()
    other = FailureDetail(500, "bang", "RT0007")
    machine.apply(invoke(a))
    machine.report(a, PIN, run(1), Failed(BOOM), Failed(BOOM))
    machine.report(a, Failed(BOOM))
    machine.report(a, Failed(other), Failed(BOOM), Pause(Failure(500, "boom"), BOOM))
    assert [(event.kind, event.after_index, event.failure) for event in machine.events(a)] == [
        (EventKind.TRANSIENT_ERROR, 1, BOOM),
        (EventKind.TRANSIENT_ERROR, 1, other),
        (EventKind.TRANSIENT_ERROR, 1, BOOM),
        (EventKind.PAUSED, 1, BOOM),
    ]
    machine.apply(ResumeInvocation(a))
    machine.report(a, Failed(BOOM))
    assert len(machine.events(a)) == 5
    assert replay(machine.log).digest() == machine.store.digest()


def test_only_the_newest_events_are_kept(machine: Machine) -> None:
    a = new_id()
    machine.apply(invoke(a))
    for number in range(EVENTS_MAX + 5):
        machine.report(a, Failed(FailureDetail(500, str(number), "RT0007")))
    messages = [event.failure.message for event in machine.events(a) if event.failure is not None]
    assert messages == [str(number) for number in range(5, EVENTS_MAX + 5)]
    assert machine.row(a).event_count == EVENTS_MAX + 5
    machine.apply(Terminate(a, TerminateMode.KILL))
    assert len(machine.events(a)) == EVENTS_MAX
    machine.apply(Terminate(a, TerminateMode.PURGE))
    assert machine.events(a) == []


def test_purge_journal_keeps_the_result(machine: Machine) -> None:
    a = new_id()
    machine.apply(invoke(a))
    machine.report(a, Failed(BOOM))
    assert machine.apply(Terminate(a, TerminateMode.PURGE_JOURNAL, 7)) == [TerminateOutcome(7, "not_completed")]
    machine.report(a, output(), End())
    assert machine.apply(Terminate(a, TerminateMode.PURGE_JOURNAL, 8)) == [TerminateOutcome(8, "done")]
    row = machine.row(a)
    assert (row.status, row.result, row.journal_length) == (Status.COMPLETED, b'"done"', 0)
    assert (machine.journal(a), machine.events(a)) == ([], [])
    assert machine.apply(Terminate(a, TerminateMode.PURGE_JOURNAL, 9)) == [TerminateOutcome(9, "done")]
