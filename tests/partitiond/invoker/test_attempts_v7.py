"""What service protocol v7 adds to attempts, with the real machine behind the host."""

from __future__ import annotations

import msgspec
import pytest

from shared.catalog.deployments import ProtocolMode
from shared.catalog.services import RetryPolicy
from shared.protocol import service_pb2 as pb
from shared.protocol.message_types import MessageType as T
from shared.storage.values import Status
from shared.wal.commands import CompleteAwakeable, Failed, Failure, GiveUp, Pause, Pin
from shared.wal.futures import Combinator, Future, FutureNode
from tests.fakes.service_endpoint import ask_ack, join
from tests.partitiond.invoker.builders import END, OUTPUT, catalog, deployment, invoke, suspension, value
from tests.partitiond.invoker.stage import FAST, Stage, play, until
from tests.partitiond.invoker.test_attempts import RUN

PROPOSAL = (
    int(T.PROPOSE_RUN_COMPLETION),
    pb.ProposeRunCompletion(result_completion_id=1, value=b"7").SerializeToString(),
)


def awaiting_on(*signals: int) -> tuple[int, bytes]:
    future = pb.Future(waiting_signals=signals).SerializeToString()
    return int(T.AWAITING_ON), pb.AwaitingOn(awaiting_on=future).SerializeToString()


def test_a_proposal_is_acknowledged_in_the_order_that_a_replay_shows() -> None:
    async def scene(stage: Stage) -> None:
        call, stream = await stage.start()
        stream.answer().say(RUN)
        await until(lambda: stage.host.proposed != [])
        stage.host.submit(CompleteAwakeable(call.id, 17, b"1"))
        await stage.settle()
        stream.data(ask_ack(join(PROPOSAL)))
        stage.host.submit(CompleteAwakeable(call.id, 18, b"2"))
        await stage.settle()
        sent = stream.messages[2:]
        assert [message_type for message_type, _ in sent] == [T.SIGNAL, T.PROPOSE_RUN_COMPLETION_ACK, T.SIGNAL]
        assert sent[1][1] == pb.ProposeRunCompletionAck(completion_id=1).SerializeToString()
        stream.say((T.ERROR, b""))
        again = await stage.stream()
        assert [message_type for message_type, _ in again.messages[3:]] == [T.SIGNAL, T.RUN_COMPLETION, T.SIGNAL]
        again.answer().say(OUTPUT, END).end()
        assert await stage.ended(call) == value("ok")

    play(scene)


def test_a_pinned_v6_invocation_goes_on_in_v6_and_gets_the_notification() -> None:
    async def scene(stage: Stage) -> None:
        call, stream = await stage.start()
        stream.answer().data(join(RUN) + ask_ack(join(PROPOSAL)))
        await stage.settle()
        assert [message_type for message_type, _ in stream.messages[2:]] == [T.RUN_COMPLETION]
        assert stage.host.proposed[0].effects[0] == Pin("dp_1", 6)
        # Its deployment learns v7 meanwhile.
        stage.catalog.set(catalog(deployment(), version=2, retry=FAST))
        stream.say((T.ERROR, b""))
        again = await stage.stream()
        assert dict(again.head.headers)["accept"] == "application/vnd.restate.invocation.v6"
        again.answer().say(suspension(signals=[17])).end()
        await until(lambda: stage.host.status(call.id) == Status.SUSPENDED)
        stage.host.submit(CompleteAwakeable(call.id, 17, b"1"))
        (await stage.stream()).answer().say(OUTPUT, END).end()
        assert await stage.ended(call) == value("ok")

    play(scene, known=catalog(deployment(max_protocol_version=6), retry=FAST))


def test_request_response_gets_no_ack_and_finds_the_result_at_its_next_attempt() -> None:
    async def scene(stage: Stage) -> None:
        call, stream = await stage.start()
        stream.answer().data(join(RUN) + ask_ack(join(PROPOSAL)) + join(suspension(completions=[1]))).end()
        again = await stage.stream()
        assert [message_type for message_type, _ in again.messages] == [T.START, T.INPUT, T.RUN, T.RUN_COMPLETION]
        again.answer().say(OUTPUT, END).end()
        assert await stage.ended(call) == value("ok")
        assert len(stream.messages) == 2

    play(scene, known=catalog(deployment(protocol_mode=ProtocolMode.REQUEST_RESPONSE), retry=FAST))


def test_what_the_handler_waits_for_is_shown_until_it_goes_on() -> None:
    async def scene(stage: Stage) -> None:
        call, stream = await stage.start()
        stream.answer().say(RUN, awaiting_on(17, 1))
        (state,) = stage.invoker.states()
        assert state.last_awaiting_on == Future([FutureNode(0, Combinator.UNKNOWN, [-18, -2])])
        stream.say(PROPOSAL)
        assert stage.invoker.states()[0].last_awaiting_on is None
        stream.say(awaiting_on(18))
        stage.host.submit(CompleteAwakeable(call.id, 18, b"1"))
        await stage.settle()
        assert stage.invoker.states()[0].last_awaiting_on is None
        stream.say(awaiting_on(19), (T.ERROR, b""))
        assert stage.invoker.states()[0].last_awaiting_on is not None
        await stage.stream()
        assert stage.invoker.states()[0].last_awaiting_on is None

    play(scene)


@pytest.mark.parametrize(
    ("behavior", "effect", "status"),
    [(pb.Error.PAUSE, Pause, Status.PAUSED), (pb.Error.FAIL, GiveUp, Status.COMPLETED)],
)
def test_a_service_asks_to_be_paused_or_to_fail(behavior: pb.Error.Behavior, effect: type, status: Status) -> None:
    """Whatever the policy says, and though it asks for a delay."""

    async def scene(stage: Stage) -> None:
        call, stream = await stage.start()
        error = pb.Error(code=418, message="enough", behavior=behavior, next_retry_delay=1)
        stream.answer().say(RUN, (T.ERROR, error.SerializeToString())).end()
        last = stage.host.proposed[-1].effects[-1]
        assert isinstance(last, effect)
        assert isinstance(last, Pause | GiveUp)
        assert last.failure == Failure(418, "enough")
        # What ends the attempts is told with the pause or as the result, not as one more failure that is retried.
        assert not any(isinstance(each, Failed) for proposed in stage.host.proposed for each in proposed.effects)
        await until(lambda: stage.host.status(call.id) == status)
        assert stage.invoker.states() == []

    play(scene, known=catalog(retry=RetryPolicy(initial_interval_ms=1)))


def test_a_future_nested_too_deep_pauses_the_invocation() -> None:
    async def scene(stage: Stage) -> None:
        call, stream = await stage.start()
        raw = b""
        for _ in range(1001):
            size = len(raw)
            raw = b"\x22" + (bytes([size]) if size < 128 else bytes([size & 127 | 128, size >> 7])) + raw
        stream.answer().say((T.SUSPENSION, pb.Suspension(awaiting_on=raw).SerializeToString()))
        await until(lambda: stage.host.status(call.id) == Status.PAUSED)
        row = stage.host.load(call.id)
        assert row is not None
        assert row.paused_for == "[500] a future nested deeper than 1000"

    play(scene)


@pytest.mark.parametrize(("version", "shown"), [(6, False), (7, True)])
def test_start_has_the_idempotency_key_since_v7(version: int, shown: bool) -> None:
    async def scene(stage: Stage) -> None:
        call = msgspec.structs.replace(invoke("Counter/ü/add"), idempotency_key="once é")
        stage.host.invoke(call)
        start = pb.Start.FromString((await stage.stream()).messages[0][1])
        assert start.HasField("idempotency_key") == shown
        assert start.idempotency_key == ("once é" if shown else "")
        assert start.key == "ü"
        assert not start.HasField("scope")

    play(scene, known=catalog(deployment(max_protocol_version=version), retry=FAST))
