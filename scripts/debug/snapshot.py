"""An exported snapshot as a source. Owns: a scratch folder with the stores as of the snapshot's moment.

A snapshot has each partition's checkpoint and the log from there to the cut. The store that it stands for is the
checkpoint with that log applied.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from partitiond.store.rocksdb import RocksStore
from scripts.debug.ports import LogEntry, LogReader
from scripts.debug.replaying import Replay
from scripts.debug.source import Base, OpenedStores, copy_store
from scripts.debug.stores import StoreReader
from shared.api.log import META_GROUP, partition_group
from shared.errors import ConfigError, CorruptionError
from shared.snapshots.checkpoint_file import StoredFile
from shared.snapshots.log_file import decode_log
from shared.snapshots.manifest import MANIFEST_FILE, META_LOG, PartitionPart, decode_manifest, log_name, store_folder

__all__ = ["SnapshotSource", "is_snapshot"]

_CHUNK_BYTES = 1024 * 1024


def is_snapshot(path: Path) -> bool:
    """A directory with a manifest."""
    return (path / MANIFEST_FILE).is_file()


class SnapshotSource(OpenedStores):
    """The snapshot at `path`, a directory. One in an object store is imported first, or copied."""

    running = False

    def __init__(self, path: Path) -> None:
        """Raises CorruptionError for a damaged manifest, ConfigError for a newer format."""
        super().__init__(path)
        file = path / MANIFEST_FILE
        self.manifest = decode_manifest(file.read_bytes(), what=str(file))
        self._parts = {part.partition_id: part for part in self.manifest.partitions}
        #: Stores as of the cut, once they were asked for.
        self._at_cut: dict[int, Path] = {}

    def partitions(self) -> list[int]:
        return sorted(self._parts)

    def store(self, partition_id: int) -> StoreReader | None:
        if partition_id not in self._at_cut:
            self._at_cut[partition_id] = self._replayed(self._parts[partition_id])
        return StoreReader(self._at_cut[partition_id], self._scratch.new())

    def log(self, group: str) -> LogReader | None:
        if group == META_GROUP:
            return FileLog(self.path / META_LOG)
        for number in self._parts:
            if group == partition_group(number):
                return FileLog(self.path / log_name(number))
        return None

    def bases(self, partition_id: int) -> list[Base]:
        part = self._parts[partition_id]
        return [Base(part.applied_lsn, self.path / store_folder(partition_id), f"snapshot {part.applied_lsn}")]

    def files(self) -> Iterable[tuple[Path, StoredFile]]:
        """Every file but the manifest: where it is, and what the manifest says of it."""
        for part in self._parts.values():
            for file in part.files:
                yield self.path / store_folder(part.partition_id) / file.name, file
            yield self.path / part.log.name, part.log
        yield self.path / self.manifest.meta.log.name, self.manifest.meta.log

    def _replayed(self, part: PartitionPart) -> Path:
        folder = self._scratch.new()
        copy_store(self.path / store_folder(part.partition_id), folder)
        store = RocksStore(folder)
        try:
            meta = store.meta()
            if meta is None:
                raise CorruptionError(f"{self.path / store_folder(part.partition_id)} has no row of a partition")
            log = FileLog(self.path / log_name(part.partition_id))
            for _ in Replay(part.partition_id, log, store, meta, "").run(part.cut_lsn):
                pass
        finally:
            store.close()
        return folder


class FileLog:
    """A piece of a log, in a file of a snapshot."""

    def __init__(self, path: Path) -> None:
        self._path = path
        with path.open("rb") as file:
            self._head, _ = decode_log(iter(lambda: file.read(_CHUNK_BYTES), b""), what=str(path))

    @property
    def first_lsn(self) -> int:
        return self._head.after_lsn + 1

    @property
    def last_lsn(self) -> int:
        return self._head.upto_lsn

    @property
    def trim_lsn(self) -> int:
        return self._head.after_lsn

    def entries(self, start: int, end: int) -> Iterator[LogEntry]:
        """Raft's own entries are not in a snapshot. Damage ends the reading: what is behind cannot be found."""
        last = start - 1
        try:
            with self._path.open("rb") as file:
                _, batches = decode_log(iter(lambda: file.read(_CHUNK_BYTES), b""), what=str(self._path))
                for lsn, payload in batches:
                    if start <= lsn <= end:
                        last = lsn
                        yield LogEntry(lsn, 0, payload, len(payload) + 1)
        except (CorruptionError, ConfigError) as error:
            yield LogEntry(last + 1, 0, None, 0, str(error))

    def catch_up(self) -> None:
        """A file of a snapshot never changes."""
