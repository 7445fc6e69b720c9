"""Who may run is known without a look at all that ever ran."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from partitiond.leader import recovery
from partitiond.machine import invariants
from partitiond.machine.apply import apply, initial_meta
from partitiond.machine.running import FRESH_MAX, running_ids
from partitiond.machine.txn import Txn
from partitiond.store.memory import MemoryStore
from shared.protocol.message_types import MessageType
from shared.storage import keys, values
from shared.wal.batch import decode_batch
from shared.wal.commands import End, Entry, Suspend
from tests.partitiond.machine.fixtures import ALL_KEYS, Machine, invoke, new_id, replay

MANY = FRESH_MAX + 10


class CountingStore(MemoryStore):
    """Counts the rows that are read."""

    def __init__(self) -> None:
        super().__init__()
        self.rows_read = 0

    def get(self, key: bytes) -> bytes | None:
        self.rows_read += 1
        return super().get(key)

    def scan(self, start: bytes, end: bytes) -> Iterator[tuple[bytes, bytes]]:
        for row in super().scan(start, end):
            self.rows_read += 1
            yield row

    def scan_keys(self, start: bytes, end: bytes) -> Iterator[bytes]:
        for key in super().scan_keys(start, end):
            self.rows_read += 1
            yield key


def run_to_the_end(machine: Machine, invocation_id: bytes) -> None:
    machine.report(invocation_id, Entry(MessageType.OUTPUT, b""), End())


def listed_rows(machine: Machine) -> list[bytes]:
    return list(machine.store.scan_keys(keys.RUNNING, keys.prefix_end(keys.RUNNING)))


def test_an_invocation_that_is_over_soon_has_no_row_of_its_own() -> None:
    machine = Machine()
    ids = [new_id() for _ in range(FRESH_MAX)]
    machine.apply(*[invoke(each) for each in ids])
    assert machine.meta.fresh == ids
    assert not listed_rows(machine)
    for each in ids:
        run_to_the_end(machine, each)
    assert machine.meta.fresh == []
    assert list(running_ids(machine.store)) == []


def test_of_many_that_run_the_older_ones_have_rows_which_go_with_them() -> None:
    machine = Machine()
    ids = [new_id() for _ in range(MANY)]
    for each in ids:
        machine.apply(invoke(each))
    assert machine.meta.fresh == ids[10:]
    assert listed_rows(machine) == [keys.running_key(each) for each in ids[:10]]
    machine.report(ids[0], Suspend([], [17], []))
    run_to_the_end(machine, ids[1])
    assert listed_rows(machine) == [keys.running_key(each) for each in ids[2:10]]
    assert sorted(running_ids(machine.store)) == sorted(ids[2:])


def test_the_same_rows_are_left_whichever_batches_are_stored_together() -> None:
    """A leader that is busy stores many batches at once, its replica one by one."""
    machine = Machine()
    ids = [new_id() for _ in range(MANY)]
    machine.apply(*[invoke(each) for each in ids[:-1]])
    run_to_the_end(machine, ids[-2])
    machine.apply(invoke(ids[-1]))
    run_to_the_end(machine, ids[3])
    together, meta = MemoryStore(), initial_meta(0, *ALL_KEYS)
    txn = Txn(together, meta)
    for lsn, payload in machine.log:
        apply(txn, lsn, decode_batch(payload), [])
    together.commit(txn.finish())
    assert together.digest() == replay(machine.log).digest() == machine.store.digest()


@pytest.mark.parametrize("with_others", [False, True])
def test_a_store_of_an_older_build_learns_it_from_the_next_announcement(with_others: bool) -> None:
    """The older build wrote the partition's row without the field, and left rows that a newer one had made before."""
    machine = Machine()
    ids = [new_id() for _ in range(3)]
    for each in ids:
        machine.apply(invoke(each))
    run_to_the_end(machine, ids[1])
    machine.meta.fresh = None
    machine.store.commit({keys.META_KEY: values.encode(machine.meta), keys.running_key(ids[1]): b""})
    if with_others:
        ids.append(new_id())
        machine.apply(invoke(ids[3]))
        assert machine.meta.fresh is None
    machine.announce(b"leader-2")
    assert machine.meta.fresh == []
    assert sorted(running_ids(machine.store)) == sorted({*ids} - {ids[1]})
    assert not invariants.check(machine.store)
    # From here on it is as if this build had written it all along.
    assert machine.store.digest() == replay(machine.log).digest()


def test_recovery_reads_those_that_run_and_not_those_that_ended() -> None:
    machine = Machine()
    machine.store = store = CountingStore()
    machine.meta = initial_meta(0, *ALL_KEYS)
    machine.announce()
    ended = [new_id() for _ in range(300)]
    for each in ended:
        txn = Txn(store, machine.meta)
        txn.put_invocation(each, completed(machine))
        store.commit(txn.finish())
    ids = [new_id() for _ in range(3)]
    machine.apply(*[invoke(each) for each in ids])
    store.rows_read = 0
    assert [invocation_id for invocation_id, _ in recovery.invoked(store)] == ids
    assert store.rows_read <= 3 + 2


def completed(machine: Machine) -> values.InvocationRow:
    """As it is kept: with its result, and without a journal."""
    row = values.InvocationRow(
        values.Status.COMPLETED, invoke(b"").target, 1, 0, 0, machine.now_ms, machine.now_ms, 1000, 0
    )
    row.result = b""
    return row
