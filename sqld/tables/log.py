"""The records of the partitions' logs, decoded, one row a command. Pure: no I/O."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import msgspec

from shared.errors import EverlogError
from shared.ids import encode_invocation_id
from shared.wal.batch import Batch, decode_batch
from shared.wal.commands import Command
from shared.wal.plain import fields
from sqld.tables.command_words import command_words
from sqld.tables.keyspace import Bounds, Constraints
from sqld.tables.node_facts import NodeFacts
from sqld.tables.source import Columns, NodeTable, time_or_none

__all__ = ["SOURCE"]


class _Row(NamedTuple):
    """`batch` None: the record cannot be read. `command` None: it holds none."""

    partition: int
    lsn: int
    size: int
    batch: Batch | None
    place: int = 0
    command: Command | None = None
    problem: str | None = None


def _rows(facts: NodeFacts, constraints: Constraints) -> Iterator[_Row]:
    """Only of the partitions and LSNs that are asked for."""
    wanted = constraints.get("partition", Bounds())
    first, last = _lsns(constraints.get("lsn", Bounds()))
    for partition in facts.partition_table():
        if _within(partition.id, wanted):
            yield from _of_partition(facts, partition.id, first, last)


def _within(number: int, bounds: Bounds) -> bool:
    if bounds.values is not None:
        return number in bounds.values
    above = not isinstance(bounds.low, int) or number >= bounds.low
    return above and (not isinstance(bounds.high, int) or number <= bounds.high)


def _lsns(bounds: Bounds) -> tuple[int, int | None]:
    """First and last LSN; None: up to the end."""
    if bounds.values is not None:
        numbers = [value for value in bounds.values if isinstance(value, int)]
        # An empty range, when no number was asked for.
        return (min(numbers), max(numbers)) if numbers else (1, 0)
    first = bounds.low if isinstance(bounds.low, int) else 1
    return max(1, first), bounds.high if isinstance(bounds.high, int) else None


def _of_partition(facts: NodeFacts, partition: int, first: int, last: int | None) -> Iterator[_Row]:
    if last is not None and last < first:
        return
    for lsn, record in facts.records(partition, from_lsn=first):
        if last is not None and lsn > last:
            return
        try:
            batch = decode_batch(record)
        except EverlogError as error:
            yield _Row(partition, lsn, len(record), None, problem=str(error))
            continue
        for place, command in enumerate(batch.commands):
            yield _Row(partition, lsn, len(record), batch, place, command)
        if not batch.commands:
            yield _Row(partition, lsn, len(record), batch)


def _invocation_id(row: _Row) -> str | None:
    raw = getattr(row.command, "invocation_id", None) or getattr(row.command, "id", None)
    return encode_invocation_id(raw) if isinstance(raw, bytes) else None


def _json(row: _Row) -> str | None:
    return None if row.command is None else msgspec.json.encode(fields(row.command)).decode()


_COLUMNS: Columns = {
    "partition": lambda row: row.partition,
    "lsn": lambda row: row.lsn,
    "index": lambda row: row.place,
    "at": lambda row: row.batch and time_or_none(row.batch.at_ms),
    "epoch": lambda row: row.batch and row.batch.epoch,
    "seq": lambda row: row.batch and row.batch.seq,
    "command": lambda row: row.command and type(row.command).__name__,
    "invocation_id": _invocation_id,
    "words": lambda row: row.command and command_words(row.command),
    "json": _json,
    "record_bytes": lambda row: row.size,
    "problem": lambda row: row.problem,
}

SOURCE = NodeTable(rows=_rows, columns=_COLUMNS)
