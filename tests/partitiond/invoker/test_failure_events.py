"""Which failures become events of the journal."""

from __future__ import annotations

from shared.protocol import service_pb2 as pb
from shared.protocol.message_types import MessageType as T
from shared.wal.commands import Failed
from tests.partitiond.invoker.stage import Stage, play


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
