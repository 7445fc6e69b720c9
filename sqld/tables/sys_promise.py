"""Durable promises of workflows. Pure: no I/O."""

from __future__ import annotations

from typing import NamedTuple

from shared.storage.keys import PROMISE, decode_object
from shared.storage.values import PromiseRow, decode_promise
from shared.wal.commands import Failure
from sqld.tables.keyspace import ranges_by_object
from sqld.tables.source import Columns, StoreTable, utf8_or_none

__all__ = ["SOURCE"]


class _Row(NamedTuple):
    partition_key: int
    scope: str | None
    service: str
    key: str
    name: bytes
    promise: PromiseRow


def _success(row: _Row) -> bytes | None:
    return row.promise.result if isinstance(row.promise.result, bytes) else None


def _success_utf8(row: _Row) -> str | None:
    value = _success(row)
    return None if value is None else utf8_or_none(value)


def _failure(row: _Row) -> str | None:
    result = row.promise.result
    if not isinstance(result, Failure):
        return None
    # Here, and not in sys_invocation, the oracle names the code.
    code = "500 Internal" if result.code == 500 else str(result.code)
    return f"[{code}] {result.message}"


_COLUMNS: Columns = {
    "partition_key": lambda row: row.partition_key,
    "scope": lambda row: row.scope,
    "service_name": lambda row: row.service,
    "service_key": lambda row: row.key,
    "key": lambda row: row.name.decode(),
    "completed": lambda row: row.promise.completed,
    "completion_success_value": _success,
    "completion_success_value_utf8": _success_utf8,
    "completion_failure": _failure,
}

SOURCE = StoreTable(
    ranges=lambda constraints: ranges_by_object(PROMISE, constraints, name_column="key"),
    row=lambda key, value: _Row(*decode_object(key), decode_promise(value)),
    columns=_COLUMNS,
)
