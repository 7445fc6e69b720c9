"""Disks that forget what was not synced: of the log, and of one partition.

kill -9 takes nothing that was written. A power loss takes what was not synced, and leaves some prefix of it.
"""

from __future__ import annotations

import hashlib
from bisect import bisect_left, insort
from collections.abc import Callable, Iterator, Mapping
from random import Random

from logd.store import StoreError
from partitiond.store.memory import MemoryStore
from tests.simulation.loop import Killed, current_process

__all__ = ["LogDisk", "LogStore", "PartitionDisk", "PartitionStore", "SimSyncer", "row_digest"]

#: ("put", key, value) or ("delete", first, end)
_Change = tuple[str, bytes, bytes]


class _Rows:
    """A sorted dict."""

    def __init__(self) -> None:
        self.values: dict[bytes, bytes] = {}
        self.keys: list[bytes] = []

    def copy(self) -> _Rows:
        made = _Rows()
        made.values, made.keys = dict(self.values), list(self.keys)
        return made

    def apply(self, changes: list[_Change]) -> None:
        for kind, first, second in changes:
            if kind == "put":
                if first not in self.values:
                    insort(self.keys, first)
                self.values[first] = second
            else:
                start, end = bisect_left(self.keys, first), bisect_left(self.keys, second)
                for key in self.keys[start:end]:
                    del self.values[key]
                del self.keys[start:end]

    def scan(self, first: bytes, end: bytes) -> list[tuple[bytes, bytes]]:
        found = self.keys[bisect_left(self.keys, first) : bisect_left(self.keys, end)]
        return [(key, self.values[key]) for key in found]


class LogDisk:
    """Below logd's store: what was written, and how much of it is synced."""

    def __init__(self) -> None:
        self.durable = _Rows()
        self.written = _Rows()
        self.unsynced: list[list[_Change]] = []

    def write(self, changes: list[_Change]) -> None:
        self.written.apply(changes)
        self.unsynced.append(changes)

    def sync(self) -> None:
        for changes in self.unsynced:
            self.durable.apply(changes)
        self.unsynced.clear()

    def power_loss(self, chooser: Random) -> None:
        """The write-ahead log keeps a prefix of what was not synced, whole batches."""
        for changes in self.unsynced[: chooser.choice((0, 0, 1, len(self.unsynced)))]:
            self.durable.apply(changes)
        self.unsynced.clear()
        self.written = self.durable.copy()


class LogStore:
    """`logd.store.Store` of one process, over the disk of its node."""

    def __init__(self, disk: LogDisk) -> None:
        self.disk = disk
        # As RocksDB does: what it finds in its write-ahead log it writes out as a synced file before it opens.
        disk.sync()
        self._pending: list[_Change] = []
        self.syncs = 0

    @property
    def dirty(self) -> bool:
        return bool(self._pending)

    def put(self, key: bytes, value: bytes) -> None:
        self._pending.append(("put", key, bytes(value)))

    def delete_range(self, first: bytes, end: bytes) -> None:
        self._pending.append(("delete", first, end))

    def stage(self) -> None:
        pending, self._pending = self._pending, []
        self.disk.write(pending)

    def sync(self) -> None:
        self.syncs += 1
        self.disk.sync()

    def put_durable(self, key: bytes, value: bytes) -> None:
        self.disk.write([("put", key, bytes(value))])
        self.sync()

    def get(self, key: bytes) -> bytes | None:
        return self.disk.written.values.get(key)

    def scan(self, first: bytes, end: bytes) -> Iterator[tuple[bytes, bytes]]:
        return iter(self.disk.written.scan(first, end))

    def scan_back(self, first: bytes, end: bytes) -> Iterator[tuple[bytes, bytes]]:
        return reversed(self.disk.written.scan(first, end))

    def reclaim(self, first: bytes, end: bytes) -> None:
        """Nothing to give back."""

    def close(self) -> None:
        """Nothing to release."""


class SimSyncer:
    """`logd.syncer.Syncer` without a thread: a sync takes its time, and is there at its end."""

    inline = False

    def __init__(self, store: LogStore, delay_s: Callable[[], float], failing: Callable[[], bool]) -> None:
        self._store = store
        self._delay_s = delay_s
        self._failing = failing
        self._process = current_process()

    def start(self, done: Callable[[BaseException | None], None]) -> None:
        self._process.loop.call_later(self._delay_s(), self._sync, done)

    def _sync(self, done: Callable[[BaseException | None], None]) -> None:
        if self._failing():
            done(StoreError("no space left in this simulation"))
            return
        self._store.sync()
        done(None)

    def close(self) -> None:
        """There is no thread."""


def row_digest(key: bytes, value: bytes) -> int:
    """A number of one row. Stores with the same rows have the same sum of them."""
    data = len(key).to_bytes(4, "big") + key + value
    return int.from_bytes(hashlib.blake2b(data, digest_size=16).digest(), "big")


_DIGEST_MASK = (1 << 128) - 1


class DigestedStore(MemoryStore):
    """A store that knows its digest after each commit, at the cost of the rows that the commit writes."""

    def __init__(self) -> None:
        super().__init__()
        self.sum = 0

    def commit(self, writes: Mapping[bytes, bytes | None]) -> None:
        total = self.sum
        for key, value in writes.items():
            old = self._rows.get(key)
            if old is not None:
                total -= row_digest(key, old)
            if value is not None:
                total += row_digest(key, value)
        super().commit(writes)
        self.sum = total & _DIGEST_MASK

    @property
    def applied_lsn(self) -> int:
        meta = self.meta()
        return 0 if meta is None else meta.applied_lsn


class PartitionDisk:
    """Below one partition's store: a flushed checkpoint, and the commits behind it."""

    def __init__(self) -> None:
        self._durable: dict[bytes, bytes] = {}
        self.durable_lsn = 0
        self._unsynced: list[dict[bytes, bytes | None]] = []

    def load(self, store: MemoryStore) -> None:
        """Fill a fresh store with what is written."""
        store.commit(dict(self._durable))
        for writes in self._unsynced:
            store.commit(writes)

    def write(self, writes: Mapping[bytes, bytes | None]) -> None:
        self._unsynced.append(dict(writes))

    def flush(self, lsn: int) -> None:
        self._fold(len(self._unsynced))
        self.durable_lsn = lsn

    def power_loss(self, chooser: Random) -> None:
        """Mostly back to the checkpoint; some commits behind it may have reached the disk, in order."""
        keep = chooser.choice((0, 0, 0, len(self._unsynced) // 2))
        self._fold(keep)
        self._unsynced.clear()

    def _fold(self, count: int) -> None:
        for writes in self._unsynced[:count]:
            for key, value in writes.items():
                if value is None:
                    self._durable.pop(key, None)
                else:
                    self._durable[key] = value
        del self._unsynced[:count]


class PartitionStore(DigestedStore):
    """A partition's store of one process. Its process may be killed right before or right after a commit.

    `dies`: asked at each commit, "before", "after" or None. `on_commit`: told after each commit.
    """

    def __init__(
        self,
        disk: PartitionDisk,
        dies: Callable[[], str | None],
        on_commit: Callable[[PartitionStore], None],
    ) -> None:
        super().__init__()
        self._disk: PartitionDisk | None = None
        disk.load(self)
        self._disk = disk
        self._dies = dies
        self._on_commit = on_commit
        self._process = current_process()

    def commit(self, writes: Mapping[bytes, bytes | None]) -> None:
        if self._disk is None:
            super().commit(writes)
            return
        death = self._dies()
        if death == "before":
            self._process.kill()
            raise Killed
        self._disk.write(writes)
        super().commit(writes)
        self._on_commit(self)
        if death == "after":
            self._process.kill()
            raise Killed

    def checkpoint(self) -> None:
        assert self._disk is not None
        self._disk.flush(self.applied_lsn)
