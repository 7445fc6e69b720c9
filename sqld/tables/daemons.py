"""The programs of the node. Pure: no I/O."""

from __future__ import annotations

from typing import NamedTuple

from sqld.tables.keyspace import Constraints
from sqld.tables.node_facts import NodeFacts, Process
from sqld.tables.source import Columns, NodeTable

__all__ = ["SOURCE"]


class _Row(NamedTuple):
    process: Process
    node: str


def _rows(facts: NodeFacts, constraints: Constraints) -> list[_Row]:
    return [_Row(process, facts.host().name) for process in facts.processes()]


_COLUMNS: Columns = {
    "name": lambda row: row.process.name,
    "node": lambda row: row.node,
    "state": lambda row: "up" if row.process.pid else "away",
    "pid": lambda row: row.process.pid or None,
    "started_at": lambda row: row.process.started_at_ms or None,
    "cpu": lambda row: row.process.cpu_ms if row.process.pid else None,
    "rss_bytes": lambda row: row.process.rss_bytes or None,
    "threads": lambda row: row.process.threads or None,
    "open_files": lambda row: row.process.open_files or None,
}

SOURCE = NodeTable(rows=_rows, columns=_COLUMNS)
