"""Where stores, logs and kept checkpoints are. Owns: a scratch folder for what RocksDB writes beside what it reads.

A source is a data directory (of a node that runs, is stopped or cannot start), a folder that `everlog replay --keep`
left, one store by itself, or a snapshot (`snapshot`).
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import NamedTuple, Protocol

from scripts.debug.logs import LogDatabase
from scripts.debug.ports import LogReader
from scripts.debug.stores import StoreReader, is_store
from scripts.node.layout import lock_holder
from shared.errors import ConfigError, CorruptionError
from shared.snapshots.checkpoint_file import CHECKPOINT_FILE, checkpoint_name
from shared.snapshots.checkpoints import checkpoints_folder, kept_lsns
from shared.storage.values import PartitionMeta

__all__ = [
    "Base",
    "DataDirectory",
    "OpenedStores",
    "Source",
    "StoreFolder",
    "copy_store",
    "partition_of_group",
    "partitions_asked_for",
]


class Base(NamedTuple):
    """What a replay may begin with: a store as of `lsn`."""

    lsn: int
    path: Path
    #: `checkpoint 1234`, `snapshot 1234`.
    label: str


class Source(Protocol):
    """What the verbs look into."""

    @property
    def path(self) -> Path: ...

    @property
    def running(self) -> bool:
        """A node has it open: what is read now may be behind in a moment."""

    def partitions(self) -> list[int]:
        """Every partition of which there is a store or a log."""

    def store(self, partition_id: int) -> StoreReader | None:
        """Its rows as they are now; None: there is no store. Whoever opens it closes it."""

    def log(self, group: str) -> LogReader | None:
        """`meta`, or `p-<partition>`; None: there is no such log."""

    def bases(self, partition_id: int) -> list[Base]:
        """Kept checkpoints, and what a snapshot holds, oldest first."""

    def open_base(self, base: Base) -> StoreReader:
        """The rows of one, out of a copy: to open a store writes into its folder."""

    def close(self) -> None: ...


def partition_of_group(group: str) -> int | None:
    """The partition of a log, None for `meta`."""
    return int(group[2:]) if group.startswith("p-") and group[2:].isdecimal() else None


def copy_store(path: Path, into: Path, *, wal: bool = True) -> None:
    """A store of its own at `into`, of one that nobody writes: tables as links (they never change), the rest copied.

    `wal` False: without what was written since the last flush.
    """
    into.mkdir(parents=True)
    for file in sorted(path.iterdir()):
        if not file.is_file() or file.name in ("LOCK", "LOG", CHECKPOINT_FILE):
            continue
        if file.suffix == ".log" and not wal:
            continue
        target = into / file.name
        if file.suffix == ".sst":
            try:
                target.hardlink_to(file)
                continue
            except OSError:
                pass  # Another file system.
        shutil.copyfile(file, target)


class Scratch:
    """A folder that goes away."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="everlog-debug-")
        self._count = 0

    def new(self) -> Path:
        """A path that does not exist."""
        self._count += 1
        return Path(self._folder.name) / str(self._count)

    def close(self) -> None:
        self._folder.cleanup()


class OpenedStores:
    """What all sources have in common: stores that are open, and their scratch."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._scratch = Scratch()

    def open_base(self, base: Base) -> StoreReader:
        copy = self._scratch.new()
        copy_store(base.path, copy)
        return StoreReader(copy, self._scratch.new())

    def close(self) -> None:
        self._scratch.close()


class DataDirectory(OpenedStores):
    """A node's data directory, or what has the same folders."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._database: LogDatabase | None = None

    @property
    def running(self) -> bool:
        return lock_holder(self.path)[0]

    def partitions(self) -> list[int]:
        folder = self.path / "partitions"
        found = {int(entry.name) for entry in folder.iterdir() if entry.name.isdecimal()} if folder.is_dir() else set()
        database = self._log_database()
        if database is not None:
            found |= {number for group in database.groups() if (number := partition_of_group(group)) is not None}
        return sorted(found)

    def store(self, partition_id: int) -> StoreReader | None:
        path = self.path / "partitions" / str(partition_id) / "store"
        return StoreReader(path, self._scratch.new()) if is_store(path) else None

    def log(self, group: str) -> LogReader | None:
        database = self._log_database()
        return None if database is None else database.group(group)

    def bases(self, partition_id: int) -> list[Base]:
        folder = checkpoints_folder(self.path, partition_id)
        return [Base(lsn, folder / checkpoint_name(lsn), f"checkpoint {lsn}") for lsn in kept_lsns(folder)]

    def durable(self, partition_id: int) -> PartitionMeta | None:
        """What a power loss would leave of a store: what is flushed. For a node that is stopped."""
        copy = self._scratch.new()
        copy_store(self.path / "partitions" / str(partition_id) / "store", copy, wal=False)
        store = StoreReader(copy, self._scratch.new())
        try:
            return store.meta()
        finally:
            store.close()

    def close(self) -> None:
        if self._database is not None:
            self._database.close()
        super().close()

    def _log_database(self) -> LogDatabase | None:
        if self._database is None and is_store(self.path / "log"):
            self._database = LogDatabase(self.path / "log", self._scratch.new())
        return self._database


class StoreFolder(OpenedStores):
    """One store by itself: a kept checkpoint, or a copy."""

    running = False

    def partitions(self) -> list[int]:
        store = self.store(0)
        try:
            meta = store.meta()
        finally:
            store.close()
        if meta is None:
            raise CorruptionError(f"{self.path} has no row of a partition: it is no partition's store, or an empty one")
        return [meta.partition_id]

    def store(self, partition_id: int) -> StoreReader:
        return self.open_base(Base(0, self.path, ""))

    def log(self, group: str) -> LogReader | None:
        return None

    def bases(self, partition_id: int) -> list[Base]:
        return []


def partitions_asked_for(source: Source, wanted: int | None) -> list[int]:
    """One partition, or all. Raises ConfigError that names those that there are."""
    found = source.partitions()
    if wanted is None:
        return found
    if wanted not in found:
        raise ConfigError(f"there is no partition {wanted} in {source.path}; there are {', '.join(map(str, found))}")
    return [wanted]
