"""Chains of invocations with a scope: turns at the slots, and retries that give their permit back."""

from __future__ import annotations

import pytest

from partitiond.invoker import chain
from shared.catalog.services import RetryPolicy
from shared.clock import SystemClock
from shared.protocol import service_pb2 as pb
from shared.protocol.message_types import MessageType as T
from shared.storage.values import Status
from shared.wal.commands import SetRules, Terminate, TerminateMode, Yield
from tests.partitiond.invoker.builders import END, OUTPUT, catalog, invoke
from tests.partitiond.invoker.stage import Stage, play, until

BOOM = (int(T.ERROR), pb.Error(code=500, message="boom").SerializeToString())


def test_services_and_scopes_take_turns_at_the_slots() -> None:
    async def scene(stage: Stage) -> None:
        _, stream = await stage.start()
        scoped = invoke("Greeter/greet", scope="s")
        calls = [*(invoke("Greeter/greet") for _ in range(3)), invoke("Counter/c1/add"), scoped]
        for call in calls:
            stage.host.invoke(call)
        await stage.settle()
        for call in (calls[0], calls[3], scoped, calls[1], calls[2]):
            stream.answer().say(OUTPUT, END)
            stream = await stage.stream()
            assert pb.Start.FromString(stream.messages[0][1]).id == call.id

    play(scene, concurrent_invocations_limit=1)


@pytest.mark.parametrize("limited", [False, True])
def test_a_scoped_retry_that_is_put_off_lets_others_run_and_goes_on_counting(
    limited: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second failure is the last one that the policy allows, though the machine started the chain anew between."""
    monkeypatch.setattr(chain, "YIELD_MS_MIN", 50)

    async def scene(stage: Stage) -> None:
        stage.host.submit(SetRules(1, [("s", 1 if limited else None)]))
        call = invoke("Greeter/greet", scope="s")
        stage.host.invoke(call)
        failing = await stage.stream()
        failing.answer().say(BOOM)
        await until(lambda: stage.host.load(call.id).retry_at_ms)  # type: ignore[union-attr]
        (state,) = stage.invoker.states(stage.host)
        assert (state.in_flight, state.retry_count) == (False, 1)
        assert state.next_retry_at_ms == stage.host.load(call.id).retry_at_ms  # type: ignore[union-attr]
        other = invoke("Counter/c1/add", scope="s")
        stage.host.invoke(other)
        stream = await stage.stream()
        assert pb.Start.FromString(stream.messages[0][1]).id == other.id
        if limited:
            await until(lambda: stage.host.load(call.id).queue_seq)  # type: ignore[union-attr]
            assert len(stage.endpoint.streams) == 2
            stream.answer().say(OUTPUT, END)
        again = await stage.stream()
        start = pb.Start.FromString(again.messages[0][1])
        assert (start.id, start.retry_count_since_last_stored_entry) == (call.id, 1)
        again.answer().say(BOOM)
        await until(lambda: stage.host.status(call.id) is Status.PAUSED)

    play(scene, known=catalog(retry=RetryPolicy(initial_interval_ms=60, max_attempts=2)))


def test_a_retry_that_is_near_or_without_a_scope_is_not_put_off() -> None:
    async def scene(stage: Stage) -> None:
        for number, scope in enumerate((None, "s")):
            stage.host.invoke(invoke("Greeter/greet", scope=scope))
            (await stage.stream()).answer().say(BOOM)
            (await stage.stream()).answer().say(OUTPUT, END)
            await until(lambda wanted=number: len(stage.host.results) > wanted)
        assert not any(isinstance(effect, Yield) for each in stage.host.proposed for effect in each.effects)

    play(scene)


def test_a_clock_that_is_set_back_puts_no_retry_off_for_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    """A retry that is put off is a stored timer, which goes by the clock: set back by an hour, it was an hour late."""
    monkeypatch.setattr(chain, "YIELD_MS_MIN", 50)
    monkeypatch.setattr(chain, "_CLOCK_SET_BACK_S", 0.02)
    moved_ms = 0
    real = SystemClock.now_ms
    monkeypatch.setattr(SystemClock, "now_ms", lambda self: real(self) + moved_ms)

    async def scene(stage: Stage) -> None:
        nonlocal moved_ms
        call = invoke("Greeter/greet", scope="s")
        stage.host.invoke(call)
        (await stage.stream()).answer().say(BOOM)
        await until(lambda: stage.host.load(call.id).retry_at_ms)  # type: ignore[union-attr]
        moved_ms = -3_600_000
        again = await stage.stream()
        start = pb.Start.FromString(again.messages[0][1])
        assert (start.id, start.retry_count_since_last_stored_entry) == (call.id, 1)
        assert 50 <= start.duration_since_last_stored_entry < 3_600_000
        again.answer().say(OUTPUT, END)
        await stage.ended(call)

    play(scene, known=catalog(retry=RetryPolicy(initial_interval_ms=60)))


def test_a_clock_that_is_set_forth_does_not_let_a_service_believe_that_it_has_tried_for_long(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """SDKs give a `run` up after so long: a clock that jumped by a day ended all that had failed once."""
    moved_ms = 0
    real = SystemClock.now_ms
    monkeypatch.setattr(SystemClock, "now_ms", lambda self: real(self) + moved_ms)

    async def scene(stage: Stage) -> None:
        nonlocal moved_ms
        stage.host.invoke(invoke("Greeter/greet"))
        stream = await stage.stream()
        moved_ms = 86_400_000
        stream.answer().say(BOOM)
        start = pb.Start.FromString((await stage.stream()).messages[0][1])
        assert start.duration_since_last_stored_entry < 60_000

    play(scene)


def test_a_retry_that_is_put_off_ends_with_its_invocation(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chain, "YIELD_MS_MIN", 1)

    async def scene(stage: Stage) -> None:
        call = invoke("Greeter/greet", scope="s")
        stage.host.invoke(call)
        (await stage.stream()).answer().say(BOOM)
        await until(lambda: stage.host.load(call.id).retry_at_ms)  # type: ignore[union-attr]
        stage.host.submit(Terminate(call.id, TerminateMode.KILL))
        await stage.ended(call)
        assert stage.invoker.states() == []

    play(scene, known=catalog(retry=RetryPolicy(initial_interval_ms=60_000)))
