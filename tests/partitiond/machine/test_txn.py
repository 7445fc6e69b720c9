"""What a transaction reads: its own writes over the stored rows."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from partitiond.machine.apply import initial_meta
from partitiond.machine.txn import Txn
from partitiond.store.memory import MemoryStore

STORED = {b"b": b"1", b"d": b"2", b"f": b"3", b"h": b"4"}


class Counting(MemoryStore):
    """Knows how many rows were read of its scans."""

    read = 0

    def scan(self, start: bytes, end: bytes) -> Iterator[tuple[bytes, bytes]]:
        for row in super().scan(start, end):
            self.read += 1
            yield row


@pytest.fixture
def store() -> Counting:
    store = Counting()
    store.commit(dict(STORED))
    return store


def begun(store: MemoryStore) -> Txn:
    return Txn(store, initial_meta(0, 0, (1 << 64) - 1))


@pytest.mark.parametrize(
    ("own", "rows"),
    [
        ({}, b"bdfh"),
        ({b"c": b"x"}, b"bcdfh"),
        ({b"a": b"x", b"i": b"x"}, b"abdfhi"),
        ({b"d": None, b"h": None}, b"bf"),
        ({b"b": None, b"d": None, b"f": None, b"h": None}, b""),
        ({b"e": None, b"g": b"x"}, b"bdfgh"),
    ],
)
def test_a_scan_shows_own_rows_among_the_stored_ones(
    store: Counting, own: dict[bytes, bytes | None], rows: bytes
) -> None:
    txn = begun(store)
    for key, value in own.items():
        if value is None:
            txn.delete(key)
        else:
            txn.put(key, value)
    wanted = {key: value for key, value in (STORED | own).items() if value is not None}
    assert list(txn.scan(b"a", b"z")) == sorted(wanted.items())
    assert b"".join(key for key, _ in txn.scan(b"a", b"z")) == rows
    assert list(txn.scan(b"c", b"f")) == [row for row in sorted(wanted.items()) if b"c" <= row[0] < b"f"]


def test_changes_while_it_goes_on_are_not_seen(store: Counting) -> None:
    txn = begun(store)
    txn.put(b"c", b"own")
    seen = []
    for key, value in txn.scan(b"a", b"z"):
        seen.append((key, value))
        txn.put(b"g", b"late")
        txn.put(b"f", b"late")
        txn.delete(b"h")
    assert seen == sorted((STORED | {b"c": b"own"}).items())


def test_rows_are_read_one_by_one(store: Counting) -> None:
    """They may be the answers of a thousand calls: all of them at once would not fit into memory."""
    txn = begun(store)
    txn.put(b"z", b"own")
    rows = txn.scan(b"a", b"zz")
    next(rows)
    assert store.read == 1
