"""Invocations from arrival to end: given commands, the exact actions and rows."""

from __future__ import annotations

import pytest

from partitiond.machine.actions import (
    AbortAttempt,
    ForwardNotification,
    InvocationEnded,
    InvocationStored,
    RegisterTimer,
    RunRefused,
    StartInvocation,
    TerminateOutcome,
)
from shared.ids import awakeable_id, encode_invocation_id
from shared.protocol import service_pb2 as pb
from shared.protocol.message_types import MessageType as M
from shared.storage.values import Status
from shared.wal.batch import Batch
from shared.wal.commands import (
    CleanUp,
    CompleteAwakeable,
    End,
    Entry,
    Failure,
    FireTimers,
    GiveUp,
    InvokerEffects,
    Pause,
    Pin,
    RunCompletion,
    Suspend,
    Terminate,
    TerminateMode,
)
from tests.partitiond.machine.fixtures import (
    COUNTER,
    COUNTER_GET,
    GREETER,
    HOUR_MS,
    SIGN_UP,
    SIGN_UP_CLICK,
    Machine,
    call,
    cancel_signal,
    complete_promise,
    get_lazy_state,
    invoke,
    new_id,
    one_way_call,
    output,
    replay,
    set_state,
    sleep,
)


@pytest.fixture
def machine() -> Machine:
    return Machine()


def kinds(actions: list[object]) -> list[str]:
    return [type(action).__name__ for action in actions]


def test_a_new_invocation_is_stored_with_its_input_and_starts(machine: Machine) -> None:
    a = new_id()
    actions = machine.apply(invoke(a))
    assert kinds(actions) == ["StartInvocation", "InvocationStored"]
    row = machine.row(a)
    assert (row.status, row.journal_length, row.command_count) == (Status.INVOKED, 1, 1)
    entry = pb.InputCommand.FromString(machine.journal(a)[0].raw)
    assert (entry.value.content, entry.headers[0].key) == (b'"hi"', "content-type")


def test_output_and_end_complete_it_and_keep_the_result(machine: Machine) -> None:
    a = new_id()
    machine.apply(invoke(a))
    actions = machine.report(a, Pin("dp_1", 5), output(), End())
    assert actions == [InvocationEnded(a, GREETER, b'"done"', 0)]
    row = machine.row(a)
    assert (row.status, row.result, row.deployment_id, row.protocol_version) == (Status.COMPLETED, b'"done"', "dp_1", 5)


def test_without_retention_nothing_is_left(machine: Machine) -> None:
    a = new_id()
    machine.apply(invoke(a, retention_ms=0))
    machine.report(a, sleep(machine.now_ms, 1))
    machine.apply(FireTimers(machine.now_ms))
    machine.report(a, output(), End())
    assert not machine.exists(a)
    assert list(machine.store.scan(b"\x00", b"\x30")) == []


def test_the_last_output_counts_and_a_failure_is_a_result(machine: Machine) -> None:
    a = new_id()
    machine.apply(invoke(a))
    failed = pb.OutputCommand(
        failure=pb.Failure(code=418, message="teapot", metadata=[pb.FailureMetadata(key="k", value="v")])
    )
    actions = machine.report(a, output(), Entry(M.OUTPUT, failed.SerializeToString()), End())
    assert actions == [InvocationEnded(a, GREETER, Failure(418, "teapot", [("k", "v")]), 0)]


def test_a_repeated_idempotent_request_gets_the_stored_result(machine: Machine) -> None:
    a = new_id()
    machine.apply(invoke(a))
    assert machine.apply(invoke(a)) == [InvocationStored(a, b"", False, 0)]
    machine.report(a, output(), End())
    expires = machine.now_ms + HOUR_MS
    assert machine.apply(invoke(a)) == [
        InvocationStored(a, b"", False, 0),
        InvocationEnded(a, GREETER, b'"done"', expires),
    ]


def test_the_same_request_sent_again_counts_as_created(machine: Machine) -> None:
    """The ingress loses its worker after the record was stored, and sends the request to the next leader."""
    a = new_id()
    machine.apply(invoke(a, uid=b"u1"))
    assert machine.apply(invoke(a, uid=b"u1")) == [InvocationStored(a, b"u1", True, 0)]
    assert machine.apply(invoke(a, uid=b"u2")) == [InvocationStored(a, b"u2", False, 0)]


def test_a_workflow_runs_once_per_key(machine: Machine) -> None:
    w = new_id(SIGN_UP)
    machine.apply(invoke(w, SIGN_UP, uid=b"u1"))
    assert machine.apply(invoke(w, SIGN_UP, uid=b"u1")) == [InvocationStored(w, b"u1", True, 0)]
    assert machine.apply(invoke(w, SIGN_UP, uid=b"u2")) == [InvocationStored(w, b"u2", False, 0), RunRefused(w, b"u2")]
    machine.report(w, output(), End())
    assert RunRefused(w, b"u3") in machine.apply(invoke(w, SIGN_UP, uid=b"u3"))


def test_exclusive_handlers_of_one_key_run_one_by_one_in_order(machine: Machine) -> None:
    a, b, c, other = new_id(COUNTER), new_id(COUNTER), new_id(COUNTER), new_id(COUNTER_GET)
    machine.apply(invoke(a, COUNTER), invoke(b, COUNTER), invoke(c, COUNTER))
    assert [machine.row(i).status for i in (a, b, c)] == [Status.INVOKED, Status.INBOXED, Status.INBOXED]
    shared = machine.apply(invoke(other, COUNTER_GET))
    assert kinds(shared) == ["StartInvocation", "InvocationStored"]
    ended = machine.report(a, output(), End())
    assert kinds(ended) == ["InvocationEnded", "StartInvocation"]
    assert isinstance(ended[1], StartInvocation)
    assert ended[1].id == b
    machine.report(b, Suspend([7], [], []))
    assert machine.row(c).status is Status.INBOXED
    machine.apply(CompleteAwakeable(b, 17, b"x"))
    machine.apply(Terminate(b, TerminateMode.KILL))
    assert machine.row(c).status is Status.INVOKED


def test_one_that_leaves_the_inbox_leaves_the_others_in_order(machine: Machine) -> None:
    ids = [new_id(COUNTER) for _ in range(4)]
    machine.apply(*(invoke(i, COUNTER) for i in ids))
    actions = machine.apply(Terminate(ids[1], TerminateMode.CANCEL, 5))
    assert actions == [InvocationEnded(ids[1], COUNTER, Failure(409, "canceled"), 0), TerminateOutcome(5, "done")]
    started = []
    for current in (ids[0], ids[2], ids[3]):
        started += [a.id for a in machine.report(current, output(), End()) if isinstance(a, StartInvocation)]
    assert started == [ids[2], ids[3]]


def test_a_delayed_invocation_starts_when_its_timer_fires(machine: Machine) -> None:
    a = new_id()
    start = machine.now_ms + 5000
    actions = machine.apply(invoke(a, start_at_ms=start))
    assert actions == [RegisterTimer(start), InvocationStored(a, b"", True, start)]
    assert machine.row(a).status is Status.SCHEDULED
    assert machine.apply(FireTimers(start - 1)) == []
    machine.now_ms = start
    assert kinds(machine.apply(FireTimers(start))) == ["StartInvocation"]
    assert machine.apply(FireTimers(start)) == []


def test_a_sleep_wakes_a_suspended_handler(machine: Machine) -> None:
    a = new_id()
    machine.apply(invoke(a))
    due = machine.now_ms + 1000
    assert machine.report(a, sleep(due, 1)) == [RegisterTimer(due)]
    assert machine.report(a, Suspend([1], [1], [])) == []
    suspended = machine.row(a)
    assert suspended.status is Status.SUSPENDED
    actions = machine.apply(FireTimers(due))
    assert kinds(actions) == ["StartInvocation"]
    assert machine.row(a).generation == suspended.generation + 1
    assert machine.journal_types(a) == [M.INPUT, M.SLEEP, M.SLEEP_COMPLETION]


def test_a_suspension_on_what_is_stored_already_goes_on_at_once(machine: Machine) -> None:
    """The sleep fires while the SDK's suspension is on its way: nobody would wake it later."""
    a = new_id()
    machine.apply(invoke(a))
    machine.report(a, sleep(machine.now_ms, 1))
    assert kinds(machine.apply(FireTimers(machine.now_ms))) == ["ForwardNotification"]
    assert kinds(machine.report(a, Suspend([1], [], []))) == ["StartInvocation"]


def test_effects_of_an_older_generation_are_ignored(machine: Machine) -> None:
    """An attempt's last effects arrive after the invocation was resumed by another way."""
    a = new_id()
    machine.apply(invoke(a))
    first = machine.row(a).generation
    machine.report(a, Suspend([1], [17], []))
    machine.apply(CompleteAwakeable(a, 17, b"v"))
    assert machine.row(a).generation == first + 1
    assert machine.apply(InvokerEffects(a, first, [output(), End()])) == []
    assert machine.row(a).status is Status.INVOKED


def test_a_run_result_is_stored_once_and_told_to_the_attempt(machine: Machine) -> None:
    a = new_id()
    machine.apply(invoke(a))
    run = Entry(M.RUN, pb.RunCommand(result_completion_id=1, name="charge").SerializeToString(), ack=True)
    actions = machine.report(a, run, RunCompletion(1, b"ok"), RunCompletion(1, b"again"))
    assert kinds(actions) == ["AckCommand", "ForwardNotification"]
    assert machine.last_notification(a).value.content == b"ok"


def test_a_call_tells_the_id_then_the_result(machine: Machine) -> None:
    a, b = new_id(), new_id()
    machine.apply(invoke(a))
    actions = machine.report(a, call(a, GREETER, invoke(b, retention_ms=0), id_completion=1, completion=2))
    assert kinds(actions) == ["ForwardNotification", "StartInvocation", "InvocationStored"]
    assert machine.last_notification(a).invocation_id == encode_invocation_id(b)
    actions = machine.report(b, output(b'"42"'), End())
    assert kinds(actions) == ["InvocationEnded", "ForwardNotification"]
    assert isinstance(actions[1], ForwardNotification)
    assert actions[1].entry_type == M.CALL_COMPLETION
    assert machine.last_notification(a).value.content == b'"42"'


def test_a_one_way_call_has_no_result_for_the_caller(machine: Machine) -> None:
    a, b = new_id(), new_id()
    machine.apply(invoke(a))
    machine.report(a, one_way_call(a, GREETER, invoke(b, start_at_ms=machine.now_ms + 9), id_completion=1))
    assert machine.row(b).status is Status.SCHEDULED
    machine.apply(FireTimers(machine.now_ms + 9))
    length = machine.row(a).journal_length
    machine.report(b, output(), End())
    assert machine.row(a).journal_length == length


def test_state_is_read_lazily_and_cleared(machine: Machine) -> None:
    a = new_id(COUNTER)
    machine.apply(invoke(a, COUNTER))
    machine.report(a, set_state(b"n", b"1"), set_state(b"m", b"2"), get_lazy_state(b"n", 1))
    assert machine.last_notification(a).value.content == b"1"
    keys_command = Entry(M.GET_LAZY_STATE_KEYS, pb.GetLazyStateKeysCommand(result_completion_id=2).SerializeToString())
    machine.report(a, keys_command)
    assert list(machine.last_notification(a).state_keys.keys) == [b"m", b"n"]
    machine.report(a, Entry(M.CLEAR_STATE, pb.ClearStateCommand(key=b"n").SerializeToString()), get_lazy_state(b"n", 3))
    assert machine.last_notification(a).WhichOneof("result") == "void"
    machine.report(a, set_state(b"z", b""), Entry(M.CLEAR_ALL_STATE, b""), keys_command)
    machine.report(
        a, Entry(M.GET_LAZY_STATE_KEYS, pb.GetLazyStateKeysCommand(result_completion_id=4).SerializeToString())
    )
    assert list(machine.last_notification(a).state_keys.keys) == []


def test_a_promise_completes_once_and_wakes_all_who_wait(machine: Machine) -> None:
    w, click, second = new_id(SIGN_UP), new_id(SIGN_UP_CLICK), new_id(SIGN_UP_CLICK)
    machine.apply(invoke(w, SIGN_UP), invoke(click, SIGN_UP_CLICK), invoke(second, SIGN_UP_CLICK))
    machine.report(w, Entry(M.GET_PROMISE, pb.GetPromiseCommand(key="p", result_completion_id=1).SerializeToString()))
    machine.report(w, Suspend([1], [], []))
    actions = machine.report(click, complete_promise("p", b"yes", 1))
    assert kinds(actions) == ["ForwardNotification", "StartInvocation"]
    assert machine.last_notification(w).value.content == b"yes"
    machine.report(second, complete_promise("p", b"yes", 1))
    assert machine.last_notification(second).failure.code == 409
    machine.report(
        second, Entry(M.PEEK_PROMISE, pb.PeekPromiseCommand(key="p", result_completion_id=2).SerializeToString())
    )
    assert machine.last_notification(second).value.content == b"yes"


def test_an_awakeable_of_another_invocation_is_completed_by_its_id(machine: Machine) -> None:
    a, b = new_id(), new_id()
    machine.apply(invoke(a), invoke(b))
    machine.report(a, Suspend([], [17], []))
    command = pb.CompleteAwakeableCommand(awakeable_id=awakeable_id(a, 17), value=pb.Value(content=b"v"))
    actions = machine.report(b, Entry(M.COMPLETE_AWAKEABLE, command.SerializeToString()))
    assert kinds(actions) == ["StartInvocation"]
    assert machine.last_notification(a).value.content == b"v"


def test_cancel_by_signal_reaches_a_suspended_handler_and_wakes_a_paused_one(machine: Machine) -> None:
    a, b, c = new_id(), new_id(), new_id()
    machine.apply(invoke(a), invoke(b), invoke(c))
    machine.report(a, Suspend([1], [1], []))
    assert kinds(machine.report(c, cancel_signal(a))) == ["StartInvocation"]
    machine.report(b, Pause(Failure(500, "boom")))
    assert (machine.row(b).status, machine.row(b).paused_for) == (Status.PAUSED, "[500] boom")
    assert kinds(machine.report(c, cancel_signal(b))) == ["StartInvocation"]
    assert machine.journal_types(b)[-1] == M.SIGNAL


def test_a_cancel_that_the_last_attempt_did_not_begin_with_is_tried_before_the_pause(machine: Machine) -> None:
    """Retries are exhausted, and the invoker says so, while the record of the cancel is on its way to be applied:
    the pause came after it, and nobody would hear of the signal."""
    a = new_id()
    machine.apply(invoke(a))
    known = machine.row(a).journal_length
    machine.apply(Terminate(a, TerminateMode.CANCEL, 1))
    exhausted = Pause(Failure(500, "boom"), None, known)
    assert kinds(machine.report(a, exhausted)) == ["StartInvocation"]
    # It fails again, and knew of the cancel this time.
    exhausted.known_entries = machine.row(a).journal_length
    machine.report(a, exhausted)
    assert machine.row(a).status is Status.PAUSED


def test_kill_ends_the_whole_tree(machine: Machine) -> None:
    a, b, c = new_id(), new_id(), new_id()
    machine.apply(invoke(a))
    machine.report(a, call(a, GREETER, invoke(b), id_completion=1, completion=2))
    machine.report(b, one_way_call(b, GREETER, invoke(c), id_completion=1))
    actions = machine.apply(Terminate(a, TerminateMode.KILL, 1))
    assert [type(x) for x in actions[:3]] == [AbortAttempt, InvocationEnded, TerminateOutcome]
    assert [machine.row(i).result for i in (a, b, c)] == [Failure(409, "killed")] * 3


def test_give_up_ends_with_the_last_failure(machine: Machine) -> None:
    a = new_id()
    machine.apply(invoke(a))
    assert machine.report(a, GiveUp(Failure(500, "no more"))) == [
        InvocationEnded(a, GREETER, Failure(500, "no more"), 0)
    ]


def test_attach_and_output_by_id(machine: Machine) -> None:
    a, b = new_id(), new_id()
    machine.apply(invoke(a), invoke(b))
    attach = pb.AttachInvocationCommand(invocation_id=encode_invocation_id(b), result_completion_id=1)
    peek = pb.GetInvocationOutputCommand(invocation_id=encode_invocation_id(b), result_completion_id=2)
    missing = pb.AttachInvocationCommand(invocation_id=encode_invocation_id(new_id()), result_completion_id=3)
    machine.report(
        a,
        Entry(M.ATTACH_INVOCATION, attach.SerializeToString()),
        Entry(M.GET_INVOCATION_OUTPUT, peek.SerializeToString()),
    )
    assert machine.last_notification(a).WhichOneof("result") == "void"
    machine.report(a, Entry(M.ATTACH_INVOCATION, missing.SerializeToString()))
    assert machine.last_notification(a).failure.code == 404
    machine.report(b, output(), End())
    assert machine.journal_types(a)[-1] == M.ATTACH_INVOCATION_COMPLETION


def test_the_cleaner_forgets_what_has_expired(machine: Machine) -> None:
    a, w = new_id(), new_id(SIGN_UP)
    machine.apply(invoke(a), invoke(w, SIGN_UP))
    machine.report(w, set_state(b"s", b"1"))
    machine.report(a, output(), End())
    machine.report(w, output(), End())
    machine.apply(CleanUp([a, w]))
    assert machine.exists(a)
    machine.now_ms += HOUR_MS
    machine.apply(CleanUp([a, w]))
    assert list(machine.store.scan(b"\x00", b"\x30")) == []


def test_a_batch_of_a_former_leader_changes_nothing(machine: Machine) -> None:
    """A worker dies with a batch in flight; the log takes it after the next leader's announcement."""
    former = machine.meta.epoch
    machine.announce(b"leader-2")
    a = new_id()
    actions, applied = machine.apply_batch(Batch(former, 1, machine.now_ms, [invoke(a)]))
    assert (actions, applied) == ([], False)
    assert not machine.exists(a)


@pytest.mark.parametrize("seq", [1, 3])
def test_a_repeated_batch_and_one_after_a_lost_one_change_nothing(machine: Machine, seq: int) -> None:
    a, b = new_id(), new_id()
    machine.apply(invoke(a))
    _, applied = machine.apply_batch(Batch(machine.meta.epoch, seq, machine.now_ms, [invoke(b)]))
    assert not applied
    assert not machine.exists(b)


def test_time_never_goes_back(machine: Machine) -> None:
    a, b = new_id(), new_id()
    machine.apply(invoke(a))
    machine.now_ms -= 60_000
    machine.apply(invoke(b))
    assert machine.row(b).created_at_ms == machine.row(a).created_at_ms


def test_two_replays_give_the_same_bytes(machine: Machine) -> None:
    test_a_promise_completes_once_and_wakes_all_who_wait(machine)
    test_kill_ends_the_whole_tree(machine)
    test_one_that_leaves_the_inbox_leaves_the_others_in_order(machine)
    assert replay(machine.log).digest() == replay(machine.log).digest() == machine.store.digest()
