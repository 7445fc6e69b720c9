"""Invocation statuses and the legal transitions, as a table. Pure: no I/O.

All that moves a status goes through `move`: a step that the table does not list is a bug of ours.
"""

from __future__ import annotations

from shared.storage.values import InvocationRow, Status

__all__ = ["TRANSITIONS", "move"]

#: from -> where to. A new invocation (None) begins in one of the first three.
TRANSITIONS: dict[Status | None, frozenset[Status]] = {
    None: frozenset({Status.SCHEDULED, Status.INBOXED, Status.INVOKED}),
    Status.SCHEDULED: frozenset({Status.INBOXED, Status.INVOKED, Status.COMPLETED}),
    Status.INBOXED: frozenset({Status.INVOKED, Status.COMPLETED}),
    Status.INVOKED: frozenset({Status.INVOKED, Status.SUSPENDED, Status.PAUSED, Status.COMPLETED}),
    Status.SUSPENDED: frozenset({Status.INVOKED, Status.PAUSED, Status.COMPLETED}),
    Status.PAUSED: frozenset({Status.INVOKED, Status.COMPLETED}),
    Status.COMPLETED: frozenset(),
}


def move(row: InvocationRow, to: Status, now_ms: int) -> None:
    """Change the status. INVOKED to INVOKED is the start of a further attempt chain."""
    assert to in TRANSITIONS[row.status], f"illegal transition {row.status.name} -> {to.name} of {row.target}"
    row.status = to
    row.modified_at_ms = now_ms
    if to is not Status.SUSPENDED:
        row.waiting = None
    if to is not Status.PAUSED:
        row.paused_for = None
