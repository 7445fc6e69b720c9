"""Which failures become events of the journal."""

from __future__ import annotations

from partitiond.invoker.http2.errors import ErrorKind
from shared.catalog.services import RetryPolicy
from shared.protocol import service_pb2 as pb
from shared.protocol.message_types import MessageType as T
from shared.wal.commands import Failed
from tests.partitiond.invoker.builders import catalog
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


def test_what_a_service_refused_is_sent_again_at_once_but_only_once_in_a_row() -> None:
    """A server ends a connection after so many requests: those behind the last one it took were not processed."""

    async def scene(stage: Stage) -> None:
        def failures() -> int:
            return sum(isinstance(effect, Failed) for p in stage.host.proposed for effect in p.effects)

        _, stream = await stage.start()
        stream.fail(ErrorKind.REFUSED)
        stream = await stage.stream()
        assert failures() == 0
        assert stage.invoker.states()[0].last_failure is None
        stream.fail(ErrorKind.REFUSED)
        await until(failures)
        await stage.settle()
        assert len(stage.endpoint.streams) == 2
        assert stage.invoker.states()[0].next_retry_at_ms > 0

    hour_ms = 3_600_000
    play(scene, known=catalog(retry=RetryPolicy(initial_interval_ms=hour_ms, max_interval_ms=hour_ms)))
