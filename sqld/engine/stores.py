"""The partitions' stores, read beside their owner. Owns: one RocksDB secondary a partition.

Rules that always hold:
- the owner is not disturbed: a secondary only reads its files, and writes its own log under `secondary_path`;
- a snapshot reads through one iterator, so it sees one applied LSN, also after a later `catch_up`; two snapshots of one
  `generation` see the same;
- what is kept of tables in memory is in one cache for all stores of the process;
- a store that does not exist yet is empty; one that was made anew is opened anew. A secondary of a directory that
  was replaced says nothing and shows old rows, so the store's identity is compared at each catch-up.
"""

from __future__ import annotations

import contextlib
import functools
import logging
import os
from collections.abc import Iterator
from pathlib import Path

from rocksdict import AccessType, BlockBasedOptions, Cache, Options, Rdict, RdictIter

from shared.formats import check_format
from shared.storage.keys import META_KEY
from shared.storage.values import STORE_FORMAT, PartitionMeta, decode_meta
from sqld.tables.keyspace import KeyRange, clip

__all__ = ["PartitionStore", "StoreSnapshot"]

_log = logging.getLogger(__name__)
#: A flush or compaction that ends in the midst of each of so many is not met: they are seconds apart.
_CATCH_UPS_MAX = 8
_CACHE_BYTES = 32 * 1024 * 1024


@functools.cache
def _block_cache() -> Cache:
    return Cache(_CACHE_BYTES)


def _manifests(written: dict[str, int]) -> dict[str, int]:
    return {name: size for name, size in written.items() if not name.endswith(".log")}


class PartitionStore:
    """The store of one partition at `path`, which may not exist yet."""

    def __init__(self, path: Path, *, secondary_path: Path) -> None:
        self._path = path
        self._secondary_path = secondary_path
        self._db: Rdict | None = None
        self._identity: bytes | None = None
        #: The owner's files that grow with each write, as they were before the last catch-up: name -> bytes.
        self._written: dict[str, int] = {}
        #: Raised by whatever may change what a new snapshot sees.
        self.generation = 0

    def catch_up(self) -> None:
        """See all that the owner wrote up to now."""
        identity = self._read_identity()
        # Read first: what is written from here on makes it another one.
        written = {} if identity is None else self._read_written()
        if self._db is not None and identity == self._identity and written == self._written:
            # A catch-up for nothing takes 2 ms, most of a look-up.
            return
        self.generation += 1
        if identity is None or identity != self._identity:
            self.close()
        if identity is None:
            return
        for _ in range(_CATCH_UPS_MAX):
            self._read_on(written)
            now = self._read_written()
            if now.keys() == written.keys() and _manifests(now) == _manifests(written):
                break
            # What was read is of before and of after a flush.
            self.close()
            written = now
        self._identity = identity
        self._written = written

    def _read_on(self, written: dict[str, int]) -> None:
        """More of the same logs is read on. After a flush or a compaction an instance is opened anew, for one that is
        there goes wrong: it keeps rows of a flushed log, which hide newer ones that a compaction has given the sequence
        number 0; what it read of a second log before the manifest tells of the flush of the first is hidden again; a
        log that is deleted after its look at the manifest and before that at the logs is in neither."""
        changed = written.keys() != self._written.keys() or _manifests(written) != _manifests(self._written)
        if self._db is not None and not changed:
            try:
                self._db.try_catch_up_with_primary()
            except Exception as error:
                _log.warning("%s: opening anew, catch-up failed: %s", self._path, error)
            else:
                return
        self.close()
        self._open()

    def snapshot(self) -> StoreSnapshot | None:
        """The rows as of the last catch-up; None when there is no store."""
        return None if self._db is None else StoreSnapshot(self._db.iter(), str(self._path))

    def close(self) -> None:
        """Give the memory back; the next catch-up opens again."""
        if self._db is not None:
            self._db.close()
            self.generation += 1
        self._db = None
        self._identity = None

    def _open(self) -> None:
        self._secondary_path.mkdir(parents=True, exist_ok=True)
        options = Options(raw_mode=True)
        # A secondary needs all files open: the owner may delete one that it still reads.
        options.set_max_open_files(-1)
        # RocksDB's own account of what it does: it must not grow for ever.
        options.set_keep_log_file_num(1)
        options.set_max_log_file_size(1024 * 1024)
        options.set_stats_dump_period_sec(0)
        tables = BlockBasedOptions()
        tables.set_block_cache(_block_cache())
        tables.set_cache_index_and_filter_blocks(True)
        tables.set_pin_l0_filter_and_index_blocks_in_cache(True)
        options.set_block_based_table_factory(tables)
        access = AccessType.secondary(str(self._secondary_path))
        # Named, for rocksdict opens a column family that exists with the options that it was made with.
        named = {"default": options}
        self._db = Rdict(str(self._path), options=options, column_families=named, access_type=access)

    def _read_written(self) -> dict[str, int]:
        """Each write grows a log of its own; what is flushed stands in the manifest first."""
        written: dict[str, int] = {}
        with os.scandir(self._path) as entries:
            for entry in entries:
                if entry.name.endswith(".log") or entry.name.startswith("MANIFEST-"):
                    with contextlib.suppress(FileNotFoundError):
                        written[entry.name] = entry.stat().st_size
        return written

    def _read_identity(self) -> bytes | None:
        # Opening as a secondary would create a missing directory: look first. CURRENT is written last.
        # By the plain calls: those of a Path take three times as long, a tenth of a look-up.
        try:
            os.stat(f"{self._path}/CURRENT")
            with open(f"{self._path}/IDENTITY", "rb", buffering=0) as file:
                return file.read()
        except FileNotFoundError:
            return None


class StoreSnapshot:
    """One iterator over one partition: everything read through it is of one applied LSN."""

    def __init__(self, iterator: RdictIter, name: str) -> None:
        self._iterator = iterator
        self._name = name
        #: `get` has left the place where `rows` is.
        self._moved = False
        #: How many bytes `get` has read.
        self.got_bytes = 0
        self.meta: PartitionMeta | None = self._read_meta()

    def _read_meta(self) -> PartitionMeta | None:
        self._iterator.seek(META_KEY)
        if not self._iterator.valid() or self._iterator.key() != META_KEY:
            return None
        meta = decode_meta(self._iterator.value())
        check_format(f"the store {self._name}", meta.format, newest=STORE_FORMAT)
        return meta

    def get(self, key: bytes) -> bytes | None:
        """The value of this key, None when there is none. Also while `rows` is read."""
        iterator = self._iterator
        self._moved = True
        iterator.seek(key)
        if iterator.valid() and iterator.key() == key:
            value: bytes = iterator.value()
            self.got_bytes += len(value)
            return value
        iterator.status()
        return None

    def rows(self, ranges: list[KeyRange], *, values: bool) -> Iterator[tuple[bytes, bytes]]:
        """Keys and values of the ranges that are this partition's own, in key order within each range. Values that
        are not asked for are empty."""
        if self.meta is None:
            return
        iterator = self._iterator
        valid, key_of, value_of, step = iterator.valid, iterator.key, iterator.value, iterator.next
        for key_range in ranges:
            own = clip(key_range, first_key=self.meta.start_key, last_key=self.meta.end_key)
            if own is None:
                continue
            end = own.end
            iterator.seek(own.start)
            while valid():
                key = key_of()
                if key >= end:
                    break
                yield key, value_of() if values else b""
                if self._moved:
                    self._moved = False
                    iterator.seek(key)
                step()
            # An iterator that met an error is only invalid: without this a damaged file would look like an end.
            iterator.status()
