"""What is stored of each invocation. Pure: no I/O."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from shared.ids import encode_invocation_id, partition_key_of
from shared.storage.keys import INVOCATION
from shared.storage.values import Status, decode_invocation, decode_invocation_head
from shared.wal.commands import Failure, HandlerKind
from shared.wal.futures import Combinator, Future, FutureNode, Leaf, completion_of, signal_of
from sqld.tables.future_json import future_json
from sqld.tables.keyspace import ranges_by_id
from sqld.tables.source import Columns, StoreTable, time_or_none
from sqld.tables.vqueues import Entry, vqueue_id

__all__ = ["SOURCE"]


class _Known(NamedTuple):
    """What the key tells."""

    id: bytes


_STATUS = {status: status.name.lower() for status in Status}
_SERVICE_TYPE = {
    HandlerKind.SERVICE: "service",
    HandlerKind.OBJECT_EXCLUSIVE: "virtual_object",
    HandlerKind.OBJECT_SHARED: "virtual_object",
    HandlerKind.WORKFLOW_RUN: "workflow",
    HandlerKind.WORKFLOW_SHARED: "workflow",
}
#: Before it ran, an invocation has no journal to speak of.
_NOT_RUN = (Status.SCHEDULED, Status.INBOXED)


def _completion_result(row: Entry) -> str | None:
    if row.invocation.status != Status.COMPLETED:
        return None
    return "failure" if isinstance(row.invocation.result, Failure) else "success"


def _completion_failure(row: Entry) -> str | None:
    result = row.invocation.result
    return f"[{result.code}] {result.message}" if isinstance(result, Failure) else None


def _invoked_by(row: Entry) -> str:
    if row.invocation.restarted_from is not None:
        return "restart_as_new"
    return "ingress" if row.invocation.caller is None else "service"


def _trace_id(row: Entry) -> str | None:
    """W3C Trace Context, section 3.2: version, trace id, parent id and flags, with dashes; zeros mean none."""
    parts = (row.invocation.traceparent or "").split("-")
    return parts[1] if len(parts) >= 4 and len(parts[1]) == 32 and parts[1].strip("0") else None


def _waiting_json(row: Entry) -> str | None:
    waiting = row.invocation.waiting
    if waiting is None:
        return None
    return future_json(waiting.future or Future([FutureNode(0, Combinator.UNKNOWN, waiting.leaves())]))


def _numbers(row: Entry, number_of: Callable[[Leaf], int | None]) -> list[int] | None:
    waiting = row.invocation.waiting
    if waiting is None:
        return None
    return [number for leaf in waiting.leaves() if (number := number_of(leaf)) is not None]


_COLUMNS: Columns = {
    "partition_key": lambda row: partition_key_of(row.id),
    "id": lambda row: encode_invocation_id(row.id),
    "vqueue_id": vqueue_id,
    "status": lambda row: _STATUS[row.invocation.status],
    "completion_result": _completion_result,
    "completion_failure": _completion_failure,
    "target": lambda row: str(row.invocation.target),
    "target_service_name": lambda row: row.invocation.target.service,
    "target_service_key": lambda row: row.invocation.target.key,
    "target_handler_name": lambda row: row.invocation.target.handler,
    "target_service_ty": lambda row: _SERVICE_TYPE[row.invocation.target.kind],
    "scope": lambda row: row.invocation.target.scope,
    "limit_key": lambda row: row.invocation.limit_key,
    "idempotency_key": lambda row: row.invocation.idempotency_key,
    "invoked_by": _invoked_by,
    "invoked_by_id": lambda row: row.invocation.caller and encode_invocation_id(row.invocation.caller.invocation_id),
    "invoked_by_service_name": lambda row: row.invocation.caller and row.invocation.caller.target.service,
    "invoked_by_target": lambda row: row.invocation.caller and str(row.invocation.caller.target),
    "restarted_from": lambda row: row.invocation.restarted_from and encode_invocation_id(row.invocation.restarted_from),
    "pinned_deployment_id": lambda row: row.invocation.deployment_id,
    "pinned_service_protocol_version": lambda row: row.invocation.protocol_version or None,
    "trace_id": _trace_id,
    "journal_size": lambda row: None if row.invocation.status in _NOT_RUN else row.invocation.journal_length,
    "journal_commands_size": lambda row: None if row.invocation.status in _NOT_RUN else row.invocation.command_count,
    "created_at": lambda row: row.invocation.created_at_ms or None,
    "modified_at": lambda row: row.invocation.modified_at_ms or None,
    "inboxed_at": lambda row: row.invocation.inboxed_at_ms or None,
    "scheduled_at": lambda row: row.invocation.scheduled_at_ms or None,
    "scheduled_start_at": lambda row: time_or_none(row.invocation.start_at_ms),
    "running_at": lambda row: row.invocation.running_at_ms or None,
    "completed_at": lambda row: row.invocation.completed_at_ms or None,
    "completion_retention": lambda row: row.invocation.completion_retention_ms,
    "journal_retention": lambda row: row.invocation.journal_retention_ms,
    "suspended_waiting_for_completions": lambda row: _numbers(row, completion_of),
    "suspended_waiting_for_signals": lambda row: _numbers(row, signal_of),
    "suspended_waiting_future_json": _waiting_json,
}

SOURCE = StoreTable(
    ranges=lambda constraints: ranges_by_id(INVOCATION, constraints, id_column="id", key_column="target_service_key"),
    row=lambda key, value: Entry(key[1:], decode_invocation(value)),
    columns=_COLUMNS,
    row_of_key=lambda key: _Known(key[1:]),
    key_columns=frozenset(("partition_key", "id")),
    peeks={
        "created_at": lambda value: decode_invocation_head(value).created_at_ms or None,
        "modified_at": lambda value: decode_invocation_head(value).modified_at_ms or None,
    },
)
