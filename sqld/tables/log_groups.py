"""The Raft logs that the node has a member of. Pure: no I/O."""

from __future__ import annotations

from shared.api.log import GroupStatus
from sqld.tables.source import Columns, NodeTable

__all__ = ["SOURCE"]


def _partition(group: GroupStatus) -> int | None:
    prefix, _, number = group.group.partition("-")
    return int(number) if prefix == "p" and number.isdecimal() else None


_COLUMNS: Columns = {
    "name": lambda group: group.group,
    "partition": _partition,
    "leader": lambda group: group.leader,
    "leads": lambda group: group.is_leader,
    "term": lambda group: group.term,
    "first_lsn": lambda group: group.first_lsn or None,
    "committed_lsn": lambda group: group.tail_lsn,
    "stored_bytes": lambda group: group.stored_bytes,
}

SOURCE = NodeTable(rows=lambda facts, constraints: facts.log_groups(), columns=_COLUMNS)
