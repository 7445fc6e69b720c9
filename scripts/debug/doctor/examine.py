"""All checks of one source, in order."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack

from scripts.debug.doctor.anew import check_replay
from scripts.debug.doctor.between import check_between
from scripts.debug.doctor.catalog import check_catalog, registry_of
from scripts.debug.doctor.checkpoints import check_checkpoints, check_snapshot
from scripts.debug.doctor.findings import Checked, Finding, at_most, rebuild_remedy
from scripts.debug.doctor.folder import check_folder
from scripts.debug.doctor.logs import check_bounds, check_log
from scripts.debug.doctor.stores import check_durable, check_store
from scripts.debug.snapshot import SnapshotSource
from scripts.debug.source import DataDirectory, Source
from scripts.debug.stores import StoreReader
from shared.api.log import META_GROUP, partition_group
from shared.errors import CorruptionError, EverlogError

__all__ = ["examine"]

#: Between two looks at a node that runs: messages on their way arrive meanwhile.
_PAUSE_S = 1.0


def examine(source: Source, checked: Checked, *, replay: bool = False) -> Iterator[Finding]:
    """Every finding. The stores are opened before the logs are read: what they have applied is then in the logs.

    `replay`: also whether each store is what its log says.
    """
    if isinstance(source, DataDirectory):
        yield from check_folder(source.path, checked, running=source.running)
    if isinstance(source, SnapshotSource):
        broken = list(at_most(check_snapshot(source, checked)))
        yield from broken
        if broken:
            checked.skipped.append("rows and logs: files of the snapshot are damaged")
            return
    with ExitStack() as stack:
        stores: dict[int, StoreReader] = {}
        try:
            partitions = source.partitions()
        except CorruptionError as error:
            yield Finding("log", str(source.path), str(error), "restore a snapshot (everlog snapshot import)")
            return
        for number in partitions:
            try:
                store = source.store(number)
            except EverlogError as error:
                yield Finding("store", f"partition {number}", str(error), rebuild_remedy(number))
                continue
            if store is not None:
                stack.callback(store.close)
                stores[number] = store
        unreadable = set()
        for number in partitions:
            for finding in _one_partition(source, number, stores.get(number), checked):
                if finding.check == "store":
                    unreadable.add(number)
                yield finding
        if unreadable:
            checked.skipped.append(
                f"messages, wakers, catalog: partitions {sorted(unreadable)} have faults of their own"
            )
        else:
            yield from _all_partitions(source, stores, checked)
    if replay:
        for number in partitions:
            yield from check_replay(source, number, checked)


def _one_partition(source: Source, number: int, store: StoreReader | None, checked: Checked) -> Iterator[Finding]:
    group = partition_group(number)
    log = source.log(group)
    if log is not None:
        log.catch_up()
        yield from at_most(check_log(group, log, checked))
        yield from check_bounds(group, log, store)
    if store is not None:
        yield from at_most(check_store(number, store, checked))
        if log is not None and isinstance(source, DataDirectory) and not source.running:
            yield from check_durable(number, source.durable(number), log.trim_lsn)
    if isinstance(source, DataDirectory):
        yield from check_checkpoints(source, number, log, checked)


def _all_partitions(source: Source, stores: dict[int, StoreReader], checked: Checked) -> Iterator[Finding]:
    meta = source.log(META_GROUP)
    state = None if meta is None else registry_of(meta)
    table = None if state is None else state.partition_table
    complete = table is not None and {partition.id for partition in table.partitions} <= set(stores)
    checked.add("stores", len(stores))
    found = list(check_between(stores, complete=complete))
    if found and source.running:
        time.sleep(_PAUSE_S)
        for store in stores.values():
            store.catch_up()
        again = set(check_between(stores, complete=complete))
        found = [finding for finding in found if finding in again]
    yield from at_most(found)
    if not complete:
        checked.skipped.append("whether partitions are missing: not all of the partition table's are here")
    if meta is not None:
        yield from at_most(check_log(META_GROUP, meta, checked))
    if state is None:
        checked.skipped.append("catalog: there is no log of the control plane, or it is not whole")
        return
    checked.add("deployments", len(state.deployments))
    yield from at_most(check_catalog(state, stores))
