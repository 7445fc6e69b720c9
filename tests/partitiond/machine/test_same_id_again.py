"""A workflow's run or an idempotent call is forgotten and invoked again: its id is the same, it is another one."""

from __future__ import annotations

import pytest

from partitiond.leader.cleaner import expired_drops
from partitiond.machine.actions import InvocationEnded, SendOutbox
from partitiond.machine.messages import CANCELED, KILLED
from shared.ids import encode_invocation_id
from shared.protocol import service_pb2 as pb
from shared.protocol.message_types import MessageType as M
from shared.storage import keys
from shared.storage.values import Status
from shared.wal.commands import (
    CleanUp,
    Command,
    Deliver,
    End,
    Entry,
    FireTimers,
    InvokerEffects,
    OutboxMessage,
    Suspend,
    Terminate,
    TerminateMode,
)
from tests.partitiond.machine.fixtures import COUNTER, HOUR_MS, SIGN_UP, Machine, call, invoke, new_id, output, sleep

HALF = 1 << 63


def again(workflow: bytes) -> list[Command]:
    """It is killed, purged and run once more, as fast as an operator can."""
    ends: list[Command] = [Terminate(workflow, mode) for mode in (TerminateMode.KILL, TerminateMode.PURGE)]
    return [*ends, invoke(workflow, SIGN_UP)]


def outbox(actions: list[object]) -> list[tuple[int, OutboxMessage]]:
    return [(action.seq, action.row.message) for action in actions if isinstance(action, SendOutbox)]


def test_what_the_former_attempt_reports_is_ignored() -> None:
    """Its last effects were on their way to the log when the kill was proposed."""
    machine, w = Machine(), new_id(SIGN_UP)
    machine.apply(invoke(w, SIGN_UP))
    former = machine.row(w).generation
    machine.apply(*again(w))
    assert machine.row(w).generation > former
    assert machine.apply(InvokerEffects(w, former, [output(b"old"), End()])) == []
    assert machine.row(w).status is Status.INVOKED


def test_a_generation_is_never_given_again_however_often_the_former_one_was_resumed() -> None:
    machine, w = Machine(), new_id(SIGN_UP)
    machine.apply(invoke(w, SIGN_UP))
    given = set()
    for number in range(5):
        given.add(machine.row(w).generation)
        machine.report(w, sleep(machine.now_ms, number + 1))
        machine.apply(FireTimers(machine.now_ms))
        machine.report(w, Suspend([number + 1], [], []))
    machine.apply(*again(w))
    assert machine.row(w).generation > max(given)


def test_the_former_sleep_does_not_wake_it() -> None:
    machine, w = Machine(), new_id(SIGN_UP)
    machine.apply(invoke(w, SIGN_UP))
    machine.report(w, sleep(machine.now_ms + 1_000, 1))
    machine.apply(*again(w))
    machine.report(w, sleep(machine.now_ms + 100_000, 1), Suspend([1], [], []))
    machine.now_ms += 1_000
    assert machine.apply(FireTimers(machine.now_ms)) == []
    assert machine.row(w).status is Status.SUSPENDED
    machine.now_ms += 99_000
    machine.apply(FireTimers(machine.now_ms))
    assert machine.row(w).status is Status.INVOKED


def test_a_former_sleep_does_not_start_it_before_its_time() -> None:
    machine, w = Machine(), new_id(SIGN_UP)
    machine.apply(invoke(w, SIGN_UP))
    machine.report(w, sleep(machine.now_ms + 1_000, 0))
    kill, purge, _ = again(w)
    machine.apply(kill, purge, invoke(w, SIGN_UP, start_at_ms=machine.now_ms + 100_000))
    machine.now_ms += 1_000
    machine.apply(FireTimers(machine.now_ms))
    assert machine.row(w).status is Status.SCHEDULED


@pytest.mark.parametrize("how", ["call", "attach"])
def test_the_answer_that_the_former_one_waited_for_is_not_its_own(how: str) -> None:
    """The first run gave up while its callee went on; the second one has its completion 2 for something else."""
    left = Machine(partition_id=0, key_range=(0, HALF - 1))
    right = Machine(partition_id=1, key_range=(HALF, 2 * HALF - 1))
    w, b = new_id(SIGN_UP, place=5), new_id(place=HALF + 5)
    left.apply(invoke(w, SIGN_UP))
    if how == "call":
        effect: Entry | object = call(w, SIGN_UP, invoke(b), id_completion=1, completion=2)
    else:
        right.apply(invoke(b))
        raw = pb.AttachInvocationCommand(invocation_id=encode_invocation_id(b), result_completion_id=2)
        effect = Entry(M.ATTACH_INVOCATION, raw.SerializeToString())
    right.apply(Deliver(0, outbox(left.report(w, effect))))  # type: ignore[arg-type]
    left.report(w, output(), End())
    left.apply(Terminate(w, TerminateMode.PURGE), invoke(w, SIGN_UP))
    left.apply(Deliver(1, outbox(right.report(b, output(b"late"), End()))))
    assert left.journal_types(w) == [M.INPUT]


@pytest.mark.parametrize("mode", [TerminateMode.CANCEL, TerminateMode.KILL])
@pytest.mark.parametrize("scheduled", [False, True])
def test_a_request_that_is_sent_again_after_its_invocation_was_dropped_gets_the_end_that_it_missed(
    mode: TerminateMode, scheduled: bool
) -> None:
    """The leader changed before the ingress heard of the end, so it asks again, by the same uid. What an operator
    has killed does not run."""
    machine, a, b = Machine(), new_id(COUNTER), new_id(COUNTER)
    start_at_ms = machine.now_ms + 1000 if scheduled else 0
    machine.apply(invoke(a, COUNTER))
    request = invoke(b, COUNTER, start_at_ms=start_at_ms, uid=b"first")
    machine.apply(request)
    machine.apply(Terminate(b, mode))
    assert not machine.exists(b)
    ended = [action for action in machine.apply(request) if isinstance(action, InvocationEnded)]
    assert [action.result for action in ended] == [CANCELED if mode is TerminateMode.CANCEL else KILLED]
    assert not machine.exists(b)
    machine.apply(invoke(b, COUNTER, uid=b"second"))
    assert machine.row(b).status is Status.INBOXED, "its id is free for another request"


def test_what_was_dropped_is_remembered_for_a_day() -> None:
    machine, a, b = Machine(), new_id(COUNTER), new_id(COUNTER)
    machine.apply(invoke(a, COUNTER))
    request = invoke(b, COUNTER, uid=b"first")
    machine.apply(request, Terminate(b, TerminateMode.KILL), CleanUp([b]))
    assert machine.store.get(keys.dropped_key(b)) is not None
    machine.now_ms += 24 * HOUR_MS
    assert expired_drops(machine.store, keys.DROPPED, machine.now_ms) == ([b], None)
    machine.apply(CleanUp([b]))
    assert machine.store.get(keys.dropped_key(b)) is None


def test_nothing_is_kept_of_a_dropped_one_that_an_invocation_has_made() -> None:
    """What comes from another invocation comes once."""
    machine, a, b = Machine(), new_id(COUNTER), new_id(COUNTER)
    machine.apply(invoke(a, COUNTER), invoke(b, COUNTER), Terminate(b, TerminateMode.KILL))
    assert machine.store.get(keys.dropped_key(b)) is None
