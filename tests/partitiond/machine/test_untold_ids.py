"""Calls whose callee's id is told on request: when it becomes part of the journal, and in which order."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count

import pytest
from msgspec.structs import replace

from partitiond.machine import invariants, wakers
from partitiond.machine.actions import ForwardNotification, StartInvocation, TerminateOutcome
from shared.ids import encode_invocation_id
from shared.protocol import service_pb2 as pb
from shared.protocol.message_types import MessageType as M
from shared.storage import keys, values
from shared.storage.values import Status
from shared.wal.commands import (
    AskIds,
    CallEntry,
    Effect,
    End,
    PauseInvocation,
    Pin,
    RestartAsNew,
    ResumeInvocation,
    RunCompletion,
    Suspend,
    SuspendOn,
    Terminate,
    TerminateMode,
)
from shared.wal.futures import Combinator, Future, FutureNode
from tests.partitiond.machine.fixtures import (
    GREETER,
    HOUR_MS,
    Machine,
    call,
    invoke,
    new_id,
    one_way_call,
    output,
    replay,
    run,
)

ID, RESULT = M.CALL_INVOCATION_ID_COMPLETION, M.CALL_COMPLETION


class Scene:
    """A caller that runs, and its calls: the n-th one has the completions 2n - 1 (id) and 2n (result)."""

    def __init__(self, retention_ms: int = HOUR_MS) -> None:
        self.machine = Machine()
        self.id = new_id()
        self.callees: list[bytes] = []
        self._numbers = count(1, 2)
        self.machine.apply(invoke(self.id, retention_ms=retention_ms))
        self.report(Pin("dp_1", 7))

    def report(self, *effects: Effect) -> list[object]:
        return list(self.machine.report(self.id, *effects))

    def call(self, *, untold: bool = True) -> CallEntry:
        number = next(self._numbers)
        self.callees.append(new_id())
        effect = call(self.id, GREETER, invoke(self.callees[-1]), id_completion=number, completion=number + 1)
        return replace(effect, untold=untold)

    def kill(self) -> None:
        self.machine.apply(Terminate(self.id, TerminateMode.KILL))

    def answer(self, index: int) -> None:
        self.machine.report(self.callees[index], output(), End())

    @property
    def types(self) -> list[int]:
        return self.machine.journal_types(self.id)[1:]

    @property
    def told(self) -> dict[int, str]:
        """Completion -> the id that it brought, in the order of the journal."""
        rows = [pb.Notification.FromString(row.raw) for row in self.machine.journal(self.id) if row.entry_type == ID]
        return {row.completion_id: row.invocation_id for row in rows}

    def ids(self, *indexes: int) -> dict[int, str]:
        return {2 * index + 1: encode_invocation_id(self.callees[index]) for index in indexes}


@pytest.fixture
def scene() -> Scene:
    return Scene()


def test_an_id_is_part_of_the_journal_once_it_is_asked_for(scene: Scene) -> None:
    scene.report(scene.call(), scene.call())
    assert scene.types == [M.CALL, M.CALL]
    scene.answer(1)
    assert scene.types == [M.CALL, M.CALL, RESULT]
    actions = scene.report(AskIds())
    assert scene.types == [M.CALL, M.CALL, RESULT, ID, ID]
    assert scene.told == scene.ids(0, 1)
    forwarded = [action for action in actions if isinstance(action, ForwardNotification)]
    assert [(action.index, action.entry_type) for action in forwarded] == [(4, ID), (5, ID)]
    assert scene.report(AskIds()) == []
    scene.report(scene.call())
    scene.answer(0)
    assert scene.types[5:] == [M.CALL, RESULT]
    scene.report(AskIds())
    assert scene.told == scene.ids(0, 1, 2)
    assert replay(scene.machine.log).digest() == scene.machine.store.digest()


def test_callees_run_and_answer_all_the_same(scene: Scene) -> None:
    actions = scene.report(scene.call())
    assert any(isinstance(action, StartInvocation) and action.id == scene.callees[0] for action in actions)
    scene.answer(0)
    assert scene.types == [M.CALL, RESULT]


@pytest.mark.parametrize(
    "finish", [lambda scene: scene.report(output(), End()), lambda scene: scene.kill()], ids=["ended", "killed"]
)
def test_the_journal_of_one_that_has_ended_has_all_ids(scene: Scene, finish: Callable[[Scene], object]) -> None:
    scene.report(scene.call(), scene.call())
    finish(scene)
    assert scene.machine.row(scene.id).status is Status.COMPLETED
    assert scene.told == scene.ids(0, 1)


def test_a_journal_that_is_not_kept_gets_none() -> None:
    scene = Scene(retention_ms=0)
    scene.report(scene.call())
    scene.report(output(), End())
    assert not scene.machine.exists(scene.id)


def test_calls_of_whose_ids_one_is_told_at_once_are_told_in_their_order(scene: Scene) -> None:
    scene.report(scene.call(), scene.call(untold=False))
    assert scene.types == [M.CALL, ID, M.CALL, ID]
    assert list(scene.told) == [1, 3]


def test_what_it_was_told_long_ago_is_not_read_again(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """A handler that calls and waits on and on would read ever more at each turn."""
    for _ in range(20):
        scene.report(*(scene.call() for _ in range(10)))
        scene.report(AskIds())
    scene.report(scene.call())
    read: list[bytes] = []
    scan = scene.machine.store.scan

    def watched(start: bytes, end: bytes) -> Iterator[tuple[bytes, bytes]]:
        found = list(scan(start, end))
        read.extend(key for key, _ in found)
        return iter(found)

    monkeypatch.setattr(scene.machine.store, "scan", watched)
    monkeypatch.setattr(scene.machine.store, "scan_keys", lambda start, end: (key for key, _ in watched(start, end)))
    monkeypatch.setattr(invariants, "check", lambda store: [])
    scene.report(AskIds())
    assert 0 < len([key for key in read if key[:1] in (keys.JOURNAL, keys.NOTIFICATION)]) < 10
    assert len(scene.told) == 201


def test_an_id_that_is_there_already_is_not_told_again(scene: Scene) -> None:
    """A service that gives a number twice: the first that came counts, as everywhere."""
    scene.report(run(50), RunCompletion(50, b"1"))
    twice = [call(scene.id, GREETER, invoke(new_id()), id_completion=7, completion=8 + n) for n in range(2)]
    taken = call(scene.id, GREETER, invoke(new_id()), id_completion=50, completion=60)
    scene.report(*(replace(effect, untold=True) for effect in (*twice, taken)))
    scene.report(AskIds())
    assert scene.types == [M.RUN, M.RUN_COMPLETION, M.CALL, M.CALL, M.CALL, ID]
    assert scene.told == {7: encode_invocation_id(twice[0].callee.id)}


def test_a_one_way_call_tells_its_own_id_alone(scene: Scene) -> None:
    one_way = one_way_call(scene.id, GREETER, invoke(new_id()), id_completion=99)
    scene.report(scene.call(), replace(one_way, untold=True))
    assert scene.types == [M.CALL, M.ONE_WAY_CALL, ID]
    assert list(scene.told) == [99]
    scene.report(AskIds())
    assert list(scene.told) == [99, 1]


def test_while_a_run_is_open_all_ids_are_told(scene: Scene) -> None:
    """An SDK does not say what is awaited while it runs a side effect."""
    scene.report(scene.call(), run(50))
    assert scene.types == [M.CALL, ID, M.RUN]
    scene.report(scene.call())
    assert scene.types == [M.CALL, ID, M.RUN, M.CALL, ID]
    scene.report(RunCompletion(50, b"1"), scene.call())
    assert scene.types[5:] == [M.RUN_COMPLETION, M.CALL]


@pytest.mark.parametrize(
    "suspension",
    [Suspend([1], [1], []), SuspendOn(Future([FutureNode(0, Combinator.FIRST_COMPLETED, [1, -2])]))],
    ids=["flat", "tree"],
)
def test_a_suspension_on_an_id_goes_on_at_once(scene: Scene, suspension: Effect) -> None:
    scene.report(scene.call())
    actions = scene.report(suspension)
    assert scene.told == scene.ids(0)
    assert any(isinstance(action, StartInvocation) and action.id == scene.id for action in actions)
    assert scene.machine.row(scene.id).status is Status.INVOKED


def test_one_that_sleeps_has_been_told_all(scene: Scene) -> None:
    scene.report(scene.call(), scene.call())
    scene.report(SuspendOn(Future([FutureNode(0, Combinator.ALL_COMPLETED, [2, 4])])))
    assert scene.machine.row(scene.id).status is Status.SUSPENDED
    assert scene.told == scene.ids(0, 1)
    scene.answer(0)
    scene.answer(1)
    assert scene.machine.row(scene.id).status is Status.INVOKED


def test_the_wakers_know_that_it_has_only_to_ask(scene: Scene) -> None:
    scene.report(scene.call(untold=False), scene.call())
    assert wakers.check([scene.machine.store]) == []
    scene.machine.store.commit({keys.notification_key(scene.id, 1, signal=False): None})
    (sentence,) = wakers.check([scene.machine.store])
    assert "waits for completion 1" in sentence


def test_a_pause_does_not_forget_what_was_not_told(scene: Scene) -> None:
    scene.report(scene.call())
    scene.machine.apply(PauseInvocation(scene.id, 7))
    (start,) = (a for a in scene.machine.apply(ResumeInvocation(scene.id, 7)) if isinstance(a, StartInvocation))
    assert start.row.first_untold == 1
    scene.report(AskIds())
    assert scene.told == scene.ids(0)


def test_a_restart_from_a_prefix_is_told_whom_that_called(scene: Scene) -> None:
    """Entries: Input, Call, callee's id, Call, Call, their results, Output."""
    scene.report(scene.call(untold=False), scene.call(), scene.call())
    for index in range(3):
        scene.answer(index)
    scene.report(output(), End())
    for from_index, told in ((2, [1]), (3, [1, 3]), (4, [1, 3, 5])):
        new = scene.id[:8] + new_id()[8:]
        done = scene.machine.apply(RestartAsNew(scene.id, new, 7, from_index))
        assert done[-1] == TerminateOutcome(7, "done")
        rows = [pb.Notification.FromString(row.raw) for row in scene.machine.journal(new) if row.entry_type == ID]
        assert [row.completion_id for row in rows] == told


def test_a_result_that_never_came_still_refuses_a_prefix(scene: Scene) -> None:
    scene.report(scene.call(), output(), End())
    refused = scene.machine.apply(RestartAsNew(scene.id, scene.id[:8] + bytes(16), 7, 1))
    assert refused == [TerminateOutcome(7, "bad_prefix")]


def test_nothing_is_left_to_tell_where_no_journal_is_kept(scene: Scene) -> None:
    row = scene.machine.row(scene.id)
    row.journal_retention_ms = 0
    scene.machine.store.commit({keys.invocation_key(scene.id): values.encode(row)})
    scene.report(scene.call())
    scene.report(output(), End())
    assert scene.machine.row(scene.id).status is Status.COMPLETED
    assert (scene.machine.row(scene.id).first_untold, scene.types) == (0, [])
