"""How each partition of the node stands. Pure: no I/O."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from shared.api.log import GroupStatus, partition_group
from shared.api.partition import PartitionStatus
from shared.catalog.partitions import Partition
from sqld.tables.keyspace import Constraints
from sqld.tables.node_facts import NodeFacts, OpenPartition
from sqld.tables.source import Columns, NodeTable

__all__ = ["SOURCE"]


class _Row(NamedTuple):
    partition: Partition
    open: OpenPartition
    group: GroupStatus | None
    node: str
    store_bytes: int


def _rows(facts: NodeFacts, constraints: Constraints) -> Iterator[_Row]:
    groups = {group.group: group for group in facts.log_groups()}
    for partition in facts.partition_table():
        group = groups.get(partition_group(partition.id))
        bytes_ = facts.store_bytes(partition.id)
        yield _Row(partition, facts.open_partition(partition.id), group, facts.host().name, bytes_)


def _of_status(value: Callable[[PartitionStatus], Any]) -> Callable[[_Row], Any]:
    """Of what the worker tells; null when it tells nothing."""
    return lambda row: None if row.open.status is None else value(row.open.status)


def _state(row: _Row) -> str:
    status = row.open.status
    if row.open.trouble or status is None:
        return row.open.trouble or "not open"
    return "leads" if status.ready else status.replay or "no leader yet"


def _committed(row: _Row) -> int | None:
    told = [] if row.open.status is None else [row.open.status.tail_lsn]
    # Asked one after the other: the later of the two is as true.
    return max([*told, *([] if row.group is None else [row.group.tail_lsn])], default=None)


def _lag(row: _Row) -> int | None:
    committed = _committed(row)
    return None if row.open.status is None or committed is None else max(0, committed - row.open.status.applied_lsn)


def _trimmed(row: _Row) -> int | None:
    if row.group is None:
        return None
    return row.group.first_lsn - 1 if row.group.first_lsn else row.group.tail_lsn


_COLUMNS: Columns = {
    "partition": lambda row: row.partition.id,
    "start_key": lambda row: row.partition.start_key,
    "end_key": lambda row: row.partition.end_key,
    "leader": lambda row: row.node if row.open.status is not None and row.open.status.ready else None,
    "worker": lambda row: row.open.worker,
    "state": _state,
    "epoch": _of_status(lambda status: status.epoch),
    "applied_lsn": _of_status(lambda status: status.applied_lsn),
    "durable_lsn": _of_status(lambda status: status.durable_lsn),
    "trimmed_lsn": _trimmed,
    "committed_lsn": _committed,
    "lag": _lag,
    "waiting": _of_status(lambda status: status.inflight),
    "store_bytes": lambda row: row.store_bytes,
    "log_bytes": lambda row: None if row.group is None else row.group.stored_bytes,
}

SOURCE = NodeTable(rows=_rows, columns=_COLUMNS)
