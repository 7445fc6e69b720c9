"""A scan never leaves its range, however memory is used meanwhile."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from pathlib import Path

import pytest
from rocksdict import Options, Rdict

from shared.bounded_scan import scan, scan_back


@pytest.fixture
def db(tmp_path: Path) -> Iterator[Rdict]:
    db = Rdict(str(tmp_path / "db"), Options(raw_mode=True))
    for number in range(200):
        db[b"k%03d" % number + b"x" * 40] = b"v"
    yield db
    db.close()


def _disturb() -> list[bytes]:
    """Takes the memory that was just given back, and fills it."""
    gc.collect()
    return [b"\xff" * size for size in (30, 34, 38, 64) for _ in range(500)]


@pytest.mark.parametrize("attempt", range(20))
def test_the_bound_holds_after_whoever_set_it_is_gone(db: Rdict, attempt: int) -> None:
    """The bound is only a pointer for RocksDB: once its memory was used again, scans ran on into other tables."""
    forward = scan(db, b"k005", b"k%03d" % 10 + b"x" * 30)
    backward = scan_back(db, b"k005", b"k%03d" % 10 + b"x" * 30)
    kept = _disturb()
    assert [key[:4] for key, _ in forward] == [b"k%03d" % number for number in range(5, 10)]
    assert [key[:4] for key, _ in backward] == [b"k%03d" % number for number in range(9, 4, -1)]
    assert kept


def test_a_scan_is_as_of_its_call(db: Rdict) -> None:
    rows = scan(db, b"k000", b"k002")
    db[b"k001y"] = b"later"
    assert [key[:4] for key, _ in rows] == [b"k000", b"k001"]
