"""Two partitions with a bit of everything, and a call from one to the other."""

from __future__ import annotations

from metad.registry.commands import CreatePartitionTable, MetaCommand
from shared.catalog.partitions import even_partitions
from shared.wal.commands import Deliver, End, Pin, Suspend, TruncateOutbox
from tests.partitiond.machine.fixtures import COUNTER, GREETER, HOUR_MS, Machine, call, invoke, new_id, output, sleep
from tests.partitiond.machine.test_partitions import outbox

__all__ = ["PROPOSALS", "Two"]

PROPOSALS: list[MetaCommand] = [CreatePartitionTable(2)]


class Two:
    """`caller` (partition 0) called `callee` (partition 1) and has its answer; `sleeper` sleeps; `done` has ended."""

    def __init__(self) -> None:
        ranges = [(part.start_key, part.end_key) for part in even_partitions(2)]
        self.left = Machine(partition_id=0, key_range=ranges[0])
        self.right = Machine(partition_id=1, key_range=ranges[1])
        self.caller, self.callee = new_id(place=5), new_id(place=ranges[1][0] + 5)
        self.left.apply(invoke(self.caller))
        called = call(self.caller, GREETER, invoke(self.callee), id_completion=1, completion=2)
        sent = outbox(list(self.left.report(self.caller, called, Suspend([2], [], []))))
        self.right.apply(Deliver(0, sent))
        answer = outbox(list(self.right.report(self.callee, output(b'"42"'), End())))
        self.left.apply(Deliver(1, answer), TruncateOutbox([1]))
        self.right.apply(TruncateOutbox([1]))
        self.sleeper, self.done = new_id(place=6), new_id(COUNTER, place=7)
        self.left.apply(invoke(self.sleeper))
        self.left.report(self.sleeper, sleep(self.left.now_ms + HOUR_MS, 1), Suspend([1], [], []))
        self.left.apply(invoke(self.done, COUNTER, payload=b'"done"'))
        self.left.report(self.done, output(), End())

    @property
    def machines(self) -> list[Machine]:
        return [self.left, self.right]

    def pin(self, deployment: str) -> None:
        """The caller gets a deployment."""
        self.left.report(self.caller, Pin(deployment, 6))
