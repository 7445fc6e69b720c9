"""The view `sys_invocation` in one pass: each invocation with what its leader knows of it. Pure: no I/O.

As a join in SQL it took five times as long to plan as to run, and a scan of all held a hash table of all.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from shared.api.partition import InvocationState
from shared.storage.values import Status
from shared.tables.sys_invocation import VIEW
from sqld.tables import sys_invocation_state, sys_invocation_status
from sqld.tables.source import Columns, JoinedTable

__all__ = ["SOURCE"]


class _Row(NamedTuple):
    #: Of sys_invocation_status.
    stored: Any
    state: InvocationState | None


class _Known(NamedTuple):
    """Of sys_invocation_status, what its key tells."""

    id: bytes


_STATUS = {
    Status.INBOXED: "pending",
    Status.SCHEDULED: "scheduled",
    Status.COMPLETED: "completed",
    Status.SUSPENDED: "suspended",
    Status.PAUSED: "paused",
}


def _status(row: _Row) -> str:
    known = _STATUS.get(row.stored.invocation.status)
    if known is not None:
        return known
    if row.state is None:
        return "ready"
    return "running" if row.state.in_flight else "backing-off" if row.state.retry_count > 0 else "ready"


def _of_stored(column: Callable[[Any], Any]) -> Callable[[_Row], Any]:
    return lambda row: column(row.stored)


def _of_state(column: Callable[[Any], Any]) -> Callable[[_Row], Any]:
    return lambda row: None if row.state is None else column(row.state)


def _columns() -> Columns:
    names = {column.name for column in VIEW.columns}
    stored, state = sys_invocation_status.SOURCE.columns, sys_invocation_state.SOURCE.columns
    columns = {name: _of_state(column) for name, column in state.items() if name in names}
    columns |= {name: _of_stored(column) for name, column in stored.items() if name in names}
    return columns | {"status": _status}


SOURCE = JoinedTable(
    ranges=sys_invocation_status.SOURCE.ranges,
    row=sys_invocation_status.SOURCE.row,
    # An attempt that a worker still tells of, of an invocation that is over, is none.
    may_run=lambda stored: stored.invocation.status != Status.COMPLETED,
    id_of=lambda stored: stored.id,
    joined=_Row,
    columns=_columns(),
    row_of_key=lambda key: _Row(_Known(key[1:]), None),
    key_columns=frozenset(("id",)),
    peeks=sys_invocation_status.SOURCE.peeks,
)
