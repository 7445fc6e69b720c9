"""A data directory as a stopped node leaves it, made of bare machines: their logs and their stores on disk."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from logd.journal import GroupJournal
from logd.raft.private import COMMAND
from logd.registry import GroupRegistry
from logd.store import RocksStore as LogStore
from metad.registry.codec import encode_proposal
from metad.registry.commands import MetaCommand, Proposal
from partitiond.store.rocksdb import RocksStore
from scripts.debug.ports import FIRST_KEY, LAST_KEY
from shared.api.log import META_GROUP, partition_group
from shared.formats import DATA_FORMAT
from shared.wal.batch import decode_batch, encode_batch
from shared.wal.commands import AnnounceLeader
from tests.partitiond.machine.fixtures import Machine

__all__ = ["log_of", "store_of", "write_data_directory"]

_COMMAND = bytes([COMMAND])


def write_data_directory(path: Path, machines: Sequence[Machine], proposals: Sequence[MetaCommand] = ()) -> None:
    """`proposals`: what group `meta` decided."""
    path.mkdir(mode=0o700)
    (path / "FORMAT").write_text(json.dumps({"format": DATA_FORMAT}))
    log = LogStore(path / "log")
    registry = GroupRegistry(log)
    for number, machine in enumerate(machines):
        group = partition_group(number)
        journal = GroupJournal(log, group, registry.number_of(group))
        for lsn, payload in machine.log:
            journal.add(_COMMAND + _with_own_keys(machine, payload), lsn, 1)
        with store_of(path, number) as store:
            store.commit(dict(machine.store.scan(FIRST_KEY, LAST_KEY)))
    journal = GroupJournal(log, META_GROUP, registry.number_of(META_GROUP))
    for lsn, command in enumerate(proposals, 1):
        journal.add(_COMMAND + encode_proposal(Proposal(uid=bytes([lsn]) * 16, command=command)), lsn, 1)
    log.close()


@contextmanager
def log_of(path: Path, group: str) -> Iterator[GroupJournal]:
    """One group's log, to be changed."""
    store = LogStore(path / "log")
    journal = GroupJournal(store, group, GroupRegistry(store).number_of(group))
    yield journal
    store.stage()
    store.close()


@contextmanager
def store_of(path: Path, partition_id: int) -> Iterator[RocksStore]:
    """One partition's store, to be changed."""
    store = RocksStore(path / "partitions" / str(partition_id) / "store")
    yield store
    store.close()


def _with_own_keys(machine: Machine, payload: bytes) -> bytes:
    """Bare machines announce the whole key space; a node's leaders announce their partition's."""
    batch = decode_batch(payload)
    for command in batch.commands:
        if isinstance(command, AnnounceLeader):
            command.start_key, command.end_key = machine.meta.start_key, machine.meta.end_key
    return encode_batch(batch)
