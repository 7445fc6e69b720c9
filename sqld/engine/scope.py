"""What one query reads: the catalog, each store at one applied LSN, and whether anybody still wants the answer."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

from shared.api.partition import InvocationState
from shared.catalog.catalog import Catalog
from shared.catalog.partitions import KEY_SPACE
from shared.config import Settings
from sqld.engine.failures import QueryFailure
from sqld.engine.first_rows import First
from sqld.engine.live_facts import LiveFacts
from sqld.engine.pace import Pace
from sqld.engine.stores import PartitionStore, StoreSnapshot
from sqld.engine.volatile import invocation_states
from sqld.tables.keyspace import Constraints
from sqld.tables.source import PartitionView

__all__ = ["QueryCancelledError", "ScanNote", "Scope", "Stores"]

_STATES_TIMEOUT_S = 1.0


class QueryCancelledError(Exception):
    """Nobody wants the answer any more."""


class Stores:
    """All partitions' stores of this process. `slot` keeps two query workers' secondaries apart."""

    def __init__(self, settings: Settings, *, slot: int) -> None:
        self._data = settings.data_path
        self._slot = slot
        self._stores: dict[int, PartitionStore] = {}

    def store(self, partition_id: int) -> PartitionStore:
        found = self._stores.get(partition_id)
        if found is None:
            secondary = self._data / "sqld" / "secondary" / str(partition_id) / str(self._slot)
            found = PartitionStore(self._path(partition_id), secondary_path=secondary)
            self._stores[partition_id] = found
        return found

    def found(self) -> list[int]:
        """Ids of the partitions that have a folder."""
        folder = self._data / "partitions"
        names = [path.name for path in folder.iterdir()] if folder.is_dir() else []
        return sorted(int(name) for name in names if name.isdecimal())

    def close(self) -> None:
        """Give the memory of all of them back."""
        for store in self._stores.values():
            store.close()

    def _path(self, partition_id: int) -> Path:
        return self._data / "partitions" / str(partition_id) / "store"


class ScanNote:
    """What one scan of a table reads, for EXPLAIN. `rows_read` and `rows_kept` count as it runs."""

    def __init__(self, table: str, columns: list[str], of_columns: int, filter: str | None) -> None:
        self.table = table
        self.columns = columns
        self.of_columns = of_columns
        self.filter = filter
        #: Says which rows, in words.
        self.keys: Callable[[], str] = str
        #: (partition id, applied LSN), of those that are read.
        self.partitions: list[tuple[int, int]] = []
        self.of_partitions = 0
        #: Which of them are wanted.
        self.first: First | None = None
        self.rows_read = 0
        self.rows_kept = 0


class Scope:
    """One query's view.

    A store is caught up when the query first opens it and then not again. All scans of a plan open theirs while the
    plan is made, one after the other with nothing between: so all of them see each partition at one applied LSN.
    """

    def __init__(
        self, settings: Settings, stores: Stores, catalog: Catalog | None, cancelled: threading.Event, pace: Pace
    ) -> None:
        self._settings = settings
        self._stores = stores
        #: Of the stores that are open: which generation.
        self._pinned: dict[int, int] = {}
        #: What each worker told.
        self._states: dict[int, list[InvocationState]] = {}
        self._cancelled = cancelled
        self._pace = pace
        pace.begin()
        self.catalog = catalog
        #: What the programs of the node tell of themselves.
        self.facts = LiveFacts(settings, catalog)
        #: By table: what holds for every scan of it, beyond the filter that the scan is given.
        self.hints: dict[str, Constraints] = {}
        #: By table: which rows of its only scan are wanted.
        self.first: dict[str, First] = {}
        #: More rows than this are not wanted of the whole answer; 0: unknown. Only the size of batches depends on it.
        self.rows_hint = 0
        #: All scans, in the order in which they were planned.
        self.scans: list[ScanNote] = []
        #: What made the query fail within a scan: DataFusion would make a text of it.
        self.failure: QueryFailure | None = None

    def check(self) -> None:
        """Called between batches: rests while others want the machine, ends the query when it was cancelled."""
        self._pace.rest(self._cancelled)
        if self._cancelled.is_set():
            raise QueryCancelledError("the query was cancelled")

    def partitions(self) -> list[int]:
        """Ids of all partitions, in the order of their keys."""
        if self.catalog is None:
            # metad has been away since we started: what lies on the disk is still worth showing.
            return self._stores.found()
        return [p.id for p in self.catalog.partition_table.partitions]

    def partition_range(self, partition_id: int) -> tuple[int, int]:
        """First and last key, by the catalog; everything when that is unknown."""
        if self.catalog is None:
            return 0, KEY_SPACE - 1
        found = next(p for p in self.catalog.partition_table.partitions if p.id == partition_id)
        return found.start_key, found.end_key

    def open(self, partition_id: int) -> StoreSnapshot | None:
        """The partition's rows, no older than the query, for one scan. None when there are none."""
        store = self._stores.store(partition_id)
        if partition_id not in self._pinned:
            store.catch_up()
            self._pinned[partition_id] = store.generation
        elif self._pinned[partition_id] != store.generation:
            # A plan that scans anew in the midst of its answer, while another query of this process has begun.
            text = f"the state of partition {partition_id} that this query began with is gone; run it again"
            self.failure = QueryFailure(text, sqlstate="40001", status=503)
            raise self.failure
        return store.snapshot()

    def views(self) -> list[PartitionView]:
        """Which state of each partition this query reads."""
        found = [(partition_id, self.open(partition_id)) for partition_id in self.partitions()]
        return [
            PartitionView(partition_id, snapshot.meta.applied_lsn, snapshot.meta.time_ms)
            for partition_id, snapshot in found
            if snapshot is not None and snapshot.meta is not None
        ]

    def states(self) -> list[InvocationState]:
        """What the workers run now, asked once a query."""
        workers = range(self._settings.worker_count)
        self._ask([worker for worker in workers if worker not in self._states])
        return [state for worker in workers for state in self._states[worker]]

    def states_of(self, partition_id: int) -> list[InvocationState]:
        """What the worker of this partition runs now."""
        worker = self._settings.worker_of(partition_id)
        if worker not in self._states:
            self._ask([worker])
        return self._states[worker]

    def _ask(self, workers: list[int]) -> None:
        sockets = [self._settings.socket(f"partitiond-{worker}") for worker in workers]
        told = invocation_states(sockets, timeout_s=_STATES_TIMEOUT_S)
        self._states |= dict(zip(workers, told, strict=True))
