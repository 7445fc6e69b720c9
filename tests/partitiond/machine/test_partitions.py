"""Messages between two partitions: exactly once and in order, whatever is sent again."""

from __future__ import annotations

from partitiond.machine.actions import SendOutbox
from shared.protocol.message_types import MessageType as M
from shared.storage import keys
from shared.storage.values import Status
from shared.wal.commands import Deliver, End, OutboxMessage, TruncateOutbox
from tests.partitiond.machine.fixtures import GREETER, Machine, call, invoke, new_id, output

HALF = 1 << 63


def pair() -> tuple[Machine, Machine]:
    return Machine(partition_id=0, key_range=(0, HALF - 1)), Machine(partition_id=1, key_range=(HALF, 2 * HALF - 1))


def outbox(actions: list[object]) -> list[tuple[int, OutboxMessage]]:
    return [(action.seq, action.row.message) for action in actions if isinstance(action, SendOutbox)]


def test_a_call_to_another_partition_comes_back_by_its_outbox() -> None:
    left, right = pair()
    a, b = new_id(place=5), new_id(place=HALF + 5)
    left.apply(invoke(a))
    sent = outbox(left.report(a, call(a, GREETER, invoke(b, retention_ms=0), id_completion=1, completion=2)))
    assert [seq for seq, _ in sent] == [1]
    right.apply(Deliver(0, sent))
    assert right.row(b).status is Status.INVOKED
    answer = outbox(right.report(b, output(b'"42"'), End()))
    left.apply(Deliver(1, answer))
    assert left.journal_types(a)[-1] == M.CALL_COMPLETION
    left.apply(TruncateOutbox([1]))
    assert left.store.get(keys.outbox_key(1)) is None


def test_a_message_delivered_twice_is_taken_once() -> None:
    """The receiver stored it, but the sender died before it heard so, and its successor sends it again."""
    left, right = pair()
    a, b, c = new_id(place=5), new_id(place=HALF + 5), new_id(place=HALF + 6)
    left.apply(invoke(a))
    first = outbox(left.report(a, call(a, GREETER, invoke(b, retention_ms=0), id_completion=1, completion=2)))
    right.apply(Deliver(0, first))
    right.report(b, output(), End())
    assert not right.exists(b)
    second = outbox(left.report(a, call(a, GREETER, invoke(c, retention_ms=0), id_completion=3, completion=4)))
    right.apply(Deliver(0, first + second))
    assert not right.exists(b)
    assert right.row(c).status is Status.INVOKED
