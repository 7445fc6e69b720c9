"""A replica of every partition beside the node: it follows the log, applies each batch, and is compared with the
node's stores whenever all of the node's processes are dead.

Owns: a store a partition in a folder of its own. The node's files are opened for reading only.
"""

from __future__ import annotations

import logging
import shutil
from collections.abc import Iterator
from pathlib import Path

from rocksdict import AccessType, Options, Rdict

from logd.followers import is_batch
from logd.journal import GroupJournal
from logd.registry import GroupRegistry
from partitiond.log.link import LogLink
from partitiond.machine import invariants, wakers
from partitiond.machine.apply import apply, initial_meta
from partitiond.machine.txn import Txn
from partitiond.store.memory import MemoryStore
from partitiond.store.rocksdb import RocksStore
from shared import bounded_scan
from shared.api.log import Committed, Following, Leadership, LogError, partition_group
from shared.catalog.partitions import Partition, even_partitions
from shared.storage import keys, values
from shared.storage.values import PartitionMeta
from shared.wal.batch import decode_batch

__all__ = ["Replicas"]

_log = logging.getLogger(__name__)
_EVERYTHING = (b"\x00", b"\xff" * 64)


class ReadOnlyStore:
    """A RocksDB of the node, as it lies there. The `Tables` port, and what of logd's `Store` reads."""

    def __init__(self, path: Path, secondary_path: Path | None = None) -> None:
        """With `secondary_path` its owner may be at work."""
        options = Options(raw_mode=True)
        access = AccessType.read_only(False)
        if secondary_path is not None:
            options.set_max_open_files(-1)
            access = AccessType.secondary(str(secondary_path))
        self._db = Rdict(str(path), options, access_type=access)
        if secondary_path is not None:
            self._db.try_catch_up_with_primary()

    def get(self, key: bytes) -> bytes | None:
        value: bytes | None = self._db.get(key)
        return value

    def scan(self, start: bytes, end: bytes) -> Iterator[tuple[bytes, bytes]]:
        return bounded_scan.scan(self._db, start, end)

    def scan_keys(self, start: bytes, end: bytes) -> Iterator[bytes]:
        return bounded_scan.scan_keys(self._db, start, end)

    def scan_back(self, start: bytes, end: bytes) -> Iterator[tuple[bytes, bytes]]:
        return bounded_scan.scan_back(self._db, start, end)

    def close(self) -> None:
        self._db.close()


class Replica:
    """One partition. A `GroupFollower` of the log."""

    def __init__(self, partition: Partition, path: Path, link: LogLink, node_store: Path) -> None:
        self.group = partition_group(partition.id)
        self.node_store = node_store
        self.store = RocksStore(path)
        self.meta = initial_meta(partition.id, partition.start_key, partition.end_key)
        self.trimmed_to = 0
        #: How often it came too late for the log, and began anew with a copy of the node's rows.
        self.copies = 0
        self._path = path
        self._link = link

    @property
    def applied_lsn(self) -> int:
        return self.meta.applied_lsn

    def on_committed(self, batches: list[Committed]) -> None:
        txn = Txn(self.store, self.meta)
        for batch in batches:
            apply(txn, batch.lsn, decode_batch(batch.payload), [])
        self.store.commit(txn.finish())

    def on_following(self, message: Following) -> None:
        self.trimmed_to = max(self.trimmed_to, message.first_lsn - 1)

    def on_leadership(self, message: Leadership) -> None:
        """Who leads is not its concern."""

    def on_log_lost(self) -> None:
        """The link comes back by itself."""

    def on_append_failed(self, error: LogError) -> None:
        """The node has trimmed what was not read here."""
        assert error.code == "trimmed", error
        self.copies += 1
        self.copy()
        self._link.follow(self)

    def copy(self) -> None:
        """Begin anew with the node's rows, as they are now."""
        self.store.close()
        shutil.rmtree(self._path)
        self.store = RocksStore(self._path)
        secondary = self._path.with_suffix(".secondary")
        source = ReadOnlyStore(self.node_store, secondary)
        self.store.commit(dict(source.scan(*_EVERYTHING)))
        source.close()
        shutil.rmtree(secondary)
        meta = self.store.meta()
        assert meta is not None
        self.meta = meta


class Replicas:
    """Those of all partitions, and the comparison."""

    def __init__(self, data_dir: Path, folder: Path, *, partitions: int) -> None:
        self._log_path = data_dir / "log"
        self._link = LogLink(data_dir / "run" / "logd.sock")
        self.members = [
            Replica(
                partition, folder / str(partition.id), self._link, data_dir / "partitions" / str(partition.id) / "store"
            )
            for partition in even_partitions(partitions)
        ]
        #: How often a partition's two stores were compared, and how many rows they had, the last time, in all.
        self.compared = 0
        self.rows = 0
        self.problems: list[str] = []

    def start(self) -> None:
        """Begin to follow."""
        self._link.start()
        for replica in self.members:
            self._link.follow(replica)

    async def close(self) -> None:
        await self._link.close()
        for replica in self.members:
            replica.store.close()

    @property
    def trimmed_to(self) -> list[int]:
        """Up to which LSN the log was found to be trimmed, by partition."""
        return [replica.trimmed_to for replica in self.members]

    @property
    def copies(self) -> int:
        return sum(replica.copies for replica in self.members)

    def compare(self) -> None:
        """While nothing of the node lives: replay and store are equal, all invariants hold, who waits has a waker."""
        log = ReadOnlyStore(self._log_path)
        stores = {replica.group: ReadOnlyStore(replica.node_store) for replica in self.members}
        numbers = GroupRegistry(log).known()  # type: ignore[arg-type]
        self.rows = 0
        for replica in self.members:
            journal = GroupJournal(log, replica.group, numbers[replica.group])  # type: ignore[arg-type]
            node = _copy(stores[replica.group])
            self.rows += sum(1 for _ in node.scan_keys(*_EVERYTHING))
            own = _copy(replica.store)
            upto = max(_meta(node).applied_lsn, _meta(own).applied_lsn)
            digests = [_bring_to(store, journal, upto).digest() for store in (node, own)]
            if digests[0] != digests[1]:
                self.problems.append(
                    f"{replica.group}: at lsn={upto} the replay is {digests[1]}, the store {digests[0]}"
                )
            self.compared += 1
            self.problems += [f"{replica.group}: {sentence}" for sentence in invariants.check(stores[replica.group])]
        self.problems += wakers.check(stores.values())
        for store in (log, *stores.values()):
            store.close()


def _meta(store: MemoryStore) -> PartitionMeta:
    meta = store.meta()
    assert meta is not None
    return meta


def _copy(tables: ReadOnlyStore | RocksStore) -> MemoryStore:
    """The rows, to be changed without touching the original."""
    copy = MemoryStore()
    copy.commit(dict(tables.scan(*_EVERYTHING)))
    return copy


def _bring_to(store: MemoryStore, journal: GroupJournal, lsn: int) -> MemoryStore:
    """Apply what the log has up to this LSN."""
    stored = store.get(keys.META_KEY)
    assert stored is not None
    meta = values.decode_meta(stored)
    for command, index, _ in journal.read(meta.applied_lsn + 1, lsn):
        if is_batch(command):
            txn = Txn(store, meta)
            apply(txn, index, decode_batch(command[1:]), [])
            store.commit(txn.finish())
    assert meta.applied_lsn == lsn, f"{journal.group}: the log ends at lsn={journal.last_index}, wanted {lsn}"
    return store
