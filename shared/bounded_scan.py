"""Iterators over a range of a RocksDB that cannot leave it. Reads only; owns nothing.

rocksdict keeps only a pointer to the upper bound, which lives in the ReadOptions: an iterator whose options have
been garbage-collected reads on beyond its range, into rows of something else. Here they live as long as the
iterator, and each key is compared with the bound once more. (Its lower bound is unusable: it sets the upper one.)
"""

from __future__ import annotations

from collections.abc import Iterator

from rocksdict import Rdict, ReadOptions

__all__ = ["scan", "scan_back", "scan_keys"]


def scan(db: Rdict, start: bytes, end: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Rows with start <= key < end in key order, as of this call. What RocksDB cannot read raises its error."""
    options = ReadOptions()
    options.set_iterate_upper_bound(end)
    iterator = db.iter(options)
    iterator.seek(start)

    def rows(options: ReadOptions) -> Iterator[tuple[bytes, bytes]]:
        while iterator.valid():
            key: bytes = iterator.key()
            assert start <= key < end
            yield key, iterator.value()
            iterator.next()
        # An iterator that met an error just ends; only its status tells.
        iterator.status()

    return rows(options)


def scan_keys(db: Rdict, start: bytes, end: bytes) -> Iterator[bytes]:
    """The keys of the same rows: the values are not copied out of RocksDB."""
    options = ReadOptions()
    options.set_iterate_upper_bound(end)
    iterator = db.iter(options)
    iterator.seek(start)

    def rows(options: ReadOptions) -> Iterator[bytes]:
        while iterator.valid():
            key: bytes = iterator.key()
            assert start <= key < end
            yield key
            iterator.next()
        iterator.status()

    return rows(options)


def scan_back(db: Rdict, start: bytes, end: bytes) -> Iterator[tuple[bytes, bytes]]:
    """The same rows from the last to the first."""
    options = ReadOptions()
    options.set_iterate_upper_bound(end)
    iterator = db.iter(options)
    iterator.seek_to_last()

    def rows(options: ReadOptions) -> Iterator[tuple[bytes, bytes]]:
        while iterator.valid():
            key: bytes = iterator.key()
            if key < start:
                break
            assert key < end
            yield key, iterator.value()
            iterator.prev()
        iterator.status()

    return rows(options)
