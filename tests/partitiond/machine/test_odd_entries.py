"""What a service may send though no SDK does: if it stopped the machine, it would do so again at each replay."""

from __future__ import annotations

import pytest

from shared.ids import awakeable_id
from shared.protocol import service_pb2 as pb
from shared.protocol.message_types import MessageType as M
from shared.storage.values import Status
from shared.wal.commands import (
    CleanUp,
    CompleteAwakeable,
    Effect,
    End,
    Entry,
    FireTimers,
    Result,
    RunCompletion,
    Suspend,
    Terminate,
    TerminateMode,
)
from tests.partitiond.machine.fixtures import (
    COUNTER,
    GREETER,
    HOUR_MS,
    SIGN_UP,
    Machine,
    call,
    cancel_signal,
    complete_promise,
    get_lazy_state,
    invoke,
    new_id,
    one_way_call,
    output,
    run,
    set_state,
    sleep,
)

U32_MAX, U64_MAX = 2**32 - 1, 2**64 - 1


@pytest.fixture
def machine() -> Machine:
    return Machine()


@pytest.mark.parametrize("completion_id", [0, U32_MAX])
def test_a_sleep_may_have_any_completion_id(machine: Machine, completion_id: int) -> None:
    """0 is what protobuf reads when the service gives none, and once meant the start of a scheduled invocation."""
    a = new_id()
    machine.apply(invoke(a))
    machine.report(a, sleep(machine.now_ms, completion_id), Suspend([completion_id], [], []))
    machine.apply(FireTimers(machine.now_ms))
    assert machine.row(a).status is Status.INVOKED


def test_the_completion_of_an_awakeable_of_an_older_protocol_tells_nobody(machine: Machine) -> None:
    """It names an entry of a journal that cannot be here; the invocation of its id, if any, has other ones there."""
    a, b = new_id(), new_id()
    machine.apply(invoke(a), invoke(b))
    old = "prom_1" + awakeable_id(a, 17).removeprefix("sign_1")
    raw = pb.CompleteAwakeableCommand(awakeable_id=old, value=pb.Value(content=b"v")).SerializeToString()
    assert not [
        action for action in machine.report(b, Entry(M.COMPLETE_AWAKEABLE, raw)) if "Outbox" in type(action).__name__
    ]
    assert machine.journal_types(b)[-1] == M.COMPLETE_AWAKEABLE
    assert M.SIGNAL not in machine.journal_types(a)


def test_times_go_up_to_the_last_one(machine: Machine) -> None:
    a, b, c = new_id(), new_id(), new_id()
    machine.apply(invoke(a), invoke(b, start_at_ms=U64_MAX))
    machine.report(a, sleep(U64_MAX, 1), one_way_call(a, GREETER, invoke(c, start_at_ms=U64_MAX), id_completion=2))
    machine.apply(FireTimers(machine.now_ms))
    assert [machine.row(i).status for i in (a, b, c)] == [Status.INVOKED, Status.SCHEDULED, Status.SCHEDULED]
    machine.apply(*(Terminate(i, TerminateMode.CANCEL) for i in (b, c)))
    assert not any(machine.exists(i) for i in (b, c))


def test_of_several_commands_with_one_completion_id_the_first_completion_counts(machine: Machine) -> None:
    w = new_id(SIGN_UP)
    machine.apply(invoke(w, SIGN_UP))
    promise = pb.GetPromiseCommand(key="p", result_completion_id=1).SerializeToString()
    machine.report(
        w,
        sleep(machine.now_ms, 1),
        Entry(M.GET_PROMISE, promise),
        Entry(M.GET_PROMISE, promise),
        get_lazy_state(b"x", 1),
        RunCompletion(1, b"x"),
        RunCompletion(77, b"of no run"),
        complete_promise("p", b"v", 1),
    )
    machine.apply(FireTimers(machine.now_ms))
    assert machine.journal_types(w).count(M.GET_LAZY_STATE_COMPLETION) == 1
    assert M.SLEEP_COMPLETION not in machine.journal_types(w)


def test_a_run_may_have_the_completion_id_of_something_else(machine: Machine) -> None:
    """It counts as unfinished only until there is something under that id, whatever it came from."""
    a, b = new_id(), new_id()
    machine.apply(invoke(a), invoke(b))
    machine.report(a, RunCompletion(1, b"early"), run(1), run(2), run(2), RunCompletion(2, b"once"))
    machine.report(b, sleep(machine.now_ms, 3), run(3))
    assert machine.row(b).open_runs == [3]
    machine.apply(FireTimers(machine.now_ms))
    assert [machine.row(i).open_runs for i in (a, b)] == [[], []]


@pytest.mark.parametrize("retention_ms", [0, HOUR_MS])
@pytest.mark.parametrize("last", [[], [output(), End()], [cancel_signal], [Suspend([2], [1], [])]])
def test_an_invocation_may_call_cancel_and_wait_for_itself(
    machine: Machine, retention_ms: int, last: list[object]
) -> None:
    """An idempotency key leads a call back to the caller. That never ends by itself; a kill ends it."""
    a, waiting = new_id(COUNTER), new_id(COUNTER)
    own = invoke(a, COUNTER, retention_ms=retention_ms)
    machine.apply(own, invoke(waiting, COUNTER, retention_ms=retention_ms))
    effects: list[Effect] = [
        call(a, COUNTER, invoke(a, COUNTER, retention_ms=retention_ms), id_completion=1, completion=2),
        *(each(a) if callable(each) else each for each in last),  # type: ignore[misc]
    ]
    machine.report(a, *effects)
    for _ in range(3):
        machine.apply(*(Terminate(i, TerminateMode.KILL) for i in (a, waiting)))
    machine.now_ms += HOUR_MS
    machine.apply(CleanUp([a, waiting]))
    assert not machine.exists(a)
    assert not machine.exists(waiting)


def test_a_kill_goes_round_a_circle_of_calls(machine: Machine) -> None:
    a, b, c = new_id(), new_id(), new_id()
    machine.apply(invoke(a))
    for caller, callee in ((a, b), (b, c), (c, a)):
        machine.report(caller, call(caller, GREETER, invoke(callee), id_completion=1, completion=2))
    machine.apply(Terminate(b, TerminateMode.KILL))
    assert [machine.row(i).status for i in (a, b, c)] == [Status.COMPLETED] * 3


@pytest.mark.parametrize("text", ["", "\0", "\U0010ffff" * 3, "n" * 70_000])
def test_names_and_keys_may_be_any_text(machine: Machine, text: str) -> None:
    target = type(SIGN_UP)("SignUp", "run", text, SIGN_UP.kind)
    w = new_id(target)
    machine.apply(invoke(w, target))
    machine.report(w, set_state(text.encode(), b"v"), complete_promise(text, b"", 1))
    named = Entry(M.SEND_SIGNAL, _named_signal(w, text))
    machine.report(w, named, Suspend([9], [], [text]))
    assert machine.row(w).status is Status.INVOKED


def _named_signal(invocation_id: bytes, name: str) -> bytes:
    message = pb.SendSignalCommand.FromString(cancel_signal(invocation_id).raw)
    message.name = name
    return message.SerializeToString()


@pytest.mark.parametrize("result", [b"", b"x"])
@pytest.mark.parametrize("signal", [0, 1, 16, U32_MAX])
def test_an_awakeable_may_have_any_index(machine: Machine, signal: int, result: Result) -> None:
    a = new_id()
    machine.apply(invoke(a))
    machine.report(a, Suspend([], [signal], []))
    machine.apply(CompleteAwakeable(a, signal, result), CompleteAwakeable(a, signal, result))
    assert machine.row(a).status is Status.INVOKED
