"""What a store must do, held against the one on disk and the one in memory."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from partitiond.store.memory import MemoryStore
from partitiond.store.rocksdb import RocksStore
from shared.storage import keys
from shared.storage.values import STORE_FORMAT, PartitionMeta, encode

Store = MemoryStore | RocksStore
MAKERS: dict[str, Callable[[Path], Store]] = {
    "rocksdb": lambda path: RocksStore(path / "store"),
    "memory": lambda _: MemoryStore(),
}
META = PartitionMeta(STORE_FORMAT, 3, 0, 9, 17, 5, 4, b"leader", 2, 1)
ROWS: dict[bytes, bytes | None] = {b"\x01a": b"1", b"\x01b": b"2", b"\x01bb": b"3", b"\x02": b"4", b"\x02\xff": b""}


@pytest.fixture(params=list(MAKERS))
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    made = MAKERS[request.param](tmp_path)
    yield made
    made.close()


def scan(store: Store, start: bytes, end: bytes) -> list[tuple[bytes, bytes]]:
    return list(store.scan(start, end))


def test_a_fresh_store_holds_nothing(store: Store) -> None:
    assert store.meta() is None
    assert store.get(b"\x01a") is None
    assert scan(store, b"\x00", b"\xff") == []


def test_what_was_committed_is_read(store: Store) -> None:
    store.commit({**ROWS, keys.META_KEY: encode(META)})
    assert [store.get(key) for key in ROWS] == list(ROWS.values())
    assert store.get(b"\x01") is None
    assert store.meta() == META


@pytest.mark.parametrize(
    ("start", "end", "found"),
    [
        (b"\x00", b"\xff", list(ROWS)),
        (b"\x01a", b"\x01b", [b"\x01a"]),
        (b"\x01a", b"\x01a", []),
        (b"\x01b", b"\x01a", []),
        (b"\x01a\x00", b"\x02", [b"\x01b", b"\x01bb"]),
        (b"\x01b", b"\x01c", [b"\x01b", b"\x01bb"]),
        (b"\x02", b"\x02\x00", [b"\x02"]),
        (b"\x02", b"\x03", [b"\x02", b"\x02\xff"]),
        (b"\x03", b"\xff", []),
    ],
)
def test_a_scan_takes_its_first_key_and_not_its_end(store: Store, start: bytes, end: bytes, found: list[bytes]) -> None:
    store.commit(ROWS)
    assert scan(store, start, end) == [(key, ROWS[key]) for key in found]
    assert list(store.scan_keys(start, end)) == found


def test_deleted_rows_are_gone_and_deleting_nothing_is_fine(store: Store) -> None:
    store.commit(ROWS)
    store.commit({b"\x01b": None, b"\x05": None})
    assert store.get(b"\x01b") is None
    assert [key for key, _ in scan(store, b"\x01", b"\x02")] == [b"\x01a", b"\x01bb"]
    store.commit({b"\x01b": b"again"})
    assert store.get(b"\x01b") == b"again"


def test_a_value_is_replaced_and_an_empty_one_is_a_value(store: Store) -> None:
    store.commit({b"\x01a": b"1"})
    store.commit({b"\x01a": b""})
    assert store.get(b"\x01a") == b""
    assert scan(store, b"\x01", b"\x02") == [(b"\x01a", b"")]


def test_a_scan_sees_the_rows_as_they_were_when_it_began(store: Store) -> None:
    """The cleaner pauses between rows while batches are committed."""
    store.commit(ROWS)
    begun = store.scan(b"\x01", b"\x02")
    store.commit({b"\x01a": None, b"\x01b": b"changed", b"\x01c": b"new"})
    assert list(begun) == [(b"\x01a", b"1"), (b"\x01b", b"2"), (b"\x01bb", b"3")]
    assert next(store.scan(b"\x01", b"\x02")) == (b"\x01b", b"changed")


def test_reading_goes_on_after_a_checkpoint(store: Store) -> None:
    store.commit(ROWS)
    store.checkpoint()
    store.commit({b"\x01a": None})
    store.checkpoint()
    assert store.get(b"\x01a") is None
    assert store.get(b"\x01b") == b"2"


def test_equal_rows_have_equal_digests_however_they_came(tmp_path: Path) -> None:
    """A random history on both; at each step they hold the same and say so."""
    chooser = random.Random(7)
    stores = [make(tmp_path) for make in MAKERS.values()]
    model: dict[bytes, bytes] = {}
    for step in range(60):
        writes: dict[bytes, bytes | None] = {}
        for _ in range(chooser.randrange(1, 8)):
            key = bytes([chooser.choice((1, 2, 0x30))]) + chooser.randbytes(chooser.randrange(3))
            writes[key] = None if chooser.random() < 0.3 else chooser.randbytes(chooser.randrange(20))
        for store in stores:
            store.commit(writes)
            if step % 20 == 19:
                store.checkpoint()
        for key, value in writes.items():
            if value is None:
                model.pop(key, None)
            else:
                model[key] = value
        assert len({store.digest() for store in stores}) == 1
    for store in stores:
        assert scan(store, b"\x00", b"\xff") == sorted(model.items())
        before = store.digest()
        store.commit({b"\x01digest": b"x"})
        assert store.digest() != before
        store.close()


def test_the_digest_tells_where_a_key_ends(store: Store) -> None:
    store.commit({b"\x01ab": b"c"})
    before = store.digest()
    store.commit({b"\x01ab": None, b"\x01a": b"bc"})
    assert store.digest() != before
