"""Invocations in the words of virtual queues, which some clients ask for. Pure: no I/O.

Everlog has none: an object has an inbox, and a scope has queues for its permits. What such a client wants to know of
an invocation follows from its row all the same.
"""

from __future__ import annotations

import hashlib
from typing import NamedTuple

from shared.ids import encode_invocation_id, partition_key_of
from shared.storage.values import InvocationRow, Status
from shared.wal.commands import Failure, HandlerKind
from sqld.tables.source import Columns, time_or_none

__all__ = ["ENTRY_COLUMNS", "Entry", "vqueue_id"]

_KILLED, _CANCELED = (409, "killed"), (409, "canceled")


class Entry(NamedTuple):
    """One invocation."""

    id: bytes
    invocation: InvocationRow


def vqueue_id(entry: Entry) -> str:
    """`vq_1…`: the same for all that stand in one line."""
    target = entry.invocation.target
    # A service's name and a key may be any text, so that a separator needs a length beside it.
    parts = [target.service, target.key, target.scope, entry.invocation.limit_key]
    named = "".join("-" if part is None else f"{len(part)}:{part}" for part in parts)
    digest = hashlib.blake2b(named.encode(), digest_size=16).digest()
    return "vq_1" + encode_invocation_id(entry.id[:8] + digest).removeprefix("inv_1")


def _stage(entry: Entry) -> str:
    row = entry.invocation
    match row.status:
        case Status.SCHEDULED | Status.INBOXED:
            return "inbox"
        case Status.INVOKED:
            return "running" if not row.retry_at_ms and not row.queue_seq else "inbox"
        case Status.COMPLETED:
            return "finished"
        case _:
            return row.status.name.lower()


def _status(entry: Entry) -> str:
    row = entry.invocation
    match row.status:
        case Status.SCHEDULED:
            return "scheduled"
        case Status.INBOXED:
            return "new"
        case Status.COMPLETED:
            return _outcome(row)
        case _:
            return "backing-off" if row.retry_at_ms else "yielded" if row.queue_seq else "started"


def _outcome(row: InvocationRow) -> str:
    result = row.result
    if not isinstance(result, Failure):
        return "succeeded"
    ends = {_KILLED: "killed", _CANCELED: "cancelled"}
    return ends.get((result.code, result.message), "failed")


def _has_lock(entry: Entry) -> bool:
    row = entry.invocation
    holds = row.status in (Status.INVOKED, Status.SUSPENDED, Status.PAUSED)
    return holds and row.target.kind is HandlerKind.OBJECT_EXCLUSIVE


def _run_at(entry: Entry) -> int | None:
    row = entry.invocation
    return time_or_none(max(row.retry_at_ms, row.start_at_ms, row.created_at_ms)) if _stage(entry) == "inbox" else None


#: What both tables of entries have in common.
ENTRY_COLUMNS: Columns = {
    "partition_key": lambda entry: partition_key_of(entry.id),
    "stage": _stage,
    "status": _status,
    "has_lock": _has_lock,
    "run_at": _run_at,
    "sequence_number": lambda entry: entry.invocation.created_at_ms,
    "entry_id": lambda entry: encode_invocation_id(entry.id),
    "entry_kind": lambda entry: "invocation",
    "created_at": lambda entry: entry.invocation.created_at_ms or None,
    "transitioned_at": lambda entry: entry.invocation.modified_at_ms or None,
    # Some clients count on a number. Attempts are not counted in the store, so it is what the row shows of them.
    "num_attempts": lambda entry: int(entry.invocation.running_at_ms > 0),
    "num_errors": lambda entry: int(entry.invocation.retry_at_ms > 0),
    "num_pauses": lambda entry: int(entry.invocation.status is Status.PAUSED),
    "num_suspensions": lambda entry: int(entry.invocation.status is Status.SUSPENDED),
    "num_yields": lambda entry: int(entry.invocation.status is Status.INVOKED and entry.invocation.queue_seq > 0),
    "first_attempt_at": lambda entry: entry.invocation.running_at_ms or None,
    "first_runnable_at": lambda entry: time_or_none(max(entry.invocation.start_at_ms, entry.invocation.created_at_ms)),
    "deployment": lambda entry: entry.invocation.deployment_id,
}
