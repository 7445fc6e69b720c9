"""Which calls' ids are told on request, and when a service counts as one that asks."""

from __future__ import annotations

import pytest

from partitiond.invoker import attempt
from partitiond.invoker.protocol import callees
from partitiond.invoker.protocol.callees import Callees
from partitiond.invoker.protocol.conversation import Conversation
from partitiond.invoker.protocol.habits import Habits
from shared.catalog.deployments import ProtocolMode
from shared.protocol import service_pb2 as pb
from shared.protocol.message_types import MessageType as T
from shared.wal.commands import AskIds, CallEntry, Effect
from shared.wal.futures import Combinator, Future, FutureNode
from tests.fakes.invoker_host import MemoryCatalog
from tests.fakes.service_endpoint import FakeStream, join
from tests.partitiond.invoker.builders import END, OUTPUT, catalog, deployment, value
from tests.partitiond.invoker.stage import FAST, Stage, play, until
from tests.partitiond.invoker.test_conversation import conversation

Message = tuple[int, bytes]


def a_call(number: int, handler: str = "greet") -> Message:
    """Completion 2n - 1 brings the id, 2n the result."""
    command = pb.CallCommand(
        service_name="Greeter",
        handler_name=handler,
        parameter=b'"Bob"',
        invocation_id_notification_idx=2 * number - 1,
        result_completion_id=2 * number,
    )
    return int(T.CALL), command.SerializeToString()


def one_way(completion_id: int) -> Message:
    command = pb.OneWayCallCommand(
        service_name="Greeter", handler_name="greet", invocation_id_notification_idx=completion_id
    )
    return int(T.ONE_WAY_CALL), command.SerializeToString()


def awaits(*completions: int) -> Message:
    """One of these, or a cancel, as the SDKs say it."""
    inner = pb.Future(waiting_completions=completions, combinator_type=Combinator.ALL_COMPLETED)
    future = pb.Future(waiting_signals=[1], combinator_type=Combinator.FIRST_COMPLETED, nested_futures=[inner])
    return int(T.AWAITING_ON), pb.AwaitingOn(awaiting_on=future.SerializeToString()).SerializeToString()


def talk(habits: Habits, version: int = 7) -> Conversation:
    return conversation(protocol_version=version, habits=habits, catalog=MemoryCatalog(catalog()))


def untold(effects: list[Effect]) -> list[bool]:
    return [effect.untold for effect in effects if isinstance(effect, CallEntry)]


def many(first: int = 1) -> list[Message]:
    """Calls of which the last one alone is beyond those that are told at once."""
    return [a_call(number) for number in range(first, first + 33)]


TOLD, LATER = [False] * 33, [False] * 32 + [True]


def test_a_handler_that_never_said_what_it_waits_for_is_told_at_once() -> None:
    habits = Habits()
    for _ in range(2):
        assert untold(talk(habits).receive(join(*many(), OUTPUT, END))) == TOLD


def test_one_that_does_is_told_on_request() -> None:
    habits = Habits()
    assert untold(talk(habits).receive(join(a_call(1), awaits(2), *many(2)))) == [False, *LATER]
    assert untold(talk(habits).receive(join(*many()))) == LATER


def test_few_calls_at_once_are_told() -> None:
    """As ordinary handlers make them: their journals are as Restate's."""
    habits = Habits()
    habits.heard_awaiting()
    talking = talk(habits)
    for first in (1, 33, 65):
        calls = [a_call(number) for number in range(first, first + 32)]
        assert untold(talking.receive(join(*calls, awaits(2 * first)))) == [False] * 32


def test_a_one_way_call_is_always_told() -> None:
    habits = Habits()
    habits.heard_awaiting()
    talking = talk(habits)
    talking.receive(join(*many()))
    assert untold(talking.receive(join(one_way(99), a_call(50)))) == [False, True]


def test_before_v7_everything_is_told() -> None:
    habits = Habits()
    habits.heard_awaiting()
    assert untold(talk(habits, 6).receive(join(*many()))) == TOLD


def test_who_waits_for_an_id_asks_for_it() -> None:
    habits = Habits()
    habits.heard_awaiting()
    talking = talk(habits)
    assert untold(talking.receive(join(*many(), awaits(2, 66)))) == LATER
    assert talking.receive(join(awaits(3, 66))) == [], "the id of the second was told"
    assert talking.receive(join(awaits(65, 66))) == [AskIds()]
    # All of them were told, and this one asks.
    assert talking.receive(join(awaits(65, 66))) == []
    assert untold(talking.receive(join(*many(34)))) == TOLD


def test_a_handler_that_asks_is_told_at_once_until_one_ends_without() -> None:
    habits = Habits()
    habits.heard_awaiting()
    talk(habits).receive(join(*many(), awaits(65), OUTPUT, END))
    assert not habits.ids_on_request
    # Though it is told them unasked, one can see that it waits.
    talk(habits).receive(join(*many(), awaits(65), OUTPUT, END))
    assert not habits.ids_on_request
    talk(habits).receive(join(a_call(1), OUTPUT, END))
    assert not habits.ids_on_request, "it called few, which tells nothing"
    talk(habits).receive(join(*many(), awaits(66), OUTPUT, END))
    assert habits.ids_on_request


def test_ids_beyond_a_number_are_told_at_once() -> None:
    habits = Habits()
    habits.heard_awaiting()
    known = Callees(habits)
    told = [known.called(number) for number in range(10_033)]
    assert told == [False] * 32 + [True] * 10_000 + [False]
    assert known.untold
    assert not known.awaits(Future([FutureNode(0, Combinator.UNKNOWN, [10_032])]))
    assert known.awaits(Future([FutureNode(0, Combinator.UNKNOWN, [10_031])]))


@pytest.fixture
def all_on_request(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(callees, "_TOLD_AT_ONCE", 0)


async def _caller(stage: Stage) -> FakeStream:
    """A handler that was heard to say what it waits for."""
    _, stream = await stage.start("Steps/call")
    stream.answer().say(a_call(1), awaits(2))
    greeted = await stage.stream()
    greeted.answer().say(OUTPUT, END).end()
    await until(lambda: len(stream.messages) == 4)
    stream.say(OUTPUT, END).end()
    _, stream = await stage.start("Steps/call")
    stream.answer()
    return stream


async def _answered(stage: Stage) -> FakeStream:
    """Such a handler, whose call was answered."""
    stream = await _caller(stage)
    stream.say(a_call(1), awaits(2))
    (await stage.stream()).answer().say(OUTPUT, END).end()
    await until(lambda: len(stream.messages) == 3)
    return stream


def types(stream: FakeStream) -> list[int]:
    return [message_type for message_type, _ in stream.messages]


def test_many_calls_are_reported_in_records_of_their_own_in_their_order() -> None:
    """So that the first of them run while the others are applied."""

    async def scene(stage: Stage) -> None:
        stream = await _caller(stage)
        before = len(stage.host.proposed)
        stream.say(*(a_call(number) for number in range(1, 301)))
        records = [record.effects for record in stage.host.proposed[before:]]
        assert [len(effects) for effects in records] == [128, 128, 45]
        assert stage.host.flushed == [before + 1, before + 2]
        calls = [effect for effects in records for effect in effects if isinstance(effect, CallEntry)]
        assert [effect.id_completion_id for effect in calls] == list(range(1, 600, 2))
        for _ in range(300):
            (await stage.stream()).answer().say(OUTPUT, END).end()
        stream.say(OUTPUT, END).end()
        await until(lambda: not stage.invoker.states())

    play(scene, tick_s=3600.0)


@pytest.mark.usefixtures("all_on_request")
def test_an_attempt_gets_the_result_alone_and_the_id_when_it_waits_for_it() -> None:
    async def scene(stage: Stage) -> None:
        stream = await _answered(stage)
        assert types(stream)[2:] == [T.CALL_COMPLETION]
        stream.say(awaits(1))
        await until(lambda: len(stream.messages) == 4)
        assert types(stream)[3:] == [T.CALL_INVOCATION_ID_COMPLETION]
        stream.say(OUTPUT, END).end()
        await until(lambda: not stage.invoker.states())

    play(scene, tick_s=3600.0)


@pytest.mark.usefixtures("all_on_request")
def test_the_next_attempt_finds_what_the_last_one_was_told_and_is_then_told_the_rest() -> None:
    """Its order is what the handler decided by."""

    async def scene(stage: Stage) -> None:
        stream = await _answered(stage)
        stream.say((int(T.ERROR), b"")).end()
        again = await stage.stream()
        await until(lambda: len(again.messages) == 5)
        assert types(again) == [T.START, T.INPUT, T.CALL, T.CALL_COMPLETION, T.CALL_INVOCATION_ID_COMPLETION]
        assert pb.Start.FromString(again.messages[0][1]).known_entries == 3
        again.answer().say(OUTPUT, END).end()
        await until(lambda: not stage.invoker.states())

    play(scene, tick_s=3600.0)


@pytest.mark.usefixtures("all_on_request")
def test_a_retry_is_no_progress_because_it_asks_for_ids() -> None:
    """Else a handler that fails at once would be retried for ever."""

    async def scene(stage: Stage) -> None:
        stream = await _caller(stage)
        stream.say(a_call(1), awaits(2))
        callee = await stage.stream()
        callee.answer()
        counts = []
        for _ in range(3):
            stream.say((int(T.ERROR), b"")).end()
            stream = await stage.stream()
            stream.answer()
            counts.append(pb.Start.FromString(stream.messages[0][1]).retry_count_since_last_stored_entry)
        assert counts == [1, 2, 3]
        stream.say(OUTPUT, END).end()
        callee.say(OUTPUT, END).end()
        await until(lambda: not stage.invoker.states())

    play(scene, tick_s=3600.0)


@pytest.mark.usefixtures("all_on_request")
def test_one_that_says_nothing_more_is_told_after_a_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attempt, "_UNTOLD_S", 0.02)

    async def scene(stage: Stage) -> None:
        stream = await _caller(stage)
        stream.say(a_call(1))
        callee = await stage.stream()
        await until(lambda: len(stream.messages) == 3)
        assert types(stream)[2:] == [T.CALL_INVOCATION_ID_COMPLETION]
        callee.answer().say(OUTPUT, END).end()
        stream.say(OUTPUT, END).end()
        await until(lambda: not stage.invoker.states())

    play(scene)


@pytest.mark.usefixtures("all_on_request")
def test_by_request_and_response_a_suspension_asks() -> None:
    known = catalog(deployment(protocol_mode=ProtocolMode.REQUEST_RESPONSE), retry=FAST)

    async def scene(stage: Stage) -> None:
        future = pb.Future(waiting_completions=[1]).SerializeToString()
        suspend = (int(T.SUSPENSION), pb.Suspension(awaiting_on=future).SerializeToString())
        for _ in range(2):
            call, stream = await stage.start("Steps/call")
            stream.answer().say(a_call(1), awaits(1), suspend).end()
            streams = [await stage.stream(), await stage.stream()]
            (callee,) = (each for each in streams if each.head.path.endswith("greet"))
            (again,) = (each for each in streams if each is not callee)
            assert types(again) == [T.START, T.INPUT, T.CALL, T.CALL_INVOCATION_ID_COMPLETION]
            callee.answer().say(OUTPUT, END).end()
            again.answer().say(OUTPUT, END).end()
            assert await stage.ended(call) == value("ok")

    play(scene, known=known)
