"""Attempts over streams that the test plays, with the real machine behind the host."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any

import pytest
import uvloop

from partitiond.invoker.http2.errors import ErrorKind
from partitiond.invoker.invoker import Invoker
from shared.catalog.deployments import ProtocolMode
from shared.catalog.services import RetryPolicy
from shared.clock import SystemClock
from shared.config import Settings
from shared.protocol import service_pb2 as pb
from shared.protocol.message_types import MessageType as T
from shared.storage.values import Status
from shared.wal.commands import (
    CompleteAwakeable,
    End,
    Entry,
    Failed,
    Failure,
    GiveUp,
    Pause,
    Pin,
    SuspendOn,
    Target,
    Terminate,
    TerminateMode,
)
from shared.wal.futures import Combinator, Future, FutureNode
from tests.fakes.invoker_host import MemoryCatalog, MemoryHost
from tests.fakes.service_endpoint import ask_ack, join
from tests.partitiond.invoker.builders import END, OUTPUT, catalog, deployment, invoke, suspension, value
from tests.partitiond.invoker.stage import FAST, Stage, play, until

RUN = (int(T.RUN), pb.RunCommand(result_completion_id=1, name="r").SerializeToString())
PROPOSAL = pb.ProposeRunCompletion(result_completion_id=1, value=b"7").SerializeToString()
BOOM = (int(T.ERROR), pb.Error(code=500, message="boom").SerializeToString())
REQUEST_RESPONSE = {"protocol_mode": ProtocolMode.REQUEST_RESPONSE}


def test_call_from_start_to_end() -> None:
    async def scene(stage: Stage) -> None:
        call, stream = await stage.start()
        start, first = stream.messages
        assert start[0] == T.START
        assert pb.Start.FromString(start[1]).known_entries == 1
        assert first[0] == T.INPUT
        assert dict(stream.head.headers)["x-restate-invocation-id"] == pb.Start.FromString(start[1]).debug_id
        assert not stream.closed
        stream.answer(x_restate_server="sdk/1").say(OUTPUT, END)
        assert stream.closed, "SDKs end their response when the request ends"
        stream.end()
        assert await stage.ended(call) == value("ok")
        assert [effects.effects for effects in stage.host.proposed] == [[Pin("dp_1", 7), Entry(*OUTPUT), End()]]
        assert stage.invoker.states() == []

    play(scene)


def test_pin_goes_with_the_first_effects_only() -> None:
    async def scene(stage: Stage) -> None:
        _, stream = await stage.start()
        stream.answer()
        await stage.settle()
        assert stage.host.proposed == []
        stream.say(RUN, (int(T.PROPOSE_RUN_COMPLETION), PROPOSAL))
        await stage.settle()
        stream.say(OUTPUT).say(END).end()
        assert [len(effects.effects) for effects in stage.host.proposed] == [3, 2]

    play(scene)


def test_notifications_and_acks_go_to_the_running_attempt() -> None:
    async def scene(stage: Stage) -> None:
        call, stream = await stage.start()
        stream.answer().data(ask_ack(join(RUN)))
        await stage.settle()
        assert stream.messages[2:] == [(T.COMMAND_ACK, pb.CommandAck(command_index=1).SerializeToString())]
        proposal = pb.ProposeRunCompletion(result_completion_id=1, value=b"7")
        stream.say((T.PROPOSE_RUN_COMPLETION, proposal.SerializeToString()))
        await stage.settle()
        (_, raw) = stream.messages[3]
        assert stream.messages[3][0] == T.RUN_COMPLETION
        assert pb.Notification.FromString(raw).value.content == b"7"
        stream.say(OUTPUT, END).end()
        assert await stage.ended(call) == value("ok")

    play(scene)


def test_ack_of_a_large_index() -> None:
    async def scene(stage: Stage) -> None:
        call, stream = await stage.start()
        stage.invoker.ack(stage.host, call.id, stage.host.load(call.id).generation, 300)  # type: ignore[union-attr]
        assert stream.messages[2:] == [(T.COMMAND_ACK, pb.CommandAck(command_index=300).SerializeToString())]

    play(scene)


def test_suspension_ends_the_attempt_and_a_signal_starts_the_next() -> None:
    async def scene(stage: Stage) -> None:
        call, stream = await stage.start()
        stream.answer().say(suspension(signals=[17])).end()
        await until(lambda: stage.host.status(call.id) == Status.SUSPENDED)
        assert stage.host.proposed[-1].effects[-1] == SuspendOn(Future([FutureNode(0, Combinator.UNKNOWN, [-18])]), 1)
        assert stage.invoker.states() == []
        stage.host.submit(CompleteAwakeable(call.id, 17, b"1"))
        again = await stage.stream()
        assert [message_type for message_type, _ in again.messages] == [T.START, T.INPUT, T.SIGNAL]
        again.answer().say(OUTPUT, END).end()
        assert await stage.ended(call) == value("ok")

    play(scene)


def test_notification_that_is_stored_with_the_start_is_not_sent_twice() -> None:
    """The machine resumes an invocation and stores a further signal of it in one commit: the replay has both, and
    then the host carries out ForwardNotification for the second."""

    async def scene(stage: Stage) -> None:
        call, stream = await stage.start()
        stream.answer().say(suspension(signals=[17])).end()
        await until(lambda: stage.host.status(call.id) == Status.SUSPENDED)
        stage.host.submit(CompleteAwakeable(call.id, 17, b"1"))
        stage.host.submit(CompleteAwakeable(call.id, 18, b"2"))
        again = await stage.stream()
        await stage.settle()
        assert [message_type for message_type, _ in again.messages] == [T.START, T.INPUT, T.SIGNAL, T.SIGNAL]

    play(scene)


def test_failed_attempt_is_repeated_from_the_journal() -> None:
    async def scene(stage: Stage) -> None:
        call, stream = await stage.start()
        stream.answer().say(RUN, BOOM).end()
        (state,) = stage.invoker.states(stage.host)
        assert (state.retry_count, state.last_failure) == (1, "[500 Internal] boom")
        assert state.last_failure_error_code == "RT0007"
        again = await stage.stream()
        start = pb.Start.FromString(again.messages[0][1])
        assert (start.known_entries, start.retry_count_since_last_stored_entry) == (2, 1)
        assert [message_type for message_type, _ in again.messages] == [T.START, T.INPUT, T.RUN]
        again.answer().say(OUTPUT, END).end()
        assert await stage.ended(call) == value("ok")
        assert [type(effect) for effects in stage.host.proposed for effect in effects.effects] == [
            Pin, Entry, Failed, Entry, End]  # fmt: skip

    play(scene)


def test_retry_waits_until_what_was_proposed_is_applied() -> None:
    async def scene(stage: Stage) -> None:
        waiting: list[Callable[[], None]] = []
        stage.host.when_applied = waiting.append  # type: ignore[assignment, method-assign]
        _, stream = await stage.start()
        stream.answer().say(RUN, BOOM)
        await until(lambda: waiting)
        await stage.settle()
        assert len(stage.endpoint.streams) == 1
        waiting.pop()()
        again = await stage.stream()
        assert pb.Start.FromString(again.messages[0][1]).known_entries == 2

    play(scene)


@pytest.mark.parametrize("kind", [kind for kind in ErrorKind if kind not in (ErrorKind.REFUSED, ErrorKind.LEFT)])
def test_broken_connection_is_a_failure(kind: ErrorKind) -> None:
    async def scene(stage: Stage) -> None:
        call, stream = await stage.start()
        stream.fail(kind)
        again = await stage.stream()
        (state,) = stage.invoker.states()
        assert state.last_failure_error_code == "RT0010"
        again.answer().say(OUTPUT, END).end()
        await stage.ended(call)

    play(scene)


def test_bad_status_resets_the_stream_and_is_a_failure() -> None:
    async def scene(stage: Stage) -> None:
        _, stream = await stage.start()
        stream.answer(415)
        assert stream.was_reset
        (state,) = stage.invoker.states()
        assert state.last_failure_error_code == "RT0015"

    play(scene)


def test_retry_after_is_heeded() -> None:
    async def scene(stage: Stage) -> None:
        _, stream = await stage.start()
        before = SystemClock().now_ms()
        stream.answer(429, retry_after="60")
        (state,) = stage.invoker.states()
        assert 59_000 < state.next_retry_at_ms - before < 61_000
        assert not state.in_flight

    play(scene)


@pytest.mark.parametrize(("verdict", "effect"), [("Pause", Pause), ("Kill", GiveUp)])
def test_exhausted_retries(verdict: str, effect: type) -> None:
    policy = RetryPolicy(initial_interval_ms=1, max_attempts=2, on_max_attempts=verdict)

    async def scene(stage: Stage) -> None:
        call, stream = await stage.start()
        stream.answer().say(BOOM).end()
        (await stage.stream()).answer().say(BOOM).end()
        assert stage.invoker.states() == []
        assert stage.host.proposed[-1].effects[0].failure == Failure(500, "boom")  # type: ignore[union-attr]
        assert getattr(stage.host.proposed[-1].effects[0], "known_entries", 1) == 1
        await stage.settle()
        assert stage.host.status(call.id) == (Status.PAUSED if verdict == "Pause" else Status.COMPLETED)

    play(scene, known=catalog(retry=policy))


def test_refused_message_resets_the_stream_and_keeps_what_came_before() -> None:
    async def scene(stage: Stage) -> None:
        call, stream = await stage.start()
        stream.answer().say(RUN, (T.SET_STATE, pb.SetStateCommand(key=b"a").SerializeToString()), OUTPUT, END)
        assert stream.was_reset
        await stage.settle()
        assert [message_type for message_type, _ in stage.host.journal(call.id)] == [T.INPUT, T.RUN]

    play(scene)


def test_request_response_sends_all_and_closes() -> None:
    async def scene(stage: Stage) -> None:
        call, stream = await stage.start()
        assert stream.closed
        proposal = pb.ProposeRunCompletion(result_completion_id=1, value=b"7").SerializeToString()
        stream.answer().say(RUN, (T.PROPOSE_RUN_COMPLETION, proposal), suspension(completions=[1])).end()
        again = await stage.stream()
        assert [message_type for message_type, _ in again.messages] == [T.START, T.INPUT, T.RUN, T.RUN_COMPLETION]
        again.answer().say(OUTPUT, END).end()
        assert await stage.ended(call) == value("ok")
        assert len(stream.messages) == 2

    play(scene, known=catalog(deployment(**REQUEST_RESPONSE), retry=FAST))


def test_kill_resets_the_stream_at_once() -> None:
    async def scene(stage: Stage) -> None:
        call, stream = await stage.start()
        stream.answer().say(RUN)
        stage.host.submit(Terminate(call.id, TerminateMode.KILL))
        await until(lambda: stream.was_reset)
        assert stage.invoker.states() == []
        assert isinstance(await stage.ended(call), Failure)

    play(scene)


def test_abort_of_a_chain_that_waits_for_its_retry() -> None:
    async def scene(stage: Stage) -> None:
        call, stream = await stage.start()
        stream.fail()
        assert len(stage.invoker.states()) == 1
        stage.host.submit(Terminate(call.id, TerminateMode.KILL))
        await stage.ended(call)
        assert stage.invoker.states() == []
        await asyncio.sleep(0.05)
        assert len(stage.endpoint.streams) == 1

    play(scene, known=catalog(retry=RetryPolicy(initial_interval_ms=20)))


def test_abort_of_an_older_generation_leaves_a_newer_alone() -> None:
    async def scene(stage: Stage) -> None:
        call, stream = await stage.start()
        stage.invoker.abort(stage.host, call.id, 0)
        assert not stream.was_reset
        stage.invoker.notify(stage.host, call.id, 0, 1, T.SIGNAL, b"")
        stage.invoker.ack(stage.host, call.id, 0, 1)
        assert len(stream.messages) == 2

    play(scene)


def test_lost_leadership_ends_everything_of_that_host_only() -> None:
    async def scene(stage: Stage) -> None:
        other = MemoryHost()
        other.invoker = stage.invoker
        _, stream = await stage.start()
        call = invoke("Greeter/greet")
        other.invoke(call)
        theirs = await stage.stream()
        stage.invoker.abort_all(stage.host)
        assert stream.was_reset
        assert not theirs.was_reset
        assert [state.id for state in stage.invoker.states()] == [call.id]
        theirs.answer().say(OUTPUT, END).end()
        await until(lambda: call.id in other.results)
        assert stage.host.proposed == []

    play(scene)


def test_slots_bound_the_attempts_and_are_served_in_order() -> None:
    async def scene(stage: Stage) -> None:
        calls = [invoke("Greeter/greet") for _ in range(7)]
        for call in calls:
            stage.host.invoke(call)
        await stage.settle()
        assert len(stage.endpoint.streams) == 2
        assert sum(state.in_flight for state in stage.invoker.states()) == 2
        for call in calls:
            stream = await stage.stream()
            assert pb.Start.FromString(stream.messages[0][1]).id == call.id
            stream.answer().say(OUTPUT, END)
        for call in calls:
            await stage.ended(call)

    play(scene, concurrent_invocations_limit=2)


def test_waiting_chains_see_what_was_stored_meanwhile() -> None:
    async def scene(stage: Stage) -> None:
        _, first = await stage.start()
        call = invoke("Greeter/greet")
        stage.host.invoke(call)
        await stage.settle()
        stage.host.submit(CompleteAwakeable(call.id, 17, b"1"))
        await stage.settle()
        first.answer().say(OUTPUT, END)
        second = await stage.stream()
        assert [message_type for message_type, _ in second.messages] == [T.START, T.INPUT, T.SIGNAL]

    play(scene, concurrent_invocations_limit=1)


def test_retries_hold_no_slot() -> None:
    async def scene(stage: Stage) -> None:
        _, failing = await stage.start()
        call = invoke("Greeter/greet")
        stage.host.invoke(call)
        await stage.settle()
        failing.fail()
        second = await stage.stream()
        assert pb.Start.FromString(second.messages[0][1]).id == call.id

    play(scene, known=catalog(retry=RetryPolicy(initial_interval_ms=60_000)), concurrent_invocations_limit=1)


@pytest.mark.parametrize("count", [3000])
def test_many_waiters_without_a_route_do_not_recurse(count: int) -> None:
    async def scene(stage: Stage) -> None:
        for _ in range(count):
            stage.host.invoke(invoke("Nope/greet"))
        await until(lambda: sum(state.retry_count for state in stage.invoker.states()) == count)
        assert {state.last_failure_error_code for state in stage.invoker.states()} == {"RT0011"}

    logging.disable(logging.WARNING)
    try:
        play(scene, concurrent_invocations_limit=1)
    finally:
        logging.disable(logging.NOTSET)


def test_service_that_appears_later_is_found_by_the_retry() -> None:
    async def scene(stage: Stage) -> None:
        stage.catalog.set(None)
        call = invoke("Greeter/greet")
        stage.host.invoke(call)
        await until(lambda: [s for s in stage.invoker.states() if s.last_failure])
        stage.catalog.set(catalog(retry=FAST))
        (await stage.stream()).answer().say(OUTPUT, END)
        assert await stage.ended(call) == value("ok")

    play(scene)


def test_bug_in_one_attempt_harms_no_other(caplog: pytest.LogCaptureFixture) -> None:
    async def scene(stage: Stage) -> None:
        call, good = await stage.start()

        def broken(target: Target, *, value_bytes_limit: int) -> Any:
            raise RuntimeError("disk on fire")

        stage.host.read_state = broken  # type: ignore[method-assign]
        stage.host.invoke(invoke("Counter/c/add"))
        await until(lambda: [s for s in stage.invoker.states() if s.last_failure_error_code == "RT0006"])
        good.answer().say(OUTPUT, END).end()
        assert await stage.ended(call) == value("ok")

    play(scene)
    assert "disk on fire" in caplog.text


def test_exception_while_reporting_is_a_failed_attempt(caplog: pytest.LogCaptureFixture) -> None:
    async def scene(stage: Stage) -> None:
        call, stream = await stage.start()
        propose = stage.host.propose

        def once(effects: Any) -> None:
            stage.host.propose = propose  # type: ignore[method-assign]
            raise RuntimeError("no log")

        stage.host.propose = once  # type: ignore[method-assign]
        stream.answer().say(OUTPUT, END)
        assert stream.was_reset
        again = await stage.stream()
        again.answer().say(OUTPUT, END).end()
        assert await stage.ended(call) == value("ok")

    play(scene)
    assert "no log" in caplog.text


def test_bytes_behind_the_end_are_logged_and_the_stream_reset(caplog: pytest.LogCaptureFixture) -> None:
    async def scene(stage: Stage) -> None:
        call, stream = await stage.start()
        stream.answer().say(OUTPUT, END)
        assert await stage.ended(call) == value("ok")
        stream.say(OUTPUT)
        assert stream.was_reset

    play(scene)
    assert "behind its last message" in caplog.text


def test_failure_is_logged_once_with_all_that_helps(caplog: pytest.LogCaptureFixture) -> None:
    async def scene(stage: Stage) -> None:
        _, stream = await stage.start()
        stream.answer().say(BOOM).end()

    play(scene)
    (record,) = [record for record in caplog.records if record.levelno == logging.WARNING]
    for fact in ("invocation=inv_1", "target=Greeter/greet", "deployment=dp_1", "RT0007", "boom", "retry in 1 ms"):
        assert fact in record.getMessage()


def test_long_journal_is_sent_as_the_stream_takes_it() -> None:
    async def scene(stage: Stage) -> None:
        call, stream = await stage.start()
        big = (int(T.RUN), pb.RunCommand(result_completion_id=1, name="x" * 300_000).SerializeToString())
        for _ in range(3):
            stream.answer().say(big)
            await stage.settle()
        stage.endpoint.full = True
        stream.say(BOOM)
        again = await stage.stream()
        assert len(again.sent) < 700_000
        stage.host.submit(CompleteAwakeable(call.id, 17, b"1"))
        await stage.settle()
        again.full = False
        again.handler.on_writable()
        kinds = [message_type for message_type, _ in again.messages]
        assert kinds == [T.START, T.INPUT, T.RUN, T.RUN, T.RUN, T.SIGNAL]

    play(scene)


def test_large_messages_are_proposed_one_by_one() -> None:
    """One InvokerEffects is one command, which the log cannot cut: several large messages would not fit a record."""

    async def scene(stage: Stage) -> None:
        call, stream = await stage.start()
        big = (int(T.RUN), pb.RunCommand(result_completion_id=1, name="x" * 400_000).SerializeToString())
        stream.answer().data(join(big, big, OUTPUT, END)).end()
        assert await stage.ended(call) == value("ok")
        assert [len(effects.effects) for effects in stage.host.proposed] == [2, 1, 1, 1]

    play(scene)


def test_message_that_fits_no_record_is_refused() -> None:
    async def scene(stage: Stage) -> None:
        _, stream = await stage.start()
        stream.answer().say((T.OUTPUT, bytes(100_000)))
        assert stream.was_reset
        assert stage.invoker.states()[0].last_failure_error_code == "RT0003"

    play(scene, record_bytes_limit=150_000)


@pytest.mark.parametrize("uri", ["http://[", "ftp://h:1", "http://h:99999", "nothing"])
def test_uri_that_is_none_is_a_failure(uri: str) -> None:
    async def scene() -> None:
        host = MemoryHost()
        view = MemoryCatalog(catalog())
        host.invoker = invoker = Invoker(catalog=view, settings=Settings(workers=1), clock=SystemClock())
        view.set(catalog(deployment(uri)))
        host.invoke(invoke("Greeter/greet"))
        await until(lambda: [s for s in invoker.states() if s.last_failure_error_code == "RT0010"])
        await invoker.close()

    uvloop.run(scene())
