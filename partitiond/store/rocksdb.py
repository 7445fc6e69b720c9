"""A partition's rows in RocksDB. Owns: the directory `<data>/partitions/<id>/store`.

Rules that always hold:
- a commit is one write batch: its rows and the partition's own row, with the applied LSN, or none of them;
- everything is in the one default column family: sqld's secondary has been seen to read a batch torn across two;
- writes are not synced: the log brings back what a power loss takes. `checkpoint` makes them durable.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TypeVar

import msgspec
from rocksdict import DBCompressionType, Options, Rdict, WriteBatch, WriteOptions

from shared import bounded_scan
from shared.errors import ConfigError, CorruptionError
from shared.storage import keys, values
from shared.storage.values import STORE_FORMAT, PartitionMeta

__all__ = ["RocksStore"]

_Row = TypeVar("_Row")
_MEMTABLE_BYTES = 16 * 1024 * 1024


def _options() -> Options:
    options = Options(raw_mode=True)
    options.create_if_missing(True)
    options.set_write_buffer_size(_MEMTABLE_BYTES)
    options.set_max_write_buffer_number(3)
    options.set_level_zero_file_num_compaction_trigger(4)
    options.set_compression_type(DBCompressionType.lz4())
    options.set_keep_log_file_num(2)
    options.set_max_log_file_size(1024 * 1024)
    options.set_stats_dump_period_sec(0)
    # The list of what happened to its tables; begun anew when it is longer, by default at 1 GB.
    options.set_max_manifest_file_size(4 * 1024 * 1024)
    return options


class RocksStore:
    """The `Tables` port on disk, with commit and checkpoint."""

    def __init__(self, path: Path) -> None:
        path.mkdir(parents=True, exist_ok=True)
        self._path = path
        self._db = Rdict(str(path), _options())
        self._write_options = WriteOptions()
        self._get = self._db.get
        self._check_format()

    def _check_format(self) -> None:
        try:
            meta = self.meta()
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            self._db.close()
            raise CorruptionError(f"{self._path}: unreadable partition row: {error}; restore the store") from error
        if meta is not None and meta.format > STORE_FORMAT:
            self._db.close()
            raise ConfigError(
                f"{self._path} has store format {meta.format}; this build reads up to {STORE_FORMAT}: use a newer build"
            )

    def meta(self) -> PartitionMeta | None:
        """What the partition knows of itself; None for a fresh store."""
        stored = self.get(keys.META_KEY)
        return None if stored is None else values.decode_meta(stored)

    def get(self, key: bytes) -> bytes | None:
        """See `machine.tables.Tables`."""
        value: bytes | None = self._get(key)
        return value

    def scan(self, start: bytes, end: bytes) -> Iterator[tuple[bytes, bytes]]:
        """See `machine.tables.Tables`. Rows are as of this call. Raises CorruptionError for a block that is damaged."""
        return self._reading(bounded_scan.scan(self._db, start, end))

    def scan_keys(self, start: bytes, end: bytes) -> Iterator[bytes]:
        """See `machine.tables.Tables`."""
        return self._reading(bounded_scan.scan_keys(self._db, start, end))

    def _reading(self, rows: Iterator[_Row]) -> Iterator[_Row]:
        try:
            yield from rows
        except AssertionError:
            raise
        except Exception as error:
            raise CorruptionError(f"{self._path}: scan failed: {error}") from error

    def commit(self, writes: Mapping[bytes, bytes | None]) -> None:
        """Store all writes atomically. None deletes."""
        batch = WriteBatch(raw_mode=True)
        put, delete = batch.put, batch.delete
        for key, value in writes.items():
            if value is None:
                delete(key)
            else:
                put(key, value)
        self._db.write(batch, self._write_options)

    def checkpoint(self) -> None:
        """Make all that was committed before this call durable. Blocks for long: call it in a thread."""
        self._db.flush(True)

    def digest(self) -> str:
        """SHA-256 over all rows in order: equal stores have equal digests."""
        digest = hashlib.sha256()
        for key, value in self.scan(b"\x00", b"\xff" * 64):
            digest.update(len(key).to_bytes(4, "big") + key + len(value).to_bytes(4, "big") + value)
        return digest.hexdigest()

    def close(self) -> None:
        """Release the directory."""
        with contextlib.suppress(AttributeError):
            del self._get
        self._db.close()
