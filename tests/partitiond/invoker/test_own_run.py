"""A suspension on an unfinished run of its own: what the invoker makes of it, with the real machine behind it."""

from __future__ import annotations

from shared.catalog.services import RetryPolicy
from shared.protocol import service_pb2 as pb
from shared.protocol.message_types import MessageType as T
from shared.storage.values import Status
from shared.wal.commands import CompleteAwakeable, Failed, InvokerEffects, Pause, ResumeInvocation
from tests.fakes.service_endpoint import FakeStream
from tests.partitiond.invoker.builders import END, OUTPUT, catalog, value
from tests.partitiond.invoker.stage import Stage, play, until

RUN = (int(T.RUN), pb.RunCommand(result_completion_id=1, name="r").SerializeToString())
#: Both forms: flat lists up to v6, a Future (fields 1 and 2: completions and signals) since v7.
ON_RUN = (
    int(T.SUSPENSION),
    pb.Suspension(
        waiting_completions=[1], waiting_signals=[1], awaiting_on=b"\x0a\x01\x01\x12\x01\x01"
    ).SerializeToString(),
)
ON_SIGNAL = (
    int(T.SUSPENSION),
    pb.Suspension(waiting_signals=[17], awaiting_on=b"\x12\x01\x11").SerializeToString(),
)
DONE = (int(T.PROPOSE_RUN_COMPLETION), pb.ProposeRunCompletion(result_completion_id=1, value=b"1").SerializeToString())
TEXT = "the service suspended on its own unfinished run (completion 1), which only a retry can finish"


def test_it_is_repeated_and_the_failure_can_be_read() -> None:
    async def scene(stage: Stage) -> None:
        call, stream = await stage.start()
        stream.answer().say(RUN, ON_RUN).end()
        again = await stage.stream()
        assert [message_type for message_type, _ in again.messages] == [T.START, T.INPUT, T.RUN]
        start = pb.Start.FromString(again.messages[0][1])
        assert start.retry_count_since_last_stored_entry == 1
        (state,) = stage.invoker.states()
        assert (state.last_failure, state.last_failure_error_code) == (f"[500 Internal] {TEXT}", "RT0007")
        again.answer().say(DONE, OUTPUT, END).end()
        assert await stage.ended(call) == value("ok")

    play(scene)


def test_it_is_one_event_however_often_and_pauses_by_policy() -> None:
    async def scene(stage: Stage) -> None:
        call, stream = await stage.start()
        stream.answer().say(RUN, ON_RUN).end()
        for _ in range(2):
            (await stage.stream()).answer().say(ON_RUN).end()
        await until(lambda: stage.host.status(call.id) == Status.PAUSED)
        reported = [effect for effects in stage.host.proposed for effect in effects.effects]
        assert [effect.detail.message for effect in reported if isinstance(effect, Failed | Pause)] == [TEXT, TEXT]

    policy = RetryPolicy(initial_interval_ms=1, max_attempts=3, on_max_attempts="Pause")
    play(scene, known=catalog(retry=policy))


def test_the_slot_is_free_while_it_backs_off() -> None:
    """One slot: the other invocation runs while the first one waits for an hour."""

    async def scene(stage: Stage) -> None:
        first, stream = await stage.start()
        stream.answer().say(RUN, ON_RUN).end()
        await stage.settle()
        (state,) = stage.invoker.states()
        assert not state.in_flight
        assert state.next_retry_at_ms > 0
        other, its_stream = await stage.start()
        its_stream.answer().say(OUTPUT, END).end()
        await stage.ended(other)
        # An operator knows better than to wait for an hour.
        stage.host.submit(ResumeInvocation(first.id))
        again = await stage.stream()
        again.answer().say(DONE, OUTPUT, END).end()
        await stage.ended(first)

    policy = RetryPolicy(initial_interval_ms=3_600_000, max_interval_ms=3_600_000)
    play(scene, known=catalog(retry=policy), concurrent_invocations_limit=1)


def test_a_suspension_that_holds_leaves_no_chain() -> None:
    async def scene(stage: Stage) -> None:
        call, stream = await stage.start()
        stream.answer().say(ON_SIGNAL).end()
        await until(lambda: stage.host.status(call.id) == Status.SUSPENDED)
        await until(lambda: not stage.invoker.states())
        stage.host.submit(CompleteAwakeable(call.id, 17, b"x"))
        (await stage.stream()).answer().say(OUTPUT, END).end()
        await stage.ended(call)

    play(scene)


def test_a_suspension_that_was_woken_before_it_was_stored_goes_on() -> None:
    """The signal is in the log before the suspension, but the service did not see it in time."""

    async def scene(stage: Stage) -> None:
        call, stream = await stage.start()
        stream.answer()
        stage.host.submit(CompleteAwakeable(call.id, 17, b"x"))
        stream.say(ON_SIGNAL).end()
        again: FakeStream = await stage.stream()
        again.answer().say(OUTPUT, END).end()
        await stage.ended(call)
        assert [effects for effects in stage.host.proposed if not isinstance(effects, InvokerEffects)] == []

    play(scene)
