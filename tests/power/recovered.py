"""What a data directory comes to: its log, and each partition's store with the rest of the log applied. No daemons."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import msgspec

from logd.followers import is_batch
from logd.journal import GroupJournal
from logd.registry import GroupRegistry
from logd.store import RocksStore as LogStore
from partitiond.machine.apply import apply, initial_meta
from partitiond.machine.txn import Txn
from partitiond.store.memory import MemoryStore
from partitiond.store.rebuild import open_store
from partitiond.store.rocksdb import RocksStore
from shared.api.log import partition_group
from shared.catalog.partitions import Partition, even_partitions
from shared.errors import CorruptionError
from shared.storage import keys
from shared.wal.batch import decode_batch

__all__ = ["GroupLog", "Replica", "counters", "read_logs", "recover_partition"]


class GroupLog(NamedTuple):
    """One group: batches behind the trim point, by LSN."""

    trim_lsn: int
    last_lsn: int
    batches: dict[int, bytes]


def read_logs(data: Path) -> dict[str, GroupLog]:
    """All groups. Raises what logd would end with."""
    store = LogStore(data / "log")
    logs = {}
    try:
        for name, number in GroupRegistry(store).known().items():
            journal = GroupJournal(store, name, number)
            entries = journal.read(max(journal.first_index, journal.trim_lsn + 1), journal.last_index)
            batches = {lsn: command[1:] for command, lsn, _ in entries if is_batch(command)}
            logs[name] = GroupLog(journal.trim_lsn, journal.last_index, batches)
    finally:
        store.close()
    return logs


class Replica:
    """A store that applies batches and knows how far it is."""

    def __init__(self, partition: Partition, store: MemoryStore | RocksStore) -> None:
        self.store = store
        self.meta = store.meta() or initial_meta(partition.id, partition.start_key, partition.end_key)

    def apply(self, batches: Iterable[tuple[int, bytes]]) -> None:
        """Those behind the applied LSN."""
        for lsn, payload in batches:
            if lsn > self.meta.applied_lsn:
                txn = Txn(self.store, self.meta)
                apply(txn, lsn, decode_batch(payload), [])
                self.store.commit(txn.finish())


def recover_partition(data: Path, partition: Partition, log: GroupLog) -> Replica:
    """As a worker does: open the store, or make it anew, and apply the rest of the log. The caller closes the store."""
    store = open_store(data / "partitions" / str(partition.id), partition_id=partition.id)
    replica = Replica(partition, store)
    assert replica.meta.applied_lsn >= log.trim_lsn, f"{partition.id}: trimmed over what is stored"
    assert replica.meta.applied_lsn <= log.last_lsn, f"{partition.id}: the store knows more than the log"
    try:
        replica.apply(log.batches.items())
    except CorruptionError:
        store.close()
        raise
    return replica


def partitions_of(logs: dict[str, GroupLog], count: int) -> list[Partition]:
    """Those that have a log already."""
    return [each for each in even_partitions(count) if partition_group(each.id) in logs]


def counters(store: MemoryStore | RocksStore) -> dict[str, int]:
    """Values of the example service Counter, by key."""
    found = {}
    for key, value in store.scan(keys.STATE, keys.prefix_end(keys.STATE)):
        _, _, service, name, _ = keys.decode_object(key)
        if service == "Counter":
            found[name] = msgspec.json.decode(value, type=int)
    return found
