"""Time-outs of attempts, and how a failed one comes to its end."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from partitiond.invoker import attempt
from partitiond.invoker.http2.errors import ErrorKind
from shared.catalog.deployments import ProtocolMode
from shared.catalog.services import RetryPolicy
from shared.protocol import service_pb2 as pb
from shared.protocol.message_types import MessageType as T
from shared.wal.commands import CompleteAwakeable
from tests.partitiond.invoker.builders import END, OUTPUT, catalog, deployment, suspension
from tests.partitiond.invoker.stage import FAST, Stage, play, until

RUN = (int(T.RUN), pb.RunCommand(result_completion_id=1, name="r").SerializeToString())
BOOM = (int(T.ERROR), pb.Error(code=500, message="boom").SerializeToString())
REQUEST_RESPONSE = {"protocol_mode": ProtocolMode.REQUEST_RESPONSE}
ONCE = catalog(retry=RetryPolicy(initial_interval_ms=3_600_000), inactivity_timeout_ms=0, abort_timeout_ms=1)
#: Before a tick of such a length, only timers of their own end short time-outs.
TICKS = pytest.mark.parametrize("tick_s", [0.005, 3600.0])


@pytest.fixture
def short_farewell(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attempt, "_FAREWELL_S", 0.02)


@TICKS
@pytest.mark.usefixtures("short_farewell")
def test_inactivity_closes_the_request_then_abort_times_out(tick_s: float) -> None:
    async def scene(stage: Stage) -> None:
        _, stream = await stage.start()
        stream.answer()
        await until(lambda: stream.closed)
        assert not stream.was_reset
        await until(lambda: stream.was_reset)
        (state,) = stage.invoker.states()
        assert state.last_failure_error_code == "RT0001"

    play(scene, known=catalog(retry=FAST, inactivity_timeout_ms=20, abort_timeout_ms=30), tick_s=tick_s)


@TICKS
def test_messages_keep_an_attempt_alive(tick_s: float) -> None:
    async def scene(stage: Stage) -> None:
        _, stream = await stage.start()
        stream.answer()
        for _ in range(10):
            await asyncio.sleep(0.02)
            stream.say(RUN)
        assert not stream.closed

    play(scene, known=catalog(retry=FAST, inactivity_timeout_ms=150), tick_s=tick_s)


def test_closed_request_takes_no_notifications_and_the_suspension_finds_them() -> None:
    async def scene(stage: Stage) -> None:
        call, stream = await stage.start()
        stream.answer()
        await until(lambda: stream.closed)
        stage.host.submit(CompleteAwakeable(call.id, 17, b"1"))
        await stage.settle()
        assert len(stream.messages) == 2
        stream.say(suspension(signals=[17])).end()
        again = await stage.stream()
        assert again.messages[-1][0] == T.SIGNAL

    play(scene, known=catalog(retry=FAST, inactivity_timeout_ms=20))


@TICKS
@pytest.mark.usefixtures("short_farewell")
def test_request_response_has_no_inactivity_but_an_abort_timeout(tick_s: float) -> None:
    async def scene(stage: Stage) -> None:
        _, stream = await stage.start()
        await until(lambda: stream.was_reset)
        assert stage.invoker.states()[0].last_failure_error_code == "RT0001"

    play(scene, known=catalog(deployment(**REQUEST_RESPONSE), retry=FAST, abort_timeout_ms=20), tick_s=tick_s)


@pytest.mark.usefixtures("short_farewell")
def test_an_abort_timeout_of_a_millisecond_without_inactivity() -> None:
    """The service is aborted before its handler has run its first step a second later."""

    async def scene(stage: Stage) -> None:
        began = asyncio.get_running_loop().time()
        _, stream = await stage.start()
        await until(lambda: stream.was_reset)
        assert asyncio.get_running_loop().time() - began < 0.5

    play(scene, known=ONCE, tick_s=1.0)


@pytest.mark.usefixtures("short_farewell")
@pytest.mark.parametrize("hangs", [False, True])
def test_the_next_attempt_begins_when_the_response_of_the_failed_one_has_ended(hangs: bool) -> None:
    """Else the handler of the one could still clean up while that of the other begins; but a handler that hangs is not
    waited for."""

    async def scene(stage: Stage) -> None:
        _, stream = await stage.start()
        stream.answer().say(BOOM)
        await stage.settle()
        assert stream.closed
        assert len(stage.endpoint.streams) == 1
        if not hangs:
            stream.end()
        await stage.stream()
        assert stream.was_reset == hangs

    play(scene)


def test_a_service_that_was_too_slow_may_end_its_response_and_is_not_heard() -> None:
    """Its handler goes on a while: what it does is not torn, but belongs to a failed attempt. As in Restate."""

    async def scene(stage: Stage) -> None:
        call, stream = await stage.start()
        # Longer than the abort timeout, shorter than the farewell.
        await asyncio.sleep(0.05)
        assert stage.invoker.states()[0].in_flight
        stream.answer().say(RUN, OUTPUT, END).end()
        assert not stream.was_reset
        (state,) = stage.invoker.states()
        assert (state.in_flight, state.last_failure_error_code) == (False, "RT0001")
        assert len(stage.host.journal(call.id)) == 1
        assert stream.given_back > 0

    play(scene, known=ONCE, tick_s=3600.0)


@pytest.mark.parametrize("_again", range(6))
def test_a_service_that_was_too_slow_and_breaks_is_told_of_as_too_slow(_again: int) -> None:
    """A timer that rang just in time found the time-out not quite over, every other time: a matter of rounding."""

    async def scene(stage: Stage) -> None:
        _, stream = await stage.start()
        await asyncio.sleep(0.02)
        stream.answer(500).fail(ErrorKind.CLOSED)
        (state,) = stage.invoker.states()
        assert (state.in_flight, state.last_failure_error_code) == (False, "RT0001")

    play(scene, known=ONCE, tick_s=3600.0)


@pytest.mark.usefixtures("short_farewell")
def test_memory_that_is_waited_for_puts_off_a_short_timeout() -> None:
    """What makes it wait is ours: the attempt lives, and the timer comes back."""

    async def scene(stage: Stage) -> None:
        _, stream = await stage.start()
        waiting: list[Callable[[], None]] = []
        stage.host.when_applied = waiting.append  # type: ignore[method-assign]
        stream.answer().say((T.RUN, pb.RunCommand(result_completion_id=1, name="x" * 70_000).SerializeToString()))
        assert waiting
        await asyncio.sleep(0.2)
        assert not stream.was_reset
        waiting.pop()()
        await until(lambda: stream.was_reset)

    known = catalog(retry=RetryPolicy(initial_interval_ms=3_600_000), inactivity_timeout_ms=0, abort_timeout_ms=100)
    play(scene, known=known, tick_s=3600.0)
