"""The checker of wakers: it is silent while all is well, and names whoever nothing can wake."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from partitiond.machine import wakers
from partitiond.machine.actions import SendOutbox
from partitiond.store.memory import MemoryStore
from shared.ids import encode_invocation_id, key_partition_key
from shared.protocol import service_pb2 as pb
from shared.protocol.message_types import MessageType
from shared.storage import keys, values
from shared.storage.values import Status
from shared.wal.commands import Deliver, End, Entry, Pause, PauseInvocation, Suspend, Terminate, TerminateMode
from shared.wal.commands import Failure as WalFailure
from tests.partitiond.machine.fixtures import (
    COUNTER,
    GREETER,
    HOUR_MS,
    SIGN_UP,
    SIGN_UP_CLICK,
    START_MS,
    Machine,
    call,
    complete_promise,
    invoke,
    new_id,
    output,
    run,
    sleep,
)

HALF = 1 << 63
Spoil = Callable[[MemoryStore], None]


def drop(kind: bytes) -> Spoil:
    """Every row of this kind is lost."""

    def spoil(store: MemoryStore) -> None:
        store.commit(dict.fromkeys([key for key, _ in store.scan(kind, keys.prefix_end(kind))]))

    return spoil


def get_promise(name: str, completion_id: int) -> Entry:
    raw = pb.GetPromiseCommand(key=name, result_completion_id=completion_id).SerializeToString()
    return Entry(MessageType.GET_PROMISE, raw)


def attach(invocation_id: bytes, completion_id: int) -> Entry:
    raw = pb.AttachInvocationCommand(
        invocation_id=encode_invocation_id(invocation_id), result_completion_id=completion_id
    ).SerializeToString()
    return Entry(MessageType.ATTACH_INVOCATION, raw)


def forget_sinks(store: MemoryStore) -> None:
    for key, value in list(store.scan(keys.INVOCATION, keys.JOURNAL)):
        row = values.decode_invocation(value)
        row.sinks = []
        store.commit({key: values.encode(row)})


def forget_waiters(store: MemoryStore) -> None:
    for key, value in list(store.scan(keys.PROMISE, keys.EVENT)):
        row = values.decode_promise(value)
        row.waiting = []
        store.commit({key: values.encode(row)})


def born_anew(store: MemoryStore) -> None:
    """As if another invocation of the same id had come after the one that the timer belongs to."""
    for key, value in list(store.scan(keys.INVOCATION, keys.JOURNAL)):
        row = values.decode_invocation(value)
        row.born_lsn += 1
        store.commit({key: values.encode(row)})


def end_all_but(kept: bytes) -> Spoil:
    """All others have ended, and told nobody."""

    def spoil(store: MemoryStore) -> None:
        for key, value in list(store.scan(keys.INVOCATION, keys.JOURNAL)):
            row = values.decode_invocation(value)
            if key[1:] != kept:
                row.status, row.result, row.waiting = Status.COMPLETED, b"", None
                store.commit({key: values.encode(row)})

    return spoil


def sleeping(machine: Machine) -> bytes:
    asleep = new_id()
    machine.apply(invoke(asleep))
    machine.report(asleep, sleep(START_MS + 5, 1), Suspend([1], [1], []))
    return asleep


def paused(machine: Machine) -> bytes:
    asleep = sleeping(machine)
    machine.apply(PauseInvocation(asleep))
    return asleep


def calling(machine: Machine) -> bytes:
    caller, callee = new_id(), new_id()
    machine.apply(invoke(caller))
    machine.report(
        caller, call(caller, GREETER, invoke(callee, retention_ms=HOUR_MS), id_completion=1, completion=2),
        Suspend([2], [1], []),
    )  # fmt: skip
    return caller


def attaching(machine: Machine) -> bytes:
    asker, other = new_id(), new_id()
    machine.apply(invoke(other), invoke(asker))
    machine.report(asker, attach(other, 1), Suspend([1], [], []))
    return asker


def promised(machine: Machine) -> bytes:
    waiting = new_id(SIGN_UP)
    machine.apply(invoke(waiting, SIGN_UP))
    machine.report(waiting, get_promise("p", 1), Suspend([1], [1], []))
    return waiting


def scheduled(machine: Machine) -> bytes:
    later = new_id()
    machine.apply(invoke(later, start_at_ms=START_MS + 1000))
    return later


def inboxed(machine: Machine) -> bytes:
    first, second = new_id(COUNTER), new_id(COUNTER)
    machine.apply(invoke(first, COUNTER), invoke(second, COUNTER))
    return second


def awaiting_a_signal(machine: Machine) -> bytes:
    waiting = new_id()
    machine.apply(invoke(waiting))
    machine.report(waiting, Suspend([], [1, 17], ["approved"]))
    return waiting


def running(machine: Machine) -> bytes:
    busy = new_id()
    machine.apply(invoke(busy))
    machine.report(busy, run(1), sleep(START_MS + 5, 2))
    return busy


FAULTS: list[tuple[Callable[[Machine], bytes], Spoil | None, str]] = [
    (sleeping, None, ""),
    (sleeping, drop(keys.TIMER), "its Sleep at 1 waits for completion 1: there is no timer at"),
    (sleeping, born_anew, "its Sleep at 1 waits for completion 1: there is no timer at"),
    (paused, None, ""),
    (paused, drop(keys.TIMER), "there is no timer at"),
    (calling, None, ""),
    (calling, forget_sinks, "invoked, does not know that it waits"),
    (attaching, None, ""),
    (attaching, forget_sinks, "does not know that it waits"),
    (promised, None, ""),
    (promised, forget_waiters, "promise 'p' does not know of it"),
    (promised, drop(keys.PROMISE), "there is no promise 'p' that knows of it"),
    (scheduled, None, ""),
    (scheduled, drop(keys.TIMER), "has no timer for its start"),
    (inboxed, None, ""),
    (inboxed, drop(keys.INBOX), "has no place in the queue of its object"),
    (inboxed, drop(keys.LOCK), "nobody holds its object"),
    (awaiting_a_signal, None, ""),
    (running, None, ""),
    (running, drop(keys.TIMER), "its Sleep at 2 waits for completion 2"),
]


@pytest.mark.parametrize(("arrange", "spoil", "said"), FAULTS)
def test_each_waker(arrange: Callable[[Machine], bytes], spoil: Spoil | None, said: str) -> None:
    machine = Machine()
    who = arrange(machine)
    if spoil is None:
        assert wakers.check([machine.store]) == []
        return
    spoil(machine.store)
    (sentence,) = wakers.check([machine.store])
    assert encode_invocation_id(who) in sentence
    assert said in sentence


@pytest.mark.parametrize(
    ("arrange", "said"), [(calling, "has ended, and its result is not on its way"), (inboxed, "is completed")]
)
def test_the_other_one_ended_in_silence(arrange: Callable[[Machine], bytes], said: str) -> None:
    machine = Machine()
    who = arrange(machine)
    end_all_but(who)(machine.store)
    (sentence,) = wakers.check([machine.store])
    assert said in sentence


def test_the_other_one_is_gone() -> None:
    machine = Machine()
    caller = calling(machine)
    (callee_key,) = [key for key, _ in machine.store.scan(keys.INVOCATION, keys.JOURNAL) if key[1:] != caller]
    machine.store.commit({callee_key: None})
    (sentence,) = wakers.check([machine.store])
    assert f"{encode_invocation_id(callee_key[1:])} does not exist, and no message is on its way" in sentence


def test_a_suspension_on_what_was_never_asked_for() -> None:
    """A service may name any number. As in Restate it sleeps until it is cancelled, resumed or killed."""
    machine = Machine()
    who = new_id()
    machine.apply(invoke(who))
    machine.report(who, Suspend([7], [], []))
    (sentence,) = wakers.check([machine.store])
    assert "awaits completion 7, which no command of its journal asks for" in sentence
    machine.apply(Terminate(who, TerminateMode.KILL))
    assert wakers.check([machine.store]) == []


def test_a_store_that_slept_on_its_own_run() -> None:
    """No machine of ours brings it about any more; a store of an older one may hold it."""
    machine = Machine()
    who = new_id()
    machine.apply(invoke(who))
    machine.report(who, run(1), sleep(START_MS + 5, 2), Suspend([2], [], []))
    row = machine.row(who)
    assert row.waiting is not None
    row.waiting.completions = [1, 2]
    machine.store.commit({keys.invocation_key(who): values.encode(row)})
    (sentence,) = wakers.check([machine.store])
    assert "its own unfinished run" in sentence


def test_messages_on_the_way_between_two_partitions() -> None:
    left = Machine(partition_id=0, key_range=(0, HALF - 1))
    right = Machine(partition_id=1, key_range=(HALF, 2 * HALF - 1))
    stores = [left.store, right.store]
    a, b = new_id(place=5), new_id(place=HALF + 5)
    left.apply(invoke(a))
    sent = left.report(
        a, call(a, GREETER, invoke(b, retention_ms=0), id_completion=1, completion=2), Suspend([2], [1], [])
    )
    there = [(action.seq, action.row.message) for action in sent if isinstance(action, SendOutbox)]
    assert wakers.check(stores) == []
    kept = dict(left.store.scan(keys.OUTBOX, keys.DEDUP))

    drop(keys.OUTBOX)(left.store)
    (sentence,) = wakers.check(stores)
    assert "does not exist, and no message is on its way" in sentence
    assert wakers.check([left.store]) == [], "who knows what is in the other partition"

    left.store.commit(kept)
    right.apply(Deliver(0, there))
    assert wakers.check(stores) == []
    back = [
        (action.seq, action.row.message)
        for action in right.report(b, output(), End())
        if isinstance(action, SendOutbox)
    ]
    assert wakers.check(stores) == []
    drop(keys.OUTBOX)(right.store)
    (sentence,) = wakers.check(stores)
    assert "does not exist, and no message is on its way" in sentence, "a delivered message that lingers is no waker"
    left.apply(Deliver(1, back))
    assert wakers.check(stores) == []


def test_a_promise_outlives_its_workflow_while_somebody_waits_for_it() -> None:
    """The workflow's run ends and its retention is over while a shared handler sleeps on a promise of it: with the
    promise gone nobody could ever wake that one, not even who completes a promise of this name."""
    machine = Machine()
    whole, click, later = new_id(SIGN_UP), new_id(SIGN_UP_CLICK), new_id(SIGN_UP_CLICK)
    machine.apply(invoke(whole, SIGN_UP, retention_ms=0), invoke(click, SIGN_UP_CLICK))
    machine.report(click, get_promise("p", 1), Suspend([1], [1], []))
    machine.report(whole, complete_promise("q", b"1", 1), output(), End())
    assert not machine.exists(whole)
    assert wakers.check([machine.store]) == []
    place = key_partition_key("w1"), "SignUp", "w1"
    assert machine.store.get(keys.promise_key(*place, "q")) is None
    machine.apply(invoke(later, SIGN_UP_CLICK))
    machine.report(later, complete_promise("p", b"1", 1))
    assert machine.row(click).status is Status.INVOKED


def test_a_promise_goes_with_its_workflow_when_who_waited_is_gone() -> None:
    machine = Machine()
    whole, click = new_id(SIGN_UP), new_id(SIGN_UP_CLICK)
    machine.apply(invoke(whole, SIGN_UP, retention_ms=0), invoke(click, SIGN_UP_CLICK))
    machine.report(click, get_promise("p", 1), Suspend([1], [1], []))
    machine.report(whole, get_promise("p", 1), get_promise("o", 2), Pause(WalFailure(500, "boom")))
    machine.apply(Terminate(click, TerminateMode.KILL), Terminate(whole, TerminateMode.KILL))
    assert not list(machine.store.scan(keys.PROMISE, keys.EVENT))
