"""Which failures become events of the journal."""

from __future__ import annotations

import pytest

from partitiond.invoker.http2.errors import ErrorKind
from partitiond.invoker.http2.frames import ENHANCE_YOUR_CALM, INTERNAL_ERROR
from shared.catalog.services import RetryPolicy
from shared.protocol import service_pb2 as pb
from shared.protocol.message_types import MessageType as T
from shared.wal.commands import Failed
from tests.partitiond.invoker.builders import END, OUTPUT, catalog
from tests.partitiond.invoker.stage import Stage, play, until


def test_failures_that_differ_in_their_stack_traces_are_one_event() -> None:
    """How an event loop came to the handler is in the trace, and differs from attempt to attempt."""

    async def scene(stage: Stage) -> None:
        _, stream = await stage.start()
        for number, message in enumerate(("boom", "boom", "other")):
            error = pb.Error(code=500, message=message, stacktrace=f"at line {number}")
            stream.answer().say((T.ERROR, error.SerializeToString())).end()
            stream = await stage.stream()
        reported = [effect.detail for p in stage.host.proposed for effect in p.effects if isinstance(effect, Failed)]
        assert [(detail.message, detail.stacktrace) for detail in reported] == [
            ("boom", "at line 0"), ("other", "at line 2")]  # fmt: skip

    play(scene)


_HOUR_MS = 3_600_000
_SLOW = catalog(retry=RetryPolicy(initial_interval_ms=_HOUR_MS, max_interval_ms=_HOUR_MS))


def failures(stage: Stage) -> int:
    return sum(isinstance(effect, Failed) for p in stage.host.proposed for effect in p.effects)


@pytest.mark.parametrize("kind", [ErrorKind.REFUSED, ErrorKind.LEFT])
def test_what_a_service_refused_or_left_is_sent_again_at_once_but_only_three_times_in_a_row(kind: ErrorKind) -> None:
    """A server ends a connection after so many requests: those behind the last one it took were not processed. Several
    connections end together: one that was sent again once had bad luck under load, and waited as if it had failed."""

    async def scene(stage: Stage) -> None:
        _, stream = await stage.start()
        for _ in range(3):
            stream.fail(kind)
            stream = await stage.stream()
            assert failures(stage) == 0
            assert stage.invoker.states()[0].last_failure is None
        stream.fail(kind)
        await until(lambda: failures(stage))
        await stage.settle()
        assert len(stage.endpoint.streams) == 4
        assert stage.invoker.states()[0].next_retry_at_ms > 0

    play(scene, known=_SLOW)


def test_an_invocation_that_gets_on_is_sent_again_at_once_each_time_that_a_connection_ends() -> None:
    """A long one lives through many connections; each takes it one step further."""

    async def scene(stage: Stage) -> None:
        call, stream = await stage.start()
        for step in range(5):
            command = pb.RunCommand(result_completion_id=step + 1, name=f"{step}")
            stream.answer().say((T.RUN, command.SerializeToString())).fail(ErrorKind.LEFT)
            stream = await stage.stream()
        stream.answer().say(OUTPUT, END).end()
        await stage.ended(call)
        assert failures(stage) == 0

    play(scene, known=_SLOW)


@pytest.mark.parametrize("code", [ENHANCE_YOUR_CALM, INTERNAL_ERROR])
def test_a_refusal_with_a_reason_is_a_failure(code: int) -> None:
    """Who asks for calm is not called again at once."""

    async def scene(stage: Stage) -> None:
        _, stream = await stage.start()
        stream.fail(ErrorKind.REFUSED, code=code)
        await until(lambda: failures(stage))
        assert len(stage.endpoint.streams) == 1

    play(scene, known=_SLOW)
