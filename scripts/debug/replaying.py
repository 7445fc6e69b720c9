"""A partition made anew from its log, in a scratch folder.

Rules that always hold:
- it begins with nothing if the log is whole, else with a checkpoint behind which the log is whole;
- a record that is missing, damaged or unknown ends it, with its LSN: what comes behind is not applied.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import msgspec

from partitiond.machine.actions import Action
from partitiond.machine.apply import apply, apply_alone, begin, initial_meta
from partitiond.machine.txn import Txn
from partitiond.store.rocksdb import RocksStore
from scripts.debug.log_lines import records
from scripts.debug.ports import LogReader, WritableRows
from scripts.debug.source import Base, Source, copy_store
from shared.api.log import partition_group
from shared.errors import ConfigError, CorruptionError, EverlogError
from shared.storage.values import PartitionMeta
from shared.wal.batch import Batch
from shared.wal.commands import AnnounceLeader, Command

__all__ = ["Replay", "ReplayError", "Step", "choose_base", "key_range", "start_replay"]

#: Batches are stored together until they have put this much.
_COMMIT_BYTES = 4 * 1024 * 1024


class ReplayError(CorruptionError):
    """The machine refuses a record that it took once: a bug of ours, or rows that are not those it was applied to."""


class Step(msgspec.Struct):
    """One command, applied and not stored yet. `number`: its place in the batch, of `count`."""

    lsn: int
    batch: Batch
    number: int
    count: int
    command: Command
    #: The batch is of a leader that was replaced, or out of sequence: it changes nothing.
    fenced: bool
    writes: Mapping[bytes, bytes | None]
    actions: list[Action]


def choose_base(source: Source, partition_id: int, log: LogReader, to_lsn: int) -> Base | None:
    """The oldest state behind which the log is whole; None: the log is whole from LSN 1.

    Raises ConfigError that says what the log still has when there is no such state.
    """
    if log.first_lsn <= 1:
        return None
    bases = source.bases(partition_id)
    usable = [base for base in bases if base.lsn + 1 >= log.first_lsn and base.lsn <= to_lsn]
    if usable:
        return usable[0]
    kept = ", ".join(str(base.lsn) for base in bases) or "none"
    raise ConfigError(
        f"partition {partition_id}: the log begins at LSN {log.first_lsn}, what was before is trimmed, and there is no "
        f"checkpoint to begin with up to LSN {to_lsn} (kept: {kept}): it cannot be made anew from here; choose a later "
        "--to, or a snapshot from before"
    )


class Replay:
    """The scratch store of one partition, and how far it is."""

    def __init__(
        self, partition_id: int, log: LogReader, store: WritableRows, meta: PartitionMeta, begins_with: str
    ) -> None:
        self.partition_id = partition_id
        #: `LSN 1`, `checkpoint 1234`.
        self.begins_with = begins_with
        self.log = log
        self.store = store
        self._meta = meta
        self.batches = 0

    @property
    def applied_lsn(self) -> int:
        return self._meta.applied_lsn

    def run(self, to_lsn: int) -> Iterator[int]:
        """Apply up to `to_lsn`, many batches a commit; yields the applied LSN after each commit."""
        waiting = self._batches(to_lsn)
        more = True
        while more:
            txn, more = Txn(self.store, self._meta), False
            for lsn, batch in waiting:
                self.batches += 1
                with _naming(lsn, self.partition_id):
                    apply(txn, lsn, batch, [])
                more = True
                if txn.put_bytes >= _COMMIT_BYTES:
                    break
            if more:
                self.store.commit(txn.finish())
                yield self.applied_lsn

    def steps(self, to_lsn: int) -> Iterator[Step]:
        """Apply command by command. The writes of a step are stored when the next one is asked for."""
        for lsn, batch in self._batches(to_lsn):
            self.batches += 1
            with _naming(lsn, self.partition_id):
                counts = begin(self._meta, lsn, batch)
            for number, command in enumerate(batch.commands):
                txn = Txn(self.store, self._meta)
                actions: list[Action] = []
                if counts:
                    with _naming(lsn, self.partition_id):
                        apply_alone(txn, lsn, batch.at_ms, command, actions)
                writes = txn.finish()
                yield Step(lsn, batch, number, len(batch.commands), command, not counts, writes, actions)
                self.store.commit(writes)
            if not batch.commands:
                self.store.commit(Txn(self.store, self._meta).finish())

    def _batches(self, to_lsn: int) -> Iterator[tuple[int, Batch]]:
        for record in records(self.log, self.applied_lsn + 1, to_lsn):
            if record.problem is not None:
                raise CorruptionError(f"partition {self.partition_id}, LSN {record.lsn}: {record.problem}")
            if record.batch is not None:
                yield record.lsn, record.batch


class _naming:
    """What the machine asserts, with the record at which it did."""

    def __init__(self, lsn: int, partition_id: int) -> None:
        self._where = f"partition {partition_id}, LSN {lsn}"

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, Exception):
            reason = str(error) or type(error).__name__
            raise ReplayError(f"{self._where}: the record cannot be applied: {reason}") from error


def start_replay(source: Source, partition_id: int, folder: Path, *, to_lsn: int | None = None) -> Replay:
    """A scratch store at `folder`, which must not exist. `to_lsn`: no base behind it is chosen; None: the log's end."""
    log = source.log(partition_group(partition_id))
    if log is None or not log.last_lsn:
        raise ConfigError(f"{source.path} has no log of partition {partition_id}: there is nothing to replay")
    log.catch_up()
    base = choose_base(source, partition_id, log, log.last_lsn if to_lsn is None else to_lsn)
    if base is not None:
        copy_store(base.path, folder)
    store = RocksStore(folder)
    meta = store.meta()
    if meta is None:
        first = _first_announcement(log)
        meta = initial_meta(partition_id, first.start_key, first.end_key)
    stored = _stored_meta(source, partition_id)
    if stored is not None:
        # What an older build left has its format until a node of this build is started on it.
        meta.format = stored.format
    return Replay(partition_id, log, store, meta, "LSN 1" if base is None else base.label)


def _stored_meta(source: Source, partition_id: int) -> PartitionMeta | None:
    """None also for a store that cannot be read: the log is what counts."""
    try:
        store = source.store(partition_id)
        if store is None:
            return None
        try:
            return store.meta()
        finally:
            store.close()
    except EverlogError:
        return None


def key_range(source: Source, partition_id: int) -> tuple[int, int] | None:
    """First and last key of a partition, by its store, else by its log. None: neither has begun."""
    meta = _stored_meta(source, partition_id)
    if meta is not None:
        return meta.start_key, meta.end_key
    log = source.log(partition_group(partition_id))
    try:
        first = None if log is None else _first_announcement(log)
    except ConfigError:
        return None
    return None if first is None else (first.start_key, first.end_key)


def _first_announcement(log: LogReader) -> AnnounceLeader:
    """The first record tells the partition's key range."""
    for record in records(log, log.first_lsn, log.last_lsn):
        if record.problem is not None:
            raise CorruptionError(f"LSN {record.lsn}: {record.problem}")
        for command in record.batch.commands if record.batch is not None else ():
            if isinstance(command, AnnounceLeader):
                return command
    raise ConfigError("the log has no announcement of a leader: nothing was ever applied of it")
