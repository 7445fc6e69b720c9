"""What the simulation knows of the truth: each batch as it was first shown, and a replay of them, batch by batch."""

from __future__ import annotations

import hashlib
from collections import Counter
from typing import Any

from partitiond.machine.apply import apply, initial_meta
from partitiond.machine.txn import Txn
from shared.catalog.partitions import Partition
from shared.wal.batch import decode_batch
from tests.simulation import checkers
from tests.simulation.checkers import BrokenError
from tests.simulation.disks import DigestedStore

__all__ = ["Record", "Reference"]

#: Rows are checked with each so many batches: a check reads the whole store.
INVARIANTS_EVERY = 8
WAKERS_EVERY = 32


class Reference:
    """One partition as its log says."""

    def __init__(self, partition: Partition) -> None:
        self.partition = partition
        self.batches: dict[int, bytes] = {}
        #: LSN -> digest of the store there. 0: the empty store.
        self.digests: dict[int, int] = {0: 0}
        self.store = DigestedStore()
        self._meta = initial_meta(partition.id, partition.start_key, partition.end_key)

    @property
    def tail_lsn(self) -> int:
        return next(reversed(self.batches), 0)

    @property
    def epoch(self) -> int:
        """Of the leader that counts."""
        return self._meta.epoch

    def apply(self, lsn: int, payload: bytes) -> None:
        self.batches[lsn] = payload
        txn = Txn(self.store, self._meta)
        apply(txn, lsn, decode_batch(payload), [])
        self.store.commit(txn.finish())
        self.digests[lsn] = self.store.sum


class Record:
    """Everything that the checkers are given, and the trace that two runs of one seed must share."""

    def __init__(self, partitions: list[Partition]) -> None:
        self.references = {partition.id: Reference(partition) for partition in partitions}
        self.faults: Counter[str] = Counter()
        self.checks: Counter[str] = Counter()
        self._trace = hashlib.blake2b(digest_size=16)
        self._published = 0

    @property
    def trace(self) -> str:
        return self._trace.hexdigest()

    def note(self, *words: Any) -> None:
        """Part of the trace."""
        self._trace.update(repr(words).encode())

    def check(self, name: str, broken: str | None) -> None:
        """Raises BrokenError for a sentence."""
        self.checks[name] += 1
        if broken is not None:
            raise BrokenError(name, broken)

    def published(self, partition_id: int, lsn: int, payload: bytes, copies: list[bytes | None]) -> None:
        """A node shows this batch for the first time; `copies` is None for those that show it later."""
        reference = self.references[partition_id]
        self.note(partition_id, lsn, payload)
        self.check("log.quorum", checkers.on_a_quorum(copies, payload))
        reference.apply(lsn, payload)
        self._published += 1
        if self._published % INVARIANTS_EVERY == 0:
            self.check("machine.invariants", checkers.machine_invariants(reference.store))
        if self._published % WAKERS_EVERY == 0:
            self.check_wakers()

    def check_wakers(self) -> None:
        stores = [reference.store for reference in self.references.values()]
        self.check("machine.wakers", checkers.nobody_sleeps_for_ever(stores))

    def committed(self, partition_id: int, lsn: int, digest: int) -> None:
        """A replica has stored."""
        reference = self.references[partition_id]
        self.check("replica.digest", checkers.same_digest(reference.digests, lsn, digest))
