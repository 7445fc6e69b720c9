"""A suspension on the invocation's own unfinished run is no sleep: nothing but a further attempt could end it."""

from __future__ import annotations

import pytest

from partitiond.machine.actions import StartInvocation, SuspensionRefused
from shared.ids import CANCEL_SIGNAL
from shared.protocol import service_pb2 as pb
from shared.protocol.message_types import MessageType
from shared.storage import keys, values
from shared.storage.values import Status
from shared.wal.commands import RunCompletion, Suspend
from tests.partitiond.machine.fixtures import START_MS, Machine, invoke, new_id, run, sleep

HOUR = START_MS + 3_600_000


@pytest.mark.parametrize(
    ("awaited", "refused"),
    [
        (Suspend([1], [], []), [1]),
        (Suspend([1, 2], [], []), [1, 2]),
        (Suspend([2], [CANCEL_SIGNAL], []), [2]),
        # Something else could wake it: the run would wait for that, although the handler has begun it.
        (Suspend([1, 3], [17], ["name"]), [1]),
    ],
)
def test_it_counts_as_a_failed_attempt(awaited: Suspend, refused: list[int]) -> None:
    machine, a = Machine(), new_id()
    machine.apply(invoke(a))
    actions = machine.report(a, run(1), run(2), sleep(HOUR, 3), awaited)
    row = machine.row(a)
    assert actions[-1] == SuspensionRefused(a, row.born_lsn + 1, refused)
    assert (row.status, row.generation, row.open_runs) == (Status.INVOKED, row.born_lsn + 1, [1, 2])


def test_a_run_whose_result_is_stored_wakes_it_at_once() -> None:
    machine, a = Machine(), new_id()
    machine.apply(invoke(a))
    actions = machine.report(a, run(1), run(2), RunCompletion(2, b"2"), Suspend([1, 2], [CANCEL_SIGNAL], []))
    assert type(actions[-1]) is StartInvocation
    assert machine.row(a).open_runs == [1]


def test_an_unfinished_run_that_is_not_awaited_lets_it_sleep() -> None:
    machine, a = Machine(), new_id()
    machine.apply(invoke(a))
    assert machine.report(a, run(1), sleep(HOUR, 2), Suspend([2], [], []))[1:] == []
    assert machine.row(a).status is Status.SUSPENDED


def test_a_second_result_of_a_run_changes_nothing() -> None:
    machine, a = Machine(), new_id()
    machine.apply(invoke(a))
    machine.report(a, run(1), RunCompletion(1, b"1"), RunCompletion(1, b"x"))
    assert machine.row(a).open_runs == []
    assert machine.last_notification(a).value.content == b"1"


def test_results_in_any_order_count_once_each() -> None:
    """Whether a result is there already is looked for only where it may be: ids above the newest have none."""
    machine, a = Machine(), new_id()
    machine.apply(invoke(a))
    for completion_id in (2, 5, 3, 5, 2, 3, 4, 1, 4, 6):
        machine.report(a, run(completion_id), RunCompletion(completion_id, b"%d" % completion_id))
    found = [row.raw for row in machine.journal(a) if row.entry_type == MessageType.RUN_COMPLETION]
    results = [pb.Notification.FromString(raw) for raw in found]
    assert [(each.completion_id, each.value.content) for each in results] == [
        (2, b"2"), (5, b"5"), (3, b"3"), (4, b"4"), (1, b"1"), (6, b"6")
    ]  # fmt: skip
    assert machine.row(a).newest_completion == 6


def test_a_row_that_does_not_know_its_newest_result_looks_for_it() -> None:
    """An older build wrote it, or a signal came first, or it is a restart that has a part of another's journal."""
    machine, a = Machine(), new_id()
    machine.apply(invoke(a))
    machine.report(a, run(1), RunCompletion(1, b"1"))
    row = machine.row(a)
    row.newest_completion = -1
    machine.store.commit({keys.invocation_key(a): values.encode(row)})
    machine.report(a, run(1), RunCompletion(1, b"x"), run(2), RunCompletion(2, b"2"))
    assert machine.row(a).open_runs == []
    assert machine.row(a).newest_completion == -1
    assert machine.last_notification(a).value.content == b"2"
