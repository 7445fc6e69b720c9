"""What one query reads: the catalog, each store caught up once, and whether anybody still wants the answer."""

from __future__ import annotations

import threading
from pathlib import Path

from shared.api.partition import InvocationState
from shared.catalog.catalog import Catalog
from shared.catalog.partitions import KEY_SPACE
from shared.config import Settings
from sqld.engine.live_facts import LiveFacts
from sqld.engine.stores import PartitionStore, StoreSnapshot
from sqld.engine.volatile import invocation_states
from sqld.tables.keyspace import Constraints

__all__ = ["QueryCancelledError", "Scope", "Stores"]

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


class Scope:
    """One query's view. A store is caught up when the query first reads it, and then not again."""

    def __init__(self, settings: Settings, stores: Stores, catalog: Catalog | None, cancelled: threading.Event) -> None:
        self._settings = settings
        self._stores = stores
        self._caught_up: set[int] = set()
        self._states: list[InvocationState] | None = None
        self._cancelled = cancelled
        self.catalog = catalog
        #: What the programs of the node tell of themselves.
        self.facts = LiveFacts(settings, catalog)
        #: By table: what holds for every scan of it, beyond the filter that the scan is given.
        self.hints: dict[str, Constraints] = {}

    def check(self) -> None:
        """Called between batches: ends the query when it was cancelled."""
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

    def snapshot(self, partition_id: int) -> StoreSnapshot | None:
        """The partition's rows, no older than the query."""
        store = self._stores.store(partition_id)
        if partition_id not in self._caught_up:
            store.catch_up()
            self._caught_up.add(partition_id)
        return store.snapshot()

    def states(self) -> list[InvocationState]:
        """What the workers run now, asked once a query."""
        if self._states is None:
            sockets = [self._settings.socket(f"partitiond-{n}") for n in range(self._settings.worker_count)]
            self._states = invocation_states(sockets, timeout_s=_STATES_TIMEOUT_S)
        return self._states
