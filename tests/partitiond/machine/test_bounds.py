"""One record never does without limit what rows of the store could ask for."""

from __future__ import annotations

from partitiond.machine.txn import Txn
from shared.protocol.message_types import MessageType
from shared.storage import keys
from shared.storage.values import Status
from shared.wal.commands import Entry, FireTimers, Suspend, Terminate, TerminateMode
from tests.partitiond.machine.fixtures import COUNTER, GREETER, Machine, call, invoke, new_id, run, set_state, sleep


def test_timers_fire_in_portions_in_order_of_time() -> None:
    machine = Machine()
    ids = [new_id() for _ in range(5)]
    for number, invocation_id in enumerate(ids):
        machine.apply(invoke(invocation_id))
        machine.report(invocation_id, sleep(machine.now_ms + 5 - number, 1), Suspend([1], [], []))
    until_ms = machine.now_ms + 10
    machine.apply(FireTimers(until_ms, 2))
    assert [machine.row(each).status for each in ids] == [Status.SUSPENDED] * 3 + [Status.INVOKED] * 2
    machine.apply(FireTimers(until_ms, 2))
    assert [machine.row(each).status for each in ids] == [Status.SUSPENDED] + [Status.INVOKED] * 4
    machine.apply(FireTimers(until_ms))
    assert machine.row(ids[0]).status is Status.INVOKED


def test_keys_are_scanned_as_rows_are_without_their_values() -> None:
    machine = Machine()
    machine.store.commit({b"\x04a": b"1", b"\x04b": b"2", b"\x04d": b"4"})
    txn = Txn(machine.store, machine.meta)
    assert list(txn.scan_keys(keys.STATE)) == [b"\x04a", b"\x04b", b"\x04d"]
    txn.put(b"\x04c", b"3")
    txn.put(b"\x04d", b"5")
    txn.delete(b"\x04a")
    txn.delete(b"\x04x")
    assert list(txn.scan_keys(keys.STATE)) == [key for key, _ in txn.scan_prefix(keys.STATE)]
    assert list(txn.scan_keys(keys.STATE)) == [b"\x04b", b"\x04c", b"\x04d"]


def test_clear_all_forgets_what_the_same_record_set() -> None:
    machine = Machine()
    a = new_id(COUNTER)
    machine.apply(invoke(a, COUNTER))
    machine.report(a, set_state(b"old", b"1"))
    clear = Entry(MessageType.CLEAR_ALL_STATE, b"")
    machine.report(a, set_state(b"new", b"2"), clear, set_state(b"newest", b"3"))
    assert [key[-6:] for key, _ in machine.store.scan(keys.STATE, keys.LOCK)] == [b"newest"]


def test_a_kill_finds_the_callees_among_many_other_entries() -> None:
    """Rows without a callee are not decoded."""
    machine = Machine()
    caller, callee = new_id(place=1), new_id(place=1)
    machine.apply(invoke(caller))
    machine.report(caller, run(1), run(2))
    machine.report(caller, call(caller, GREETER, invoke(callee), id_completion=3, completion=4))
    machine.report(caller, run(5))
    assert machine.row(callee).status is Status.INVOKED
    machine.apply(Terminate(caller, TerminateMode.KILL))
    assert machine.row(callee).status is Status.COMPLETED
