"""What has expired is found slice by slice and forgotten."""

from __future__ import annotations

import asyncio

import pytest

from partitiond.leader.cleaner import Cleaner, expired
from partitiond.store.memory import MemoryStore
from shared.clock import SimClock
from shared.errors import CorruptionError
from shared.storage import keys
from shared.storage.values import InvocationRow, Status, encode
from shared.wal.commands import CleanUp, Command, End
from tests.fakes.sim_log import SimLog
from tests.fakes.sim_loop import SimLoop, simulate
from tests.partitiond.leader.rig import FakePeer, Node, until
from tests.partitiond.machine.fixtures import GREETER, HOUR_MS, invoke, new_id, output, reported

NOW = 1_700_000_000_000


def row(status: Status, *, ended_ms: int = 0, retention_ms: int = 0, journal_ms: int = 0, entries: int = 1) -> bytes:
    return encode(
        InvocationRow(
            status, GREETER, 1, entries, entries, 0, 0, retention_ms, journal_ms,
            completed_at_ms=ended_ms, result=b"" if status is Status.COMPLETED else None,
        )
    )  # fmt: skip


def store_of(*rows: bytes) -> tuple[MemoryStore, list[bytes]]:
    store = MemoryStore()
    ids = [number.to_bytes(24, "big") for number in range(len(rows))]
    store.commit({keys.invocation_key(i): value for i, value in zip(ids, rows, strict=True)})
    return store, ids


def test_only_completed_invocations_whose_time_is_over_are_due() -> None:
    store, ids = store_of(
        row(Status.INVOKED),
        row(Status.COMPLETED, ended_ms=NOW - 10, retention_ms=10),
        row(Status.COMPLETED, ended_ms=NOW - 10, retention_ms=11, journal_ms=11),
        row(Status.COMPLETED, ended_ms=NOW - 10, retention_ms=11, journal_ms=10),
        row(Status.COMPLETED, ended_ms=NOW - 10, retention_ms=11, journal_ms=10, entries=0),
        row(Status.SCHEDULED),
    )
    assert expired(store, keys.INVOCATION, NOW) == ([ids[1], ids[3]], None)


def test_a_slice_ends_early_where_the_journals_are_long() -> None:
    """One record that removed 500 journals of 50,000 entries would stop the partition for a minute."""
    store, ids = store_of(*[row(Status.COMPLETED, ended_ms=NOW - 1, entries=2000) for _ in range(7)])
    due, start = expired(store, keys.INVOCATION, NOW)
    assert due == ids[:3]
    assert start == keys.invocation_key(ids[3])


@pytest.mark.parametrize(("count", "slices"), [(0, 1), (499, 1), (500, 1), (501, 2), (1001, 3)])
def test_slices_end_after_500_rows_and_leave_none_out(count: int, slices: int) -> None:
    store, ids = store_of(*[row(Status.COMPLETED, ended_ms=NOW - 1) for _ in range(count)])
    start: bytes | None = keys.INVOCATION
    found: list[bytes] = []
    seen = 0
    while start is not None:
        due, start = expired(store, start, NOW)
        assert len(due) <= 500
        found += due
        seen += 1
    assert (found, seen) == (ids, slices)


def test_the_cleaner_walks_over_all_slices_and_comes_again() -> None:
    async def scenario() -> None:
        store, _ = store_of(*[row(Status.COMPLETED, ended_ms=NOW - 1) for _ in range(1200)])
        proposed: list[Command] = []
        cleaner = Cleaner(store, SimClock(NOW), proposed.append, interval_s=60)
        cleaner.start()
        await asyncio.sleep(59)
        assert not proposed
        await asyncio.sleep(2)
        assert [len(command.invocation_ids) for command in proposed if isinstance(command, CleanUp)] == [500, 500, 200]
        await asyncio.sleep(60)
        assert len(proposed) == 6, "what was not applied is proposed again"
        cleaner.stop()
        await asyncio.sleep(200)
        assert len(proposed) == 6

    simulate(scenario())


def test_a_completed_invocation_is_gone_after_its_retention() -> None:
    async def scenario() -> None:
        node = await Node(SimLog(), cleanup_interval_s=600).follow().leading()
        peer = FakePeer()
        a = new_id()
        node.invoke(peer, invoke(a))
        await until(lambda: node.invoker.started)
        node.leader.propose(reported(node.row(a), a, output(), End()))
        await until(lambda: _status(node, a) is Status.COMPLETED)
        await asyncio.sleep(HOUR_MS / 1000 - 10)
        assert node.row(a) is not None
        await until(lambda: node.row(a) is None, seconds=620)
        assert not list(node.store.scan(b"\x00", keys.META))

    simulate(scenario(), seconds_max=10_000)


def _status(node: Node, invocation_id: bytes) -> Status | None:
    row = node.row(invocation_id)
    return None if row is None else row.status


def test_a_store_that_cannot_be_read_is_not_passed_over_in_silence() -> None:
    """A cleaner that died quietly would let the store grow for ever."""

    class Broken(MemoryStore):
        def scan(self, start: bytes, end: bytes):  # type: ignore[no-untyped-def]
            raise CorruptionError("a block is damaged")

    async def scenario() -> None:
        cleaner = Cleaner(Broken(), SimClock(NOW), lambda _: None, interval_s=1)
        cleaner.start()
        await asyncio.sleep(5)
        loop = asyncio.get_running_loop()
        assert isinstance(loop, SimLoop)
        assert [type(error) for error in loop.failures] == [CorruptionError]
        loop.failures.clear()

    simulate(scenario())
