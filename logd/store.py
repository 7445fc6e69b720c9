"""The RocksDB below all groups. Owns: the database in `<data>/log` and its format file.

Rules that always hold:
- what is `put` is readable after `stage` and durable after the `sync` that follows it;
- entries, commit index and trim point of one stage are one RocksDB batch: all of it is there, or nothing;
- a batch is written only when the one before it is synced: so of what a power loss leaves, only the last may be torn;
- after the first error nothing more is written: the process must end.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

from rocksdict import DBCompressionType, DBRecoveryMode, Options, Rdict, WriteBatch, WriteOptions

from shared import bounded_scan
from shared.descriptors import store_files_max
from shared.errors import ConfigError, StoreError, store_error
from shared.formats import check_format
from shared.wal_guard import check_synced, open_error, sync_folders

__all__ = ["STORE_FORMAT", "RocksStore", "Store", "StoreError"]

#: Layout of the directory as a whole. A newer one is refused untouched.
STORE_FORMAT = 1
_FORMAT_FILE = "FORMAT"
_WRITE_BUFFER_BYTES = 32 * 1024 * 1024


class Store(Protocol):
    """What the journals write to. The fake of the tests forgets, in a crash, what was not synced."""

    #: How many syncs were made.
    syncs: int

    @property
    def dirty(self) -> bool:
        """Something was put that is not staged."""

    def put(self, key: bytes, value: bytes) -> None:
        """Write with the next `stage`."""

    def delete_range(self, first: bytes, end: bytes) -> None:
        """Delete the keys from `first` to before `end` with the next `stage`."""

    def stage(self) -> None:
        """Write all that was put, as one batch, not synced yet."""

    def sync(self) -> None:
        """Make all that is staged durable. Called from any thread, one at a time."""

    def put_durable(self, key: bytes, value: bytes) -> None:
        """Write one key, durable on return, ahead of all that waits for `stage`."""

    def get(self, key: bytes) -> bytes | None:
        """A staged value."""

    def scan(self, first: bytes, end: bytes) -> Iterator[tuple[bytes, bytes]]:
        """Staged keys and values from `first` to before `end`."""

    def scan_back(self, first: bytes, end: bytes) -> Iterator[tuple[bytes, bytes]]:
        """The same, last one first."""

    def reclaim(self, first: bytes, end: bytes) -> None:
        """Give the disk space of a deleted range back. Slow; called from any thread."""


class RocksStore:
    """The store on disk."""

    def __init__(self, path: Path) -> None:
        """Open or create. Raises ConfigError for a format of a newer build, StoreError when it cannot be opened."""
        self._path = path
        try:
            _check_format(path)
            self._db = _open(path)
        except Exception as error:
            raise open_error(f"cannot open the log at {path}", path, error) from error
        self._batch = WriteBatch(raw_mode=True)
        self._unsynced = WriteOptions()
        self._unsynced.sync = False
        self.dirty = False
        #: A batch is written, and not yet known to be on disk.
        self._writing = False
        self.syncs = 0

    def put(self, key: bytes, value: bytes) -> None:
        self._batch.put(key, value)
        self.dirty = True

    def delete_range(self, first: bytes, end: bytes) -> None:
        self._batch.delete_range(first, end)
        self.dirty = True

    def stage(self) -> None:
        batch, self._batch, self.dirty = self._batch, WriteBatch(raw_mode=True), False
        self._write(batch)

    def sync(self) -> None:
        # Not `write` with sync=True: rocksdict holds the GIL during that fsync; flush_wal releases it.
        try:
            self._db.flush_wal(True)
        except Exception as error:
            raise store_error(f"cannot sync the log at {self._path}", error) from error
        self._writing = False
        self.syncs += 1

    def put_durable(self, key: bytes, value: bytes) -> None:
        if self._writing:
            self.sync()
        batch = WriteBatch(raw_mode=True)
        batch.put(key, value)
        self._write(batch)
        self.sync()

    def get(self, key: bytes) -> bytes | None:
        try:
            value: bytes | None = self._db.get(key)
        except Exception as error:
            raise store_error(f"cannot read the log at {self._path}", error) from error
        return value

    def scan(self, first: bytes, end: bytes) -> Iterator[tuple[bytes, bytes]]:
        return self._reading(bounded_scan.scan(self._db, first, end))

    def scan_back(self, first: bytes, end: bytes) -> Iterator[tuple[bytes, bytes]]:
        return self._reading(bounded_scan.scan_back(self._db, first, end))

    def _reading(self, rows: Iterator[tuple[bytes, bytes]]) -> Iterator[tuple[bytes, bytes]]:
        try:
            yield from rows
        except AssertionError:
            raise
        except Exception as error:
            raise store_error(f"cannot read the log at {self._path}", error) from error

    def reclaim(self, first: bytes, end: bytes) -> None:
        try:
            self._db.compact_range(first, end)
        except Exception as error:
            raise store_error(f"cannot compact the log at {self._path}", error) from error

    def close(self) -> None:
        """Sync and close. What was put and not staged is written too."""
        if self.dirty:
            self.stage()
        self.sync()
        self._db.close()

    def _write(self, batch: Any) -> None:
        self._writing = True
        try:
            self._db.write(batch, self._unsynced)
        except Exception as error:
            raise store_error(f"cannot write the log at {self._path}", error) from error


def _open(path: Path) -> Rdict:
    """What RocksDB would pass over in silence is found first."""
    check_synced(path)
    try:
        return Rdict(str(path), _options())
    except Exception as error:
        if not str(error).startswith("Corruption"):
            raise
        # Headers are right and a checksum is not. It may still be the torn end of what was never acknowledged.
        check_synced(path, checksums=True)
        return Rdict(str(path), _options())


def _options() -> Any:
    options = Options(raw_mode=True)
    options.create_if_missing(True)
    options.set_write_buffer_size(_WRITE_BUFFER_BYTES)
    # Large values are written again before they are trimmed: to compress them costs less than the kernel takes for
    # their pages.
    options.set_compression_type(DBCompressionType.lz4())
    # Each time it is reached, all that is in the next level is written again: of RocksDB's 4 times 16 MB little was
    # trimmed yet.
    options.set_level_zero_file_num_compaction_trigger(8)
    # The default ends the log in silence at the first record that is damaged, acknowledged or not.
    options.set_wal_recovery_mode(DBRecoveryMode.tolerate_corrupted_tail_records())
    options.set_max_background_jobs(2)
    options.set_max_open_files(store_files_max(1))
    options.set_keep_log_file_num(4)
    # RocksDB's own account of what it does: without a limit it is one file that grows for ever.
    options.set_max_log_file_size(1024 * 1024)
    options.set_stats_dump_period_sec(0)
    # The list of what happened to its tables; begun anew when it is longer, by default at 1 GB.
    options.set_max_manifest_file_size(4 * 1024 * 1024)
    return options


def _check_format(path: Path) -> None:
    """A file and not a key: a database of a newer format must not even be opened, opening writes."""
    file = path / _FORMAT_FILE
    try:
        text = file.read_text(errors="replace").strip()
    except FileNotFoundError:
        if (path / "CURRENT").exists():
            raise ConfigError(f"{file} is missing: restore it from a backup (it holds `{STORE_FORMAT}`)") from None
        path.mkdir(parents=True, exist_ok=True, mode=0o700)
        sync_folders(path.parent)
        temporary = path / (_FORMAT_FILE + ".tmp")
        with temporary.open("w") as out:
            out.write(f"{STORE_FORMAT}\n")
            out.flush()
            os.fsync(out.fileno())
        temporary.rename(file)
        sync_folders(path)
        return
    if not text.isdecimal():
        raise ConfigError(f"{file} is damaged, it says {text!r}: put `{STORE_FORMAT}` into it, or what its backup says")
    if text != str(STORE_FORMAT):
        if not text.isdecimal():
            raise ConfigError(f"{file} is damaged: restore it from a backup (it holds `{STORE_FORMAT}`)")
        check_format(f"the log {path}", int(text), newest=STORE_FORMAT)
