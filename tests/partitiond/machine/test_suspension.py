"""Suspensions of service protocol v7: woken exactly when the tree is settled; acknowledged runs."""

from __future__ import annotations

import random

import pytest

from partitiond.machine.actions import AckRun
from partitiond.machine.futures import advance
from shared.ids import encode_invocation_id
from shared.protocol import service_pb2 as pb
from shared.protocol.message_types import MessageType as M
from shared.storage.values import Status
from shared.wal.commands import (
    CompleteAwakeable,
    Deliver,
    Entry,
    Failure,
    FireTimers,
    RunCompletion,
    SignalMessage,
    Suspend,
    SuspendOn,
    Terminate,
    TerminateMode,
)
from shared.wal.futures import Combinator, Future, FutureNode
from tests.partitiond.machine.fixtures import Machine, cancel_signal, invoke, new_id, replay, sleep

ANY = Combinator.FIRST_SUCCEEDED_OR_ALL_FAILED
EVERY = Combinator.ALL_SUCCEEDED_OR_FIRST_FAILED


@pytest.fixture
def machine() -> Machine:
    return Machine()


def waiting_for(combinator: Combinator, *signals: int) -> Future:
    """As SDKs send it: these, or the cancel signal."""
    tree = FutureNode(0, combinator, [-1 - signal for signal in signals])
    return Future([FutureNode(0, Combinator.FIRST_COMPLETED, [-2]), tree])


def kinds(actions: list[object]) -> list[str]:
    return [type(action).__name__ for action in actions]


def suspend(machine: Machine, future: Future) -> bytes:
    """A new invocation that waits so."""
    a = new_id()
    machine.apply(invoke(a))
    assert machine.report(a, SuspendOn(future)) == []
    assert machine.row(a).status is Status.SUSPENDED
    return a


def test_all_completed_stays_suspended_until_the_last(machine: Machine) -> None:
    a = suspend(machine, waiting_for(Combinator.ALL_COMPLETED, 17, 18))
    assert machine.apply(CompleteAwakeable(a, 18, Failure(500, "no"))) == []
    waiting = machine.row(a).waiting
    assert waiting is not None
    assert waiting.future == waiting_for(Combinator.ALL_COMPLETED, 17)
    assert machine.apply(CompleteAwakeable(a, 99, b"not awaited")) == []
    assert kinds(machine.apply(CompleteAwakeable(a, 17, b"yes"))) == ["StartInvocation"]
    assert machine.row(a).waiting is None


@pytest.mark.parametrize(("combinator", "first", "wakes"), [(ANY, 0, False), (ANY, 1, True), (EVERY, 0, True)])
def test_success_or_failure_of_what_came_first_decides(
    machine: Machine, combinator: Combinator, first: int, wakes: bool
) -> None:
    a = suspend(machine, waiting_for(combinator, 17, 18))
    actions = machine.apply(CompleteAwakeable(a, 17, b"yes" if first else Failure(500, "no")))
    assert kinds(actions) == (["StartInvocation"] if wakes else [])


def test_what_came_before_the_suspension_counts_with_its_outcome(machine: Machine) -> None:
    """The results cross the SDK's suspension on their way."""
    a = new_id()
    machine.apply(invoke(a))
    machine.apply(CompleteAwakeable(a, 17, Failure(500, "no")), CompleteAwakeable(a, 18, b"yes"))
    assert machine.report(a, SuspendOn(waiting_for(ANY, 17, 19))) == []
    waiting = machine.row(a).waiting
    assert waiting is not None
    assert waiting.future == waiting_for(ANY, 19)
    assert kinds(machine.apply(CompleteAwakeable(a, 19, Failure(500, "no")))) == ["StartInvocation"]
    assert kinds(machine.report(a, SuspendOn(waiting_for(EVERY, 17, 20)))) == ["StartInvocation"]
    assert kinds(machine.report(a, SuspendOn(waiting_for(ANY, 18, 20)))) == ["StartInvocation"]


def test_the_journal_s_order_decides_a_race_within_the_tree(machine: Machine) -> None:
    """Both came before the suspension: 18 failed first, so all cannot succeed any more."""
    a = new_id()
    machine.apply(invoke(a))
    machine.apply(CompleteAwakeable(a, 18, Failure(500, "no")), CompleteAwakeable(a, 17, b"yes"))
    race = FutureNode(0, Combinator.FIRST_COMPLETED, [-18, -19])
    tree = Future([FutureNode(0, EVERY, [-20]), race])
    assert kinds(machine.report(a, SuspendOn(tree))) == ["StartInvocation"]


def test_a_timer_and_the_cancel_signal_are_leaves_as_any(machine: Machine) -> None:
    a, b, c = new_id(), new_id(), new_id()
    machine.apply(invoke(a), invoke(b), invoke(c))
    due = machine.now_ms + 5
    tree = Future([FutureNode(0, Combinator.FIRST_COMPLETED, [-2]), FutureNode(0, Combinator.ALL_COMPLETED, [1, "n"])])
    machine.report(a, sleep(due, 1), SuspendOn(tree))
    assert machine.apply(FireTimers(due)) == []
    named = pb.SendSignalCommand(target_invocation_id=encode_invocation_id(a), name="n", void=pb.Void())
    assert kinds(machine.report(c, Entry(M.SEND_SIGNAL, named.SerializeToString()))) == ["StartInvocation"]
    machine.report(b, SuspendOn(tree))
    assert kinds(machine.report(c, cancel_signal(b))) == ["StartInvocation"]


def test_an_acknowledged_run_is_told_in_its_place_among_the_notifications(machine: Machine) -> None:
    a = new_id()
    machine.apply(invoke(a))
    machine.report(a, Entry(M.RUN, pb.RunCommand(result_completion_id=3).SerializeToString()))
    generation = machine.row(a).generation
    actions = machine.report(a, RunCompletion(3, b"ok", ack=True), RunCompletion(3, b"again", ack=True))
    assert actions == [AckRun(a, generation, 3)]
    machine.apply(CompleteAwakeable(a, 17, b"after"))
    assert machine.journal_types(a)[1:] == [M.RUN, M.RUN_COMPLETION, M.SIGNAL]
    assert machine.report(a, RunCompletion(4, Failure(500, "no"), ack=True)) == [AckRun(a, generation, 4)]


def test_random_suspensions_wake_exactly_when_they_are_settled(machine: Machine) -> None:
    seed = random.SystemRandom().randrange(1 << 32)
    print(f"seed {seed}")
    dice = random.Random(seed)
    for _ in range(60):
        signals = dice.sample(range(17, 25), dice.randint(1, 8))
        nodes = [FutureNode(0, dice.choice(list(Combinator)), [])]
        for _ in range(dice.randint(0, 3)):
            nodes.append(FutureNode(dice.randrange(len(nodes)), dice.choice(list(Combinator)), []))
        for signal in signals:
            dice.choice(nodes).leaves.append(-1 - signal)
        arrivals = [(signal, dice.random() < 0.5) for signal in dice.sample(signals, len(signals))]
        before = dice.randint(0, len(arrivals))
        a = new_id()
        machine.apply(invoke(a))
        future = Future(nodes)
        for count in range(before):
            machine.apply(CompleteAwakeable(a, arrivals[count][0], Failure(500, "no") if arrivals[count][1] else b"1"))
        machine.report(a, SuspendOn(future))
        for count in range(before, len(arrivals) + 1):
            known = [(-1 - signal, failed) for signal, failed in arrivals[:count]]
            settled = advance(future, known) is None
            assert (machine.row(a).status is Status.INVOKED) == settled
            if settled or count == len(arrivals):
                break
            signal, failed = arrivals[count]
            machine.apply(CompleteAwakeable(a, signal, Failure(500, "no") if failed else b"1"))
    assert replay(machine.log).digest() == machine.store.digest()


def named(name: str = "stream") -> Future:
    """As SDKs send it: the signal, or the cancel signal."""
    return Future([FutureNode(0, Combinator.FIRST_COMPLETED, [-2, name])])


@pytest.mark.parametrize("tree", [True, False], ids=["v7", "v6"])
def test_each_signal_of_a_name_is_another_one(machine: Machine, tree: bool) -> None:
    """A handler reads a stream: it awaits the same name again and again."""
    a = new_id()
    machine.apply(invoke(a))
    for number in range(3):
        known = machine.row(a).journal_length
        awaits = SuspendOn(named(), known) if tree else Suspend([], [1], ["stream"], known)
        assert machine.report(a, awaits) == []
        assert machine.row(a).status is Status.SUSPENDED
        assert kinds(machine.apply(Deliver(1, [(number + 1, SignalMessage(a, "stream", b"%d" % number))]))) == [
            "StartInvocation"
        ]
        assert machine.last_notification(a).value.content == b"%d" % number
    assert machine.journal_types(a) == [M.INPUT, M.SIGNAL, M.SIGNAL, M.SIGNAL]


@pytest.mark.parametrize("tree", [True, False], ids=["v7", "v6"])
def test_a_second_signal_that_crosses_the_suspension_is_not_missed(machine: Machine, tree: bool) -> None:
    a = new_id()
    machine.apply(invoke(a), Deliver(1, [(1, SignalMessage(a, "stream", b"1"))]))
    known = machine.row(a).journal_length
    machine.apply(Deliver(1, [(2, SignalMessage(a, "stream", Failure(500, "2")))]))
    awaits = SuspendOn(named(), known) if tree else Suspend([], [1], ["stream"], known)
    assert kinds(machine.report(a, awaits)) == ["StartInvocation"]


def test_of_a_signal_that_came_twice_meanwhile_either_may_have_settled_the_tree(machine: Machine) -> None:
    """The first was a failure, which ends the whole; the row tells of the second only."""
    a = new_id()
    machine.apply(invoke(a))
    known = machine.row(a).journal_length
    machine.apply(
        Deliver(1, [(1, SignalMessage(a, 17, Failure(500, "no"))), (2, SignalMessage(a, 17, b"yes"))]),
    )
    assert kinds(machine.report(a, SuspendOn(waiting_for(EVERY, 17, 18), known))) == ["StartInvocation"]


def test_a_cancelled_handler_sleeps_while_it_cleans_up_and_may_be_cancelled_again(machine: Machine) -> None:
    """It awaits the cancel signal with all that it awaits, also behind one that it has taken."""
    a = suspend(machine, waiting_for(EVERY, 17))
    assert kinds(machine.apply(Terminate(a, TerminateMode.CANCEL, 1))) == ["StartInvocation", "TerminateOutcome"]
    known = machine.row(a).journal_length
    clean_up = sleep(machine.now_ms + 60_000, 1)
    awaits = Future([FutureNode(0, Combinator.FIRST_COMPLETED, [-2, 1])])
    assert kinds(machine.report(a, clean_up, SuspendOn(awaits, known))) == ["RegisterTimer"]
    assert machine.row(a).status is Status.SUSPENDED
    assert "StartInvocation" in kinds(machine.apply(Terminate(a, TerminateMode.CANCEL, 2)))
    assert machine.journal_types(a).count(M.SIGNAL) == 2


def test_a_completion_that_the_attempt_began_with_still_counts(machine: Machine) -> None:
    """A command is completed once: who awaits it has not taken it."""
    a = new_id()
    machine.apply(invoke(a))
    machine.report(a, sleep(machine.now_ms, 1))
    machine.apply(FireTimers(machine.now_ms))
    known = machine.row(a).journal_length
    assert kinds(machine.report(a, Suspend([1], [1], [], known))) == ["StartInvocation"]
