"""A fault before each checker: one that cannot fail proves nothing."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from partitiond.machine.apply import apply, initial_meta
from partitiond.machine.txn import Txn
from shared.catalog.partitions import even_partitions
from shared.protocol.input import encode_input
from shared.storage import keys, values
from shared.storage.values import LockRow
from shared.wal.batch import Batch, decode_batch, encode_batch
from shared.wal.commands import AnnounceLeader, Command, HandlerKind, Invoke, Target
from tests.simulation import checkers
from tests.simulation.checkers import PROPERTIES, BrokenError
from tests.simulation.disks import DigestedStore
from tests.simulation.linearizable import Call
from tests.simulation.record import Record

#: Property -> (all is well, and what is not).
CASES: dict[str, tuple[Callable[[], str | None], list[Callable[[], str | None]]]] = {
    "log.agreement": (
        lambda: checkers.every_record_agreed({2: b"a", 3: b"b"}, 3, b"b"),
        [
            lambda: checkers.every_record_agreed({2: b"a", 3: b"b"}, 3, b"c"),
            lambda: checkers.every_record_agreed({2: b"a", 5: b"b"}, 4, b"c"),
        ],
    ),
    "log.quorum": (
        lambda: checkers.on_a_quorum([b"a", None, b"a"], b"a"),
        [
            lambda: checkers.on_a_quorum([b"a", None, None], b"a"),
            lambda: checkers.on_a_quorum([b"a", b"b", None], b"a"),
            lambda: checkers.on_a_quorum([None], b"a"),
        ],
    ),
    "log.trim": (
        lambda: checkers.trim_is_covered(5, {"a": 5, "b": 9}),
        [lambda: checkers.trim_is_covered(6, {"a": 5, "b": 9})],
    ),
    "timer.early": (
        lambda: checkers.timer_not_early(10, [3, 10]),
        [lambda: checkers.timer_not_early(10, [3, 9])],
    ),
    "send.once": (
        lambda: checkers.sent_once(["a/0", "a/1"], ["a/1"], doubtful=["a/0"]),
        [
            lambda: checkers.sent_once(["a/0"], ["a/0", "a/0"]),
            lambda: checkers.sent_once(["a/0", "a/1"], ["a/1"]),
            lambda: checkers.sent_once([], ["a/0"]),
        ],
    ),
    "send.fifo": (
        lambda: checkers.fifo_of_sends(["a/0", "b/0", "a/2", "b/1"]),
        [lambda: checkers.fifo_of_sends(["a/0", "a/2", "b/0", "a/1"]), lambda: checkers.fifo_of_sends(["a/0", "a/0"])],
    ),
    "step.once": (
        lambda: checkers.steps_stored_once([("s", "t0"), ("s", "t1")], {"s": "t1"}),
        [lambda: checkers.steps_stored_once([("s", "t0"), ("s", "t1")], {"s": "t0"})],
    ),
    "reply.once": (lambda: checkers.each_reply_once({1: 1}), [lambda: checkers.each_reply_once({1: 1, 2: 2})]),
    "reply.lost": (
        lambda: checkers.reply_is_what_is_stored(b"1", b"1"),
        [lambda: checkers.reply_is_what_is_stored(b"1", b"2"), lambda: checkers.reply_is_what_is_stored(b"1", None)],
    ),
    "result.one": (
        lambda: checkers.one_result_for_all({"a": [b"1", b"1"], "b": [b"2"]}),
        [lambda: checkers.one_result_for_all({"a": [b"1", b"2"]})],
    ),
    "object.linearizable": (
        lambda: checkers.objects_linearizable({"r": [Call("a", ("add", 1), 0, 1, 1)]}),
        [lambda: checkers.objects_linearizable({"q": [], "r": [Call("a", ("add", 1), 0, 1, 2)]})],
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_a_checker_finds_what_is_planted_and_nothing_else(name: str) -> None:
    well, broken = CASES[name]
    assert well() is None
    for case in broken:
        assert case()


# Those that look at stores.


PARTITION = even_partitions(1)[0]
COUNTER = Target("Counter", "add", "a", HandlerKind.OBJECT_EXCLUSIVE)


def batch(seq: int, *commands: Command) -> bytes:
    return encode_batch(Batch(2 if seq else 0, seq, 1000, list(commands)))


ANNOUNCED = batch(0, AnnounceLeader(b"u" * 16, "a", 0, (1 << 64) - 1))


def invoke(number: int) -> Invoke:
    return Invoke(bytes(8) + number.to_bytes(16, "big"), COUNTER, encode_input([], b""))


def record() -> Record:
    """A log of three batches: one runs, one waits for its object."""
    made = Record([PARTITION])
    for lsn, payload in enumerate((ANNOUNCED, batch(1, invoke(1)), batch(2, invoke(2))), 2):
        made.published(0, lsn, payload, [payload])
    return made


def replica(changed: Callable[[Batch], None] = lambda batch: None) -> DigestedStore:
    """Of that log, with a fault maybe."""
    store = DigestedStore()
    meta = initial_meta(0, PARTITION.start_key, PARTITION.end_key)
    for lsn, payload in record().references[0].batches.items():
        decoded = decode_batch(payload)
        changed(decoded)
        txn = Txn(store, meta)
        apply(txn, lsn, decoded, [])
        store.commit(txn.finish())
    return store


def breaks(name: str, check: Callable[[], None]) -> None:
    with pytest.raises(BrokenError) as caught:
        check()
    assert caught.value.property == name


def test_a_batch_that_only_a_minority_has_is_found() -> None:
    breaks("log.quorum", lambda: record().published(0, 9, batch(3), [batch(3), None, None]))


def test_a_replica_that_differs_in_one_byte_is_found() -> None:
    made, good = record(), replica()
    made.committed(0, 4, good.sum)

    def later(batch: Batch) -> None:
        batch.at_ms += batch.seq == 2

    breaks("replica.digest", lambda: made.committed(0, 4, replica(later).sum))


def test_a_replica_that_applied_a_record_twice_is_found() -> None:
    """With a further place in the inbox."""
    made, store = record(), replica()
    meta = store.meta()
    assert meta is not None
    meta.applied_lsn -= 1
    txn = Txn(store, meta)
    apply(txn, 4, Batch(2, 3, 1000, [invoke(3)]), [])
    store.commit(txn.finish())
    breaks("replica.digest", lambda: made.committed(0, 4, store.sum))


def test_a_replica_behind_the_log_s_end_is_found() -> None:
    breaks("replica.digest", lambda: record().committed(0, 5, 0))


def test_the_digest_follows_each_change_and_nothing_else() -> None:
    store, other = DigestedStore(), DigestedStore()
    store.commit({b"a": b"1", b"b": b"2"})
    other.commit({b"b": b"2", b"c": b"3"})
    assert store.sum != other.sum
    other.commit({b"c": None, b"a": b"1"})
    assert store.sum == other.sum
    store.commit({b"a": b"1", b"x": None})
    assert store.sum == other.sum


def test_two_places_of_an_inbox_that_were_exchanged_are_found() -> None:
    made = record()
    store = made.references[0].store
    assert checkers.machine_invariants(store) is None
    (place,) = [key for key, _ in store.scan(keys.INBOX, keys.PROMISE)]
    store.commit({place: invoke(1).id})
    assert checkers.machine_invariants(store)


def test_a_lock_whose_holder_is_forgotten_is_found() -> None:
    store = record().references[0].store
    assert checkers.nobody_sleeps_for_ever([store]) is None
    (lock,) = [key for key, _ in store.scan(keys.LOCK, keys.INBOX)]
    row = values.decode_lock(store.get(lock) or b"")
    store.commit({lock: values.encode(LockRow(None, row.head, row.tail))})
    assert checkers.nobody_sleeps_for_ever([store])


def test_what_is_left_at_the_end_is_found() -> None:
    assert checkers.nothing_left_over(record().references[0].store)
    assert checkers.nothing_left_over(DigestedStore()) is None


def test_what_is_kept_for_too_long_is_found() -> None:
    assert checkers.forgotten([b"1"], {b"1": "its row"}.get)
    assert checkers.forgotten([b"1"], {b"2": "its row"}.get) is None


def test_every_property_has_a_planted_fault() -> None:
    """Those below look at stores, and have tests of their own; `program` is whatever raises."""
    of_stores = {"replica.digest", "machine.invariants", "machine.wakers", "end.leftovers", "program"}
    assert CASES.keys() | of_stores == PROPERTIES.keys()
