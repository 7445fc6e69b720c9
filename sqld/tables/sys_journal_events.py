"""What happened to invocations beside their journals. Pure: no I/O."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

from shared.ids import encode_invocation_id, partition_key_of
from shared.storage.keys import EVENT
from shared.storage.values import EventKind, EventRow, decode_event
from shared.wal.commands import FailureDetail
from sqld.tables.keyspace import ranges_by_id
from sqld.tables.source import Columns, StoreTable

__all__ = ["SOURCE"]


class _Row(NamedTuple):
    id: bytes
    event: EventRow


_TYPE = {EventKind.TRANSIENT_ERROR: "TransientError", EventKind.PAUSED: "Paused"}


def _failure(failure: FailureDetail) -> dict[str, Any]:
    """Fields that nobody told are left out."""
    fields = {
        "error_code": failure.code,
        "error_message": failure.message,
        "error_stacktrace": failure.stacktrace or None,
        "restate_doc_error_code": failure.doc_code or None,
        "related_command_index": failure.related_index,
        "related_command_name": failure.related_name,
        "related_command_type": failure.related_type,
    }
    return {name: value for name, value in fields.items() if value is not None}


def _event_json(row: _Row) -> str:
    event = row.event
    value: dict[str, Any] = {"ty": _TYPE[event.kind]}
    if event.kind is EventKind.TRANSIENT_ERROR:
        assert event.failure is not None
        value |= _failure(event.failure)
    elif event.failure is not None:
        value["last_failure"] = _failure(event.failure)
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


_COLUMNS: Columns = {
    "partition_key": lambda row: partition_key_of(row.id),
    "id": lambda row: encode_invocation_id(row.id),
    "after_journal_entry_index": lambda row: row.event.after_index,
    "appended_at": lambda row: row.event.at_ms or None,
    "event_type": lambda row: _TYPE[row.event.kind],
    "event_json": _event_json,
}

SOURCE = StoreTable(
    ranges=lambda constraints: ranges_by_id(EVENT, constraints, id_column="id"),
    row=lambda key, value: _Row(key[1:25], decode_event(value)),
    columns=_COLUMNS,
)
