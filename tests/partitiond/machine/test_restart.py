"""Restart as new: what is copied, what is refused, and what the new invocation is."""

from __future__ import annotations

import pytest

from partitiond.machine.actions import StartInvocation, TerminateOutcome
from shared.protocol.message_types import MessageType as M
from shared.storage.values import Status
from shared.wal.commands import (
    CompleteAwakeable,
    DeploymentChoice,
    End,
    Failure,
    FireTimers,
    Pin,
    RestartAsNew,
    RunCompletion,
    SuspendOn,
    Terminate,
    TerminateMode,
)
from shared.wal.futures import Combinator, Future, FutureNode
from tests.partitiond.machine.fixtures import (
    COUNTER,
    GREETER,
    START_MS,
    Machine,
    call,
    invoke,
    new_id,
    one_way_call,
    output,
    replay,
    run,
    sleep,
)

LATEST = DeploymentChoice("dp_2", 5, 6)
#: The old journal: Input, Run 1, Run 2, Run 2's result, Run 1's, a signal, Sleep 3, its end, Sleep 4 (pending), Output.
WHOLE = [M.INPUT, M.RUN, M.RUN, M.RUN_COMPLETION, M.RUN_COMPLETION, M.SIGNAL, M.SLEEP, M.SLEEP_COMPLETION, M.SLEEP]


@pytest.fixture
def machine() -> Machine:
    return Machine()


def completed(machine: Machine, version: int = 6) -> bytes:
    a = new_id()
    machine.apply(invoke(a))
    machine.report(a, Pin("dp_1", version), run(1), run(2), RunCompletion(2, b"2"), RunCompletion(1, b"1"))
    machine.apply(CompleteAwakeable(a, 17, b"s"))
    machine.report(a, sleep(START_MS, 3))
    machine.apply(FireTimers(START_MS))
    machine.report(a, sleep(START_MS * 2, 4), output(), End())
    assert machine.journal_types(a) == [*WHOLE, M.OUTPUT]
    return a


def again(a: bytes) -> bytes:
    return new_id(place=int.from_bytes(a[:8], "big"))


@pytest.mark.parametrize(
    ("from_index", "journal", "commands"),
    [
        (0, WHOLE[:1], 1),
        (1, [M.INPUT, M.RUN, M.RUN_COMPLETION], 2),
        (2, [M.INPUT, M.RUN, M.RUN, M.RUN_COMPLETION, M.RUN_COMPLETION], 3),
        (3, [M.INPUT, M.RUN, M.RUN, M.RUN_COMPLETION, M.RUN_COMPLETION], 3),
        (4, WHOLE[:5], 3),
        (5, WHOLE[:6], 3),
        (6, WHOLE[:8], 4),
        (7, WHOLE[:8], 4),
        (8, None, 0),
        (9, None, 0),
        (10, None, 0),
        (4_000_000_000, None, 0),
    ],
)
def test_the_prefix_and_its_completions_are_copied(
    machine: Machine, from_index: int, journal: list[M] | None, commands: int
) -> None:
    a = completed(machine)
    b = again(a)
    actions = machine.apply(RestartAsNew(a, b, 7, from_index, LATEST, True))
    if journal is None:
        assert actions == [TerminateOutcome(7, "bad_prefix")]
        assert not machine.exists(b)
        return
    assert [type(action) for action in actions] == [StartInvocation, TerminateOutcome]
    assert actions[-1] == TerminateOutcome(7, "done")
    row = machine.row(b)
    assert machine.journal_types(b) == journal
    assert (row.journal_length, row.command_count, row.output_index) == (len(journal), commands, -1)
    assert (row.status, row.restarted_from, row.idempotency_key, row.caller) == (Status.INVOKED, a, None, None)
    assert row.seed_id == (a if from_index > 0 else None)
    assert machine.journal(b)[0].raw == machine.journal(a)[0].raw
    # The copied completions are found again: a second one changes nothing.
    if from_index >= 1:
        machine.report(b, RunCompletion(1, b"other"))
        assert machine.journal_types(b) == journal
    assert replay(machine.log).digest() == machine.store.digest()


def test_the_new_one_goes_its_own_way_and_the_old_one_stays(machine: Machine) -> None:
    a = completed(machine)
    b = again(a)
    machine.apply(RestartAsNew(a, b, 7, 1, LATEST, True))
    machine.report(b, run(2), RunCompletion(2, b"new"), output(b'"b"'), End())
    assert (machine.row(a).result, machine.row(b).result) == (b'"done"', b'"b"')
    c = again(a)
    machine.apply(RestartAsNew(b, c, 8, 3, None))
    assert (machine.row(c).restarted_from, machine.row(c).seed_id) == (b, a)


def test_a_repeated_request_finds_what_it_made(machine: Machine) -> None:
    a = completed(machine)
    b = again(a)
    machine.apply(RestartAsNew(a, b, 7, 1, None))
    assert machine.apply(RestartAsNew(a, b, 8, 1, None)) == [TerminateOutcome(8, "done")]
    assert machine.row(b).generation == machine.row(b).born_lsn + 1


@pytest.mark.parametrize(
    ("from_index", "choice", "latest", "outcome", "pinned"),
    [
        (0, LATEST, True, "done", None),
        (0, DeploymentChoice("dp_9", 6, 7), True, "done", None),
        (0, None, False, "done", "dp_1"),
        (0, DeploymentChoice("dp_3", 5, 6), False, "done", "dp_3"),
        (0, DeploymentChoice("dp_3", 7, 7), False, "incompatible", None),
        (1, None, False, "done", "dp_1"),
        (1, LATEST, True, "done", "dp_2"),
        (1, DeploymentChoice("dp_9", 7, 7), True, "incompatible", None),
        (1, DeploymentChoice("dp_3", 5, 6), False, "done", "dp_3"),
    ],
)
def test_on_which_deployment(
    machine: Machine, from_index: int, choice: DeploymentChoice | None, latest: bool, outcome: str, pinned: str | None
) -> None:
    a = completed(machine)
    b = again(a)
    actions = machine.apply(RestartAsNew(a, b, 7, from_index, choice, latest))
    assert actions[-1] == TerminateOutcome(7, outcome)
    if outcome == "done":
        row = machine.row(b)
        assert (row.deployment_id, row.protocol_version) == (pinned, 6 if pinned else 0)


def test_without_its_journal_it_cannot_be_done_again(machine: Machine) -> None:
    a = completed(machine)
    machine.apply(Terminate(a, TerminateMode.PURGE_JOURNAL))
    assert machine.apply(RestartAsNew(a, again(a), 7, 0, None)) == [TerminateOutcome(7, "input_gone")]


def test_one_that_was_killed_before_it_was_pinned(machine: Machine) -> None:
    a = new_id()
    machine.apply(invoke(a), Terminate(a, TerminateMode.KILL))
    refused = machine.apply(RestartAsNew(a, again(a), 7, 0, DeploymentChoice("dp_3", 5, 6)))
    assert refused == [TerminateOutcome(7, "deployment_fixed")]
    b = again(a)
    assert machine.apply(RestartAsNew(a, b, 8, 0, None))[-1] == TerminateOutcome(8, "done")
    assert machine.row(b).deployment_id is None


def test_an_object_is_entered_in_turn(machine: Machine) -> None:
    a, b, c = new_id(COUNTER), new_id(COUNTER), new_id(COUNTER)
    machine.apply(invoke(a, COUNTER))
    machine.report(a, Pin("dp_1", 6), run(1), RunCompletion(1, b"1"), output(), End())
    machine.apply(invoke(b, COUNTER), RestartAsNew(a, c, 7, 2, None))
    assert machine.row(c).status is Status.INBOXED
    machine.report(b, output(), End())
    assert (machine.row(c).status, machine.row(c).generation) == (Status.INVOKED, machine.row(c).born_lsn + 1)


def test_calls_in_the_prefix_need_both_completions(machine: Machine) -> None:
    """Entries: Input, Call, callee's id, OneWayCall, callee's id, the call's result, Output."""
    a, callee, other = new_id(), new_id(), new_id()
    machine.apply(invoke(a))
    machine.report(
        a,
        Pin("dp_1", 6),
        call(a, GREETER, invoke(callee), id_completion=1, completion=2),
        one_way_call(a, GREETER, invoke(other), id_completion=3),
    )
    machine.report(callee, output(), End())
    machine.report(a, output(), End())
    b = again(a)
    assert machine.apply(RestartAsNew(a, b, 7, 1, None))[-1] == TerminateOutcome(7, "done")
    assert machine.journal_types(b) == [M.INPUT, M.CALL, M.CALL_INVOCATION_ID_COMPLETION, M.CALL_COMPLETION]
    assert machine.journal(b)[1].callee_id == callee


def test_a_copied_output_is_the_result_of_an_end_alone(machine: Machine) -> None:
    a = new_id()
    machine.apply(invoke(a))
    machine.report(a, Pin("dp_1", 6), output(b'"old"'), End())
    b = again(a)
    machine.apply(RestartAsNew(a, b, 7, 1, None))
    machine.report(b, End())
    assert machine.row(b).result == b'"old"'


def test_completions_that_are_failures_are_copied_too(machine: Machine) -> None:
    """Their places in the journal are stored with a mark, which tells a future of v7 how it settled."""
    a = new_id()
    machine.apply(invoke(a))
    machine.report(a, Pin("dp_1", 7), run(1), RunCompletion(1, Failure(418, "teapot")), run(2), output(), End())
    b = again(a)
    assert TerminateOutcome(1, "done") in machine.apply(RestartAsNew(a, b, 1, 1))
    assert machine.journal_types(b) == [M.INPUT, M.RUN, M.RUN_COMPLETION]
    either = Future([FutureNode(0, Combinator.FIRST_SUCCEEDED_OR_ALL_FAILED, [1, 9])])
    machine.report(b, SuspendOn(either))
    assert machine.row(b).status is Status.SUSPENDED


def test_a_prefix_of_protocol_5_is_refused(machine: Machine) -> None:
    """Its service drew random numbers from the id, and would draw others under the new one."""
    a = completed(machine, version=5)
    for from_index in (1, 99):
        actions = machine.apply(RestartAsNew(a, again(a), 7, from_index))
        assert actions == [TerminateOutcome(7, "old_protocol")]
    assert machine.apply(RestartAsNew(a, again(a), 8, 0))[-1] == TerminateOutcome(8, "done")
