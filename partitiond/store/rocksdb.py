"""A partition's rows in RocksDB. Owns: the directory `<data>/partitions/<id>/store`.

Rules that always hold:
- a commit is one write batch: its rows and the partition's own row, with the applied LSN, or none of them;
- everything is in the one default column family: sqld's secondary has been seen to read a batch torn across two;
- writes are not synced: the log brings back what a power loss takes. `checkpoint` makes them durable;
- who finds that stored bytes are not what was written leaves a note beside the directory, and ends: at the next start
  the store is put aside and made anew (`rebuild`).
- what is kept of tables in memory, their indexes too, is in one cache for all stores of a process: it does not grow
  with what is stored. So does not the number of open files.
"""

from __future__ import annotations

import contextlib
import functools
import logging
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TypeVar

import msgspec
from rocksdict import (
    BlockBasedIndexType,
    BlockBasedOptions,
    Cache,
    DBCompressionType,
    Options,
    Rdict,
    WriteBatch,
    WriteOptions,
)

from shared import bounded_scan
from shared.errors import CorruptionError, EverlogError, FormatError, store_error
from shared.formats import check_format
from shared.storage import keys, values
from shared.storage.digest import rows_digest
from shared.storage.values import STORE_FORMAT, PartitionMeta
from shared.wal_guard import mend_unsynced, open_error, sync_folders

__all__ = ["RocksStore", "damage_note", "note_damage"]

_log = logging.getLogger(__name__)
_Row = TypeVar("_Row")
_MEMTABLE_BYTES = 16 * 1024 * 1024
_CACHE_BYTES = 32 * 1024 * 1024
#: Of a key: one in a hundred that are not there is read in vain.
_FILTER_BITS = 10
#: Rows of invocations that run, and were written last, are kept in memory too: they are read with each thing that the
#: invocation does, and a look into a full memtable costs more than all else that is done with a row. Not large ones.
_RECENT_MAX = 2048
_RECENT_BYTES_MAX = 2048
#: Of one store: tables of 64 MB, so that up to 16 GB nothing is opened twice.
_OPEN_FILES_MAX = 256


@functools.cache
def _block_cache() -> Cache:
    return Cache(_CACHE_BYTES)


def _options(files_max: int) -> Options:
    options = Options(raw_mode=True)
    options.create_if_missing(True)
    options.set_write_buffer_size(_MEMTABLE_BYTES)
    options.set_max_write_buffer_number(3)
    # Each time it is reached, all of the next level is written again. With twice RocksDB's number that is half as
    # often: 15 % less CPU for a plain call's rows. A look for a key that is not there does not notice.
    options.set_level_zero_file_num_compaction_trigger(8)
    options.set_compression_type(DBCompressionType.lz4())
    options.set_keep_log_file_num(2)
    options.set_max_log_file_size(1024 * 1024)
    options.set_stats_dump_period_sec(0)
    options.set_max_open_files(_OPEN_FILES_MAX if files_max < 0 else min(files_max, _OPEN_FILES_MAX))
    # An open would read properties of every table, to be cleverer about what it compacts first.
    options.set_skip_stats_update_on_db_open(True)
    tables = BlockBasedOptions()
    tables.set_block_cache(_block_cache())
    tables.set_cache_index_and_filter_blocks(True)
    tables.set_pin_l0_filter_and_index_blocks_in_cache(True)
    # In small blocks: one of half a megabyte or more would not fit its shard of the cache, and be read at each get.
    tables.set_index_type(BlockBasedIndexType.two_level_index_search())
    tables.set_pin_top_level_index_and_filter(True)
    # Each new invocation is looked for first: a filter says that it is not there without a read of the disk.
    tables.set_bloom_filter(_FILTER_BITS, False)
    tables.set_partition_filters(True)
    options.set_block_based_table_factory(tables)
    # The list of what happened to its tables; begun anew when it is longer, by default at 1 GB.
    options.set_max_manifest_file_size(4 * 1024 * 1024)
    return options


def damage_note(path: Path) -> Path:
    """The file beside a store that says how it is damaged."""
    return path.with_name(f"{path.name}.damage")


def note_damage(path: Path, text: str) -> None:
    """For the next start. A disk that takes no note either brings the same error again."""
    with contextlib.suppress(OSError):
        damage_note(path).write_text(f"{text}\n")


class RocksStore:
    """The `Tables` port on disk, with commit and checkpoint."""

    def __init__(self, path: Path, *, files_max: int = -1) -> None:
        """Open or create, with so many files open at once (-1: as many as it likes).

        Raises ConfigError for a newer format, CorruptionError, and StoreError when it cannot be had.
        """
        self._path = path
        fresh = not (path / "CURRENT").exists()
        try:
            path.mkdir(parents=True, exist_ok=True)
            mend_unsynced(path)
            options = _options(files_max)
            # Named, for rocksdict opens a column family that exists with the options that it was made with.
            self._db = Rdict(str(path), options, column_families={"default": options})
            if fresh:
                # A checkpoint lets the log be trimmed: the way to its files must be as durable as they are.
                sync_folders(path, up_to=path.parents[2] if len(path.parents) > 2 else path.parent)
        except Exception as error:
            raise open_error(f"cannot open the store at {path}", path, error) from error
        self._recent: dict[bytes, bytes] = {}
        self._write_options = WriteOptions()
        self._get = self._db.get
        self._check_format()

    def _check_format(self) -> None:
        try:
            meta = self.meta()
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            self._db.close()
            raise CorruptionError(f"{self._path}: unreadable partition row: {error}; restore the store") from error
        if meta is None or meta.format == STORE_FORMAT:
            return
        try:
            check_format(f"the store {self._path}", meta.format, newest=STORE_FORMAT)
        except FormatError:
            self._db.close()
            raise
        # Before any row that an older build could not read. Not with the next commit: until then the digest would
        # differ from that of a replay.
        meta.format = STORE_FORMAT
        self.commit({keys.META_KEY: values.encode(meta)})

    def meta(self) -> PartitionMeta | None:
        """What the partition knows of itself; None for a fresh store."""
        stored = self.get(keys.META_KEY)
        return None if stored is None else values.decode_meta(stored)

    def get(self, key: bytes) -> bytes | None:
        """See `machine.tables.Tables`."""
        recent = self._recent.get(key)
        if recent is not None:
            return recent
        try:
            value: bytes | None = self._get(key)
        except Exception as error:
            raise self._failed("cannot read", error) from error
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
            raise self._failed("cannot read", error) from error

    def _failed(self, what: str, error: Exception) -> EverlogError:
        """What the operator is told. Damage is noted for the next start, which puts the store aside."""
        found = store_error(f"{what} the store at {self._path}", error)
        if isinstance(found, CorruptionError):
            note_damage(self._path, str(found))
        return found

    def commit(self, writes: Mapping[bytes, bytes | None]) -> None:
        """Store all writes atomically. None deletes."""
        batch = WriteBatch(raw_mode=True)
        put, delete = batch.put, batch.delete
        recent = self._recent
        for key, value in writes.items():
            if value is None:
                delete(key)
                recent.pop(key, None)
            else:
                put(key, value)
                if key.startswith(keys.INVOCATION):
                    if len(value) <= _RECENT_BYTES_MAX and values.is_invoked(value):
                        recent[key] = value
                    else:
                        recent.pop(key, None)
        try:
            self._db.write(batch, self._write_options)
        except Exception as error:
            recent.clear()
            raise self._failed("cannot write", error) from error
        while len(recent) > _RECENT_MAX:
            del recent[next(iter(recent))]

    def checkpoint(self) -> None:
        """Make all that was committed before this call durable. Blocks for long: call it in a thread."""
        try:
            self._db.flush(True)
        except Exception as error:
            raise self._failed("cannot flush", error) from error

    def digest(self) -> str:
        """SHA-256 over all rows in order: equal stores have equal digests."""
        return rows_digest(self.scan(b"\x00", b"\xff" * 64))

    def close(self) -> None:
        """Release the directory."""
        with contextlib.suppress(AttributeError):
            del self._get
        try:
            self._db.close()
        except Exception as error:
            # It tells of what a compaction met in the background. Nothing is lost by it: the log has all.
            _log.error("%s", self._failed("cannot close", error))
