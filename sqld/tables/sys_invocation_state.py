"""What the invokers know of running attempts. Pure: no I/O."""

from __future__ import annotations

from shared.ids import encode_invocation_id, partition_key_of
from sqld.tables.future_json import future_json
from sqld.tables.source import Columns, VolatileTable

__all__ = ["SOURCE"]

_COLUMNS: Columns = {
    "partition_key": lambda state: partition_key_of(state.id),
    "id": lambda state: encode_invocation_id(state.id),
    "in_flight": lambda state: state.in_flight,
    "retry_count": lambda state: state.retry_count,
    "last_start_at": lambda state: state.last_start_at_ms or None,
    "last_attempt_deployment_id": lambda state: state.last_attempt_deployment_id,
    "last_attempt_server": lambda state: state.last_attempt_server,
    "next_retry_at": lambda state: state.next_retry_at_ms or None,
    "last_failure": lambda state: state.last_failure,
    "last_failure_error_code": lambda state: state.last_failure_error_code,
    "last_failure_related_command_index": lambda state: state.last_failure_related_command_index,
    "last_failure_related_command_name": lambda state: state.last_failure_related_command_name,
    "last_failure_related_command_type": lambda state: state.last_failure_related_command_type,
    "last_awaiting_on_future_json": lambda state: state.last_awaiting_on and future_json(state.last_awaiting_on),
}

SOURCE = VolatileTable(rows=lambda states: states, columns=_COLUMNS)
