"""The node that answers. Pure: no I/O."""

from __future__ import annotations

from typing import NamedTuple

from sqld.tables.keyspace import Constraints
from sqld.tables.node_facts import Host, NodeFacts
from sqld.tables.source import Columns, NodeTable

__all__ = ["SOURCE"]


class _Row(NamedTuple):
    host: Host
    open: int
    leads: int
    store_bytes: int
    log_bytes: int


def _rows(facts: NodeFacts, constraints: Constraints) -> list[_Row]:
    ids = [partition.id for partition in facts.partition_table()]
    told = [status for number in ids if (status := facts.open_partition(number).status) is not None]
    leads = sum(status.ready for status in told)
    return [_Row(facts.host(), len(told), leads, sum(map(facts.store_bytes, ids)), facts.log_bytes())]


_COLUMNS: Columns = {
    "name": lambda row: row.host.name,
    "cluster": lambda row: row.host.cluster,
    "ingress": lambda row: row.host.ingress,
    "admin": lambda row: row.host.admin,
    "sql": lambda row: row.host.sql,
    "workers": lambda row: row.host.workers,
    "partitions": lambda row: row.open,
    "leads": lambda row: row.leads,
    "store_bytes": lambda row: row.store_bytes,
    "log_bytes": lambda row: row.log_bytes,
    "disk_bytes": lambda row: row.host.disk_bytes,
    "disk_free_bytes": lambda row: row.host.disk_free_bytes,
}

SOURCE = NodeTable(rows=_rows, columns=_COLUMNS)
