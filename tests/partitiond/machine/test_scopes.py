"""Invocations with a scope: what they wait for, in which status, and what is theirs alone."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from partitiond.machine.actions import (
    AbortAttempt,
    Action,
    ForwardNotification,
    InvocationEnded,
    RegisterTimer,
    StartInvocation,
    TerminateOutcome,
)
from partitiond.machine.entries.attach import target_id
from partitiond.machine.messages import CANCELED
from shared.ids import CANCEL_SIGNAL, idempotent_uuid, scope_partition_key, workflow_uuid
from shared.protocol import service_pb2 as pb
from shared.storage import keys, values
from shared.storage.values import InvocationRow, Status
from shared.wal.commands import (
    CleanUp,
    Deliver,
    DeploymentChoice,
    End,
    Failure,
    FireTimers,
    Pause,
    PauseInvocation,
    Pin,
    RestartAsNew,
    ResumeInvocation,
    SetRules,
    SignalMessage,
    Suspend,
    Target,
    Terminate,
    TerminateMode,
    Yield,
)
from tests.partitiond.machine.fixtures import (
    COUNTER,
    GREETER,
    HOUR_MS,
    SIGN_UP,
    START_MS,
    Machine,
    complete_promise,
    get_lazy_state,
    invoke,
    new_id,
    output,
    replay,
    set_state,
    sleep,
)

SCOPED = replace(GREETER, scope="s")
OBJECT = replace(COUNTER, scope="s")
PLACE = scope_partition_key("s")


def limited(limit: int = 1) -> Machine:
    machine = Machine()
    machine.apply(SetRules(1, [("s", limit)]))
    return machine


def started(actions: list[Action]) -> list[bytes]:
    return [action.id for action in actions if isinstance(action, StartInvocation)]


def two(machine: Machine, first: Target = SCOPED, second: Target = SCOPED) -> tuple[bytes, bytes]:
    """One that runs, and one that waits for it."""
    a, b = new_id(first), new_id(second)
    assert started(machine.apply(invoke(a, first))) == [a]
    assert started(machine.apply(invoke(b, second))) == []
    return a, b


def resumed_and_waiting(machine: Machine) -> tuple[bytes, bytes]:
    """One that runs, and one that was suspended and waits for a permit again."""
    b, a = new_id(SCOPED), new_id(SCOPED)
    machine.apply(invoke(b, SCOPED))
    machine.report(b, Suspend([1], [CANCEL_SIGNAL, 17], []))
    assert started(machine.apply(invoke(a, SCOPED))) == [a]
    assert started(machine.apply(Deliver(9, [(1, SignalMessage(b, 17, b"x"))]))) == []
    return a, b


def end(machine: Machine, invocation_id: bytes) -> list[bytes]:
    return started(machine.report(invocation_id, output(), End()))


# Who waits, and until when.


def test_one_that_never_ran_waits_inboxed_and_starts_when_there_is_room() -> None:
    machine = limited()
    a, b = two(machine)
    row = machine.row(b)
    assert (row.status, row.inboxed_at_ms, row.running_at_ms, row.has_permit) == (Status.INBOXED, START_MS, 0, False)
    machine.now_ms += 5
    assert end(machine, a) == [b]
    row = machine.row(b)
    assert (row.status, row.running_at_ms, row.has_permit, row.queue_seq) == (Status.INVOKED, START_MS + 5, True, 0)
    assert end(machine, b) == []
    assert not list(machine.store.scan(keys.COUNTER, keys.DROPPED)), "nothing is left of counters and queues"


def test_one_that_was_suspended_waits_invoked_and_takes_notifications_meanwhile() -> None:
    machine = limited()
    a, b = resumed_and_waiting(machine)
    row = machine.row(b)
    assert (row.status, row.may_run) == (Status.INVOKED, False)
    generation = row.generation
    (forwarded,) = machine.apply(Deliver(9, [(2, SignalMessage(b, 18, b"y"))]))
    assert isinstance(forwarded, ForwardNotification), "to nobody: there is no attempt"
    assert end(machine, a) == [b]
    assert machine.row(b).generation == generation, "no attempt had it before"


def test_a_suspended_one_holds_no_permit_and_a_suspension_that_is_over_at_once_keeps_it() -> None:
    machine = limited()
    a, b = two(machine)
    machine.apply(Deliver(9, [(1, SignalMessage(a, 17, b"x"))]))
    assert started(machine.report(a, Suspend([], [17], []))) == [a]
    assert started(machine.report(a, Suspend([], [18], []))) == [b]


@pytest.mark.parametrize("limit_key", [None, "k", "k/l"])
def test_every_level_counts(limit_key: str | None) -> None:
    machine = Machine()
    machine.apply(SetRules(1, [("s", 3), ("*/k", 2), ("s/k/*", 1)]))
    ids = [new_id(SCOPED) for _ in range(4)]
    running = [started(machine.apply(invoke(each, SCOPED, limit_key=limit_key))) == [each] for each in ids]
    room = {None: 3, "k": 2, "k/l": 1}[limit_key]
    assert running == [number < room for number in range(4)]


def test_scopes_and_invocations_without_one_do_not_count_for_each_other() -> None:
    machine = Machine()
    machine.apply(SetRules(1, [("*", 1)]))
    for target in (SCOPED, replace(GREETER, scope="t"), GREETER, GREETER):
        invocation_id = new_id(target)
        assert started(machine.apply(invoke(invocation_id, target))) == [invocation_id]


def test_a_scheduled_one_takes_its_permit_when_its_time_comes() -> None:
    machine = limited()
    b = new_id(SCOPED)
    machine.apply(invoke(b, SCOPED, start_at_ms=START_MS + 100))
    a = new_id(SCOPED)
    machine.apply(invoke(a, SCOPED))
    machine.now_ms += 100
    assert started(machine.apply(FireTimers(machine.now_ms))) == []
    assert machine.row(b).status is Status.INBOXED
    assert end(machine, a) == [b]


def test_one_that_was_suspended_goes_on_before_those_that_never_ran() -> None:
    """As in Restate, where an invocation keeps its place by age; else a backlog would be begun as a whole first."""
    machine = limited()
    a, b = two(machine)
    c = new_id(SCOPED)
    machine.apply(invoke(c, SCOPED))
    assert started(machine.report(a, Suspend([], [17], []))) == [b]
    assert started(machine.apply(Deliver(9, [(1, SignalMessage(a, 17, b"x"))]))) == []
    assert end(machine, b) == [a]
    assert end(machine, a) == [c]


# Locks.


def test_an_object_waits_for_its_lock_first_and_then_for_room() -> None:
    machine = limited()
    a, b = two(machine, OBJECT, OBJECT)
    c = new_id(SCOPED)
    machine.apply(invoke(c, SCOPED))
    assert machine.row(b).queue_seq == 0, "it waits for the lock"
    assert machine.row(c).queue_seq > 0
    assert end(machine, a) == [c], "it came first"
    assert machine.row(b).queue_seq > 0
    assert end(machine, c) == [b]


def test_an_object_with_a_long_inbox_and_a_service_take_turns() -> None:
    machine = limited()
    objects, services = ([new_id(target) for _ in range(6)] for target in (OBJECT, SCOPED))
    for invocation_id, target in [*((i, OBJECT) for i in objects), *((i, SCOPED) for i in services)]:
        machine.apply(invoke(invocation_id, target))
    order, running = [], objects[0]
    while True:
        order.append("o" if running in objects else "s")
        after = end(machine, running)
        if not after:
            break
        (running,) = after
    assert "".join(order) == "os" * 6


@pytest.mark.parametrize("mode", [TerminateMode.KILL, TerminateMode.CANCEL])
def test_one_that_is_ended_while_it_waits_for_room_gives_its_lock_on(mode: TerminateMode) -> None:
    machine = limited()
    a, b = two(machine, SCOPED, OBJECT)
    c = new_id(OBJECT)
    machine.apply(invoke(c, OBJECT))
    machine.apply(Terminate(b, mode))
    assert not machine.exists(b), "it never began"
    assert machine.row(c).queue_seq > 0
    assert end(machine, a) == [c]


def test_objects_of_one_key_are_apart_in_each_scope() -> None:
    machine = Machine()
    targets = [COUNTER, OBJECT, replace(COUNTER, scope="t")]
    for number, target in enumerate(targets):
        invocation_id = new_id(target)
        assert started(machine.apply(invoke(invocation_id, target))) == [invocation_id], "the lock is its own"
        machine.report(invocation_id, set_state(b"n", str(number).encode()))
        machine.report(invocation_id, get_lazy_state(b"n", 1))
        assert machine.last_notification(invocation_id).value.content == str(number).encode()


def test_state_and_promises_of_a_scoped_workflow_go_with_it_and_leave_others_alone() -> None:
    machine = Machine()
    run = replace(SIGN_UP, scope="s")
    ids = {target: new_id(target) for target in (run, SIGN_UP)}
    for target, invocation_id in ids.items():
        machine.apply(invoke(invocation_id, target))
        machine.report(invocation_id, set_state(b"n", b"1"), complete_promise("p", b"v", 1), output(), End())
    kinds = [keys.SCOPED_STATE, keys.SCOPED_PROMISE, keys.STATE, keys.PROMISE]

    def kept() -> list[int]:
        return [len(list(machine.store.scan(kind, keys.prefix_end(kind)))) for kind in kinds]

    assert kept() == [1, 1, 1, 1]
    machine.now_ms += 2 * HOUR_MS
    machine.apply(CleanUp([ids[run]]))
    assert kept() == [0, 0, 1, 1]


# Verbs of operators, on what waits.


def test_cancel_ends_one_that_never_ran_and_is_stored_for_one_that_did() -> None:
    machine = limited()
    _, b = two(machine)
    actions = machine.apply(Terminate(b, TerminateMode.CANCEL, 7))
    assert InvocationEnded(b, SCOPED, CANCELED, 0) in actions
    machine = limited()
    a, b = resumed_and_waiting(machine)
    machine.apply(Terminate(b, TerminateMode.CANCEL, 7))
    assert machine.row(b).status is Status.INVOKED
    assert end(machine, a) == [b]


@pytest.mark.parametrize("begun", [False, True])
def test_kill_takes_it_out_of_the_queue(begun: bool) -> None:
    machine = limited()
    a, b = resumed_and_waiting(machine) if begun else two(machine)
    machine.apply(Terminate(b, TerminateMode.KILL))
    assert machine.exists(b) == begun, "one that never began is forgotten"
    assert end(machine, a) == []


def test_pause_gives_the_permit_back_or_leaves_the_queue_and_resume_asks_anew() -> None:
    machine = limited()
    a, b = resumed_and_waiting(machine)
    c = new_id(SCOPED)
    machine.apply(invoke(c, SCOPED))
    machine.apply(PauseInvocation(b))
    assert (machine.row(b).status, machine.row(b).queue_seq) == (Status.PAUSED, 0)
    assert started(machine.apply(PauseInvocation(a))) == [c]
    assert started(machine.apply(ResumeInvocation(a))) == []
    assert started(machine.apply(ResumeInvocation(b))) == []
    assert end(machine, c) == [a]
    assert started(machine.report(a, Pause(Failure(500, "x")))) == [b]


def test_resume_of_one_that_waits_changes_nothing() -> None:
    machine = limited()
    _, b = resumed_and_waiting(machine)
    before = machine.row(b)
    assert started(machine.apply(ResumeInvocation(b, 7))) == []
    assert machine.row(b) == before


@pytest.mark.parametrize("waits", ["runs", "queue", "retry"])
def test_resume_may_name_another_deployment_unless_an_attempt_runs(waits: str) -> None:
    machine = limited()
    b, a = new_id(SCOPED), new_id(SCOPED)
    machine.apply(invoke(b, SCOPED))
    machine.report(b, Pin("dp_1", 7))
    if waits == "queue":
        machine.report(b, Suspend([1], [17], []))
        machine.apply(invoke(a, SCOPED))
        machine.apply(Deliver(9, [(1, SignalMessage(b, 17, b"x"))]))
    if waits == "retry":
        machine.report(b, Yield(START_MS + 10))
    actions = machine.apply(ResumeInvocation(b, 7, DeploymentChoice("dp_2", 5, 7)))
    assert TerminateOutcome(7, "deployment_fixed" if waits == "runs" else "done") in actions
    assert machine.row(b).deployment_id == ("dp_1" if waits == "runs" else "dp_2")
    assert started(actions) == ([b] if waits == "retry" else [])


def test_kill_of_one_that_runs_starts_the_next() -> None:
    machine = limited()
    a, b = two(machine)
    assert started(machine.apply(Terminate(a, TerminateMode.KILL))) == [b]


def test_restart_as_new_keeps_scope_and_limit_key() -> None:
    machine = Machine()
    machine.apply(SetRules(1, [("s/k", 1)]))
    a, b, anew = (new_id(SCOPED) for _ in range(3))
    machine.apply(invoke(a, SCOPED, limit_key="k"))
    end(machine, a)
    machine.apply(invoke(b, SCOPED, limit_key="k"))
    machine.apply(RestartAsNew(a, anew))
    row = machine.row(anew)
    assert (row.status, row.target, row.limit_key) == (Status.INBOXED, SCOPED, "k")
    assert end(machine, b) == [anew]


# Retries that are put off.


def test_a_retry_that_is_put_off_lets_others_run_and_asks_for_room_when_it_is_due() -> None:
    machine = limited()
    a, b = two(machine)
    machine.report(a, Pin("dp_1", 7))
    due = START_MS + 5000
    actions = machine.report(a, Yield(due))
    assert started(actions) == [b]
    assert RegisterTimer(due) in actions
    row = machine.row(a)
    assert (row.status, row.may_run, row.retry_at_ms) == (Status.INVOKED, False, due)
    generation = row.generation
    machine.now_ms = due
    assert started(machine.apply(FireTimers(due))) == []
    row = machine.row(a)
    assert (row.retry_at_ms, row.queue_seq > 0, row.generation) == (0, True, generation + 1)
    assert end(machine, b) == [a]


def test_a_retry_that_is_due_starts_at_once_where_there_is_room() -> None:
    machine = limited()
    a = new_id(SCOPED)
    machine.apply(invoke(a, SCOPED))
    machine.report(a, Yield(START_MS + 10))
    assert started(machine.apply(FireTimers(START_MS + 9))) == []
    assert started(machine.apply(FireTimers(START_MS + 10))) == [a]


def test_a_sleep_of_the_same_moment_is_another_timer() -> None:
    machine = limited()
    a = new_id(SCOPED)
    machine.apply(invoke(a, SCOPED))
    machine.report(a, sleep(START_MS + 10, 0), Yield(START_MS + 10))
    assert started(machine.apply(FireTimers(START_MS + 10))) == [a]
    assert machine.last_notification(a).completion_id == 0


@pytest.mark.parametrize("verb", ["kill", "pause", "resume"])
def test_what_ends_the_delay_takes_its_timer_away(verb: str) -> None:
    machine = limited()
    a = new_id(SCOPED)
    machine.apply(invoke(a, SCOPED))
    machine.report(a, Yield(START_MS + 10))
    match verb:
        case "kill":
            assert AbortAttempt(a, machine.row(a).generation) in machine.apply(Terminate(a, TerminateMode.KILL))
        case "pause":
            machine.apply(PauseInvocation(a))
        case _:
            actions = machine.apply(ResumeInvocation(a, 7))
            assert started(actions) == [a]
            assert TerminateOutcome(7, "done") in actions
    assert not list(machine.store.scan(keys.TIMER, keys.OUTBOX))
    assert machine.apply(FireTimers(START_MS + 10)) == []


# Rules.


def test_rules_count_from_their_record_on_and_an_older_book_is_ignored() -> None:
    machine = Machine()
    ids = [new_id(SCOPED) for _ in range(5)]
    for each in ids[:3]:
        machine.apply(invoke(each, SCOPED))
    machine.apply(SetRules(5, [("s", 1)]))
    for each in ids[3:]:
        machine.apply(invoke(each, SCOPED))
    assert [machine.row(each).may_run for each in ids] == [True] * 3 + [False] * 2, "none was taken back"
    assert machine.apply(SetRules(5, [])) == []
    assert machine.apply(SetRules(4, [])) == []
    assert end(machine, ids[0]) == end(machine, ids[1]) == []
    assert end(machine, ids[2]) == [ids[3]]
    assert started(machine.apply(SetRules(6, []))) == [ids[4]]


def test_a_leader_change_and_a_replay_keep_rules_and_queues() -> None:
    machine = limited()
    a, b = two(machine)
    machine.announce(b"leader-2")
    assert end(machine, a) == [b]
    assert replay(machine.log).digest() == machine.store.digest()


def test_the_largest_book_fits_a_record_and_is_read_once() -> None:
    part = "x" * 32
    rules: list[tuple[str, int | None]] = [(f"{part}{n:04}/{part}{n:04}/{part}{n:04}", n + 1) for n in range(10_000)]
    machine = Machine()
    machine.apply(SetRules(1, [*rules[1:], ("s", 1)]))
    assert len(machine.log[-1][1]) < 1_300_000
    two(machine)


def test_an_invocation_without_a_scope_touches_nothing_of_it() -> None:
    machine = limited()
    a = new_id(GREETER)
    machine.apply(invoke(a, GREETER))
    machine.report(a, Yield(START_MS + 5))
    end(machine, a)
    row = machine.row(a)
    assert (row.has_permit, row.queue_seq, row.retry_at_ms) == (False, 0, 0)
    assert not list(machine.store.scan(keys.COUNTER, keys.OUTBOX))


def test_rows_of_older_builds_may_run() -> None:
    row = InvocationRow(Status.INVOKED, GREETER, 1, 1, 1, 0, 0, 0, 0)
    fields = values.encode(row)
    assert values.decode_invocation(fields).may_run


# Other invocations, by what they are.


def test_targets_of_attach_with_a_scope() -> None:
    place = PLACE.to_bytes(8, "big")
    workflow = pb.WorkflowTarget(workflow_name="W", workflow_key="k", scope="s")
    command = pb.AttachInvocationCommand(workflow_target=workflow)
    assert target_id(command) == place + workflow_uuid("W", "k", "s")
    for key in (None, "k"):
        request = pb.IdempotentRequestTarget(
            service_name="S", service_key=key, handler_name="h", idempotency_key="i", scope="s"
        )
        output_of = pb.GetInvocationOutputCommand(idempotent_request_target=request)
        assert target_id(output_of) == place + idempotent_uuid("S", key, "h", "i", "s")
