"""A table as DataFusion scans it: the columns and keys that the query needs, no more.

DataFusion takes any `pyarrow.dataset.Dataset`. It asks for the fragments of a filter and scans each with a
projection; the filter is declared exact, so what we return is not filtered again. Inherited methods must never be
called: there is no C++ object behind this one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds

from sqld.engine.batches import Chunks, kept_rows, to_batch
from sqld.engine.expressions import predicate_of
from sqld.engine.first_rows import FirstRows
from sqld.engine.predicates import Predicate, bounds_of_columns, fields_of, narrowed
from sqld.engine.scan import open_scan
from sqld.engine.scope import ScanNote, Scope
from sqld.tables.keyspace import Bounds, Constraints
from sqld.tables.source import Columns, Source

__all__ = ["TableDataset"]


#: As many are filtered by Python.
_FEW_ROWS = 16


class TableDataset(ds.Dataset):  # type: ignore[misc]
    """One table. `scope` gives what the query that is being planned reads."""

    def __init__(self, name: str, schema: pa.Schema, source: Source, scope: Callable[[], Scope]) -> None:
        # No super().__init__(): pyarrow forbids it for this class.
        self._name = name
        self._schema = schema
        self._source = source
        self._scope = scope
        self._columns: list[str] = []

    @property
    def schema(self) -> pa.Schema:
        return self._schema

    def scanner(self, columns: list[str] | None = None, **_: Any) -> _Scanner:
        """Only its schema is used, while planning: just before the fragments of the same scan are asked for."""
        schema = _project(self._schema, columns)
        self._columns = schema.names
        return _Scanner(schema, iter(()))

    def get_fragments(self, filter: pc.Expression | None = None) -> list[_Fragment]:
        scope = self._scope()
        note = ScanNote(self._name, self._columns, len(self._schema), None if filter is None else str(filter))
        scope.scans.append(note)
        first = scope.first.get(self._name)
        if first is not None and _orders(self._schema, first.column) and first.column in self._source.columns:
            note.first = first
        return [_Fragment(self._schema, self._source, filter, scope, note, scope.hints.get(self._name, {}))]


class _Scanner:
    def __init__(self, schema: pa.Schema, batches: Iterator[pa.RecordBatch]) -> None:
        self.projected_schema = schema
        self._batches = batches

    def to_batches(self) -> Iterator[pa.RecordBatch]:
        return self._batches


class _Fragment:
    """The whole table: one fragment, so that a LIMIT pulls no more than it needs.

    Stores are opened here, while the plan is made, so that all scans of a plan see the same states.
    """

    def __init__(
        self,
        schema: pa.Schema,
        source: Source,
        filter: pc.Expression | None,
        scope: Scope,
        note: ScanNote,
        hints: Constraints,
    ) -> None:
        self._schema = schema
        self._source = source
        self._scope = scope
        self._note = note
        self._filter = filter
        self._tested, bounds, self._equal = _understood(filter, schema)
        self._scan = open_scan(scope, source, narrowed(bounds, hints), note)

    def scanner(
        self,
        schema: pa.Schema | None = None,
        columns: list[str] | None = None,
        filter: pc.Expression | None = None,
        **_: Any,
    ) -> _Scanner:
        wanted = _project(self._schema, columns)
        return _Scanner(wanted, self._batches(wanted))

    def _batches(self, wanted: pa.Schema) -> Iterator[pa.RecordBatch]:
        """The filter is applied exactly, on its own columns first: the others are made of the rows that pass."""
        columns, tested = self._source.columns, self._tested
        asked = set(wanted.names) | set([] if tested is None else tested.names)
        wants = self._note.first
        first = None if wants is None else FirstRows(wants, columns[wants.column])
        if wants is not None:
            asked.add(wants.column)
        for chunk in Chunks(self._scan.rows(asked), self._scope.rows_hint):
            self._scope.check()
            self._note.rows_read += len(chunk)
            if first is not None:
                chunk = first.possible(chunk)
            if self._equal is not None and len(chunk) <= _FEW_ROWS:
                chunk = _equal_rows(chunk, *self._equal, columns)
            elif tested is not None and chunk:
                chunk = kept_rows(chunk, to_batch(chunk, tested, columns), self._filter)
            if first is not None:
                chunk = first.seen(chunk)
            self._note.rows_kept += len(chunk)
            if chunk:
                yield to_batch(chunk, wanted, columns)


def _understood(
    filter: pc.Expression | None, schema: pa.Schema
) -> tuple[pa.Schema | None, dict[str, Bounds], tuple[str, str] | None]:
    """The columns that a filter reads, what it says of them, and the column and text that it is the equality of, if it
    is just that. One that we do not understand is applied to whole rows, and says nothing."""
    if filter is None:
        return None, {}, None
    try:
        predicate = predicate_of(filter)
        tested = _project(schema, sorted(fields_of(predicate) & set(schema.names)))
        return tested, bounds_of_columns(predicate), _text_equality(predicate)
    except (ValueError, RecursionError):
        return schema, {}, None


def _text_equality(predicate: Predicate) -> tuple[str, str] | None:
    match predicate:
        case ("equal", ("field", str(column)), ("literal", str(text))):
            return column, text
    return None


def _equal_rows(rows: list[Any], column: str, text: str, columns: Columns) -> list[Any]:
    """Of a look-up: Arrow takes 0.3 ms to filter one row."""
    value_of = columns.get(column)
    return [] if value_of is None else [row for row in rows if value_of(row) == text]


def _orders(schema: pa.Schema, column: str) -> bool:
    """Its values are in the same order for Python as for the engine."""
    kind = schema.field(column).type
    return bool(pa.types.is_integer(kind) or pa.types.is_timestamp(kind) or pa.types.is_large_string(kind))


def _project(schema: pa.Schema, columns: list[str] | None) -> pa.Schema:
    return schema if columns is None else pa.schema([schema.field(name) for name in columns])
