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
from sqld.engine.scan import Wanted, open_scan
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
        understood = _understood(filter, self._schema)
        return [_Fragment(self._schema, self._source, understood, scope, note, scope.hints.get(self._name, {}))]

    def look_up(self, scope: Scope, column: str, text: str, names: list[str]) -> Iterator[pa.RecordBatch]:
        """Columns of the rows in which one column is a text, without an engine. The scan is opened at once."""
        note = ScanNote(self._name, names, len(self._schema), f'({column} == "{text}")')
        scope.scans.append(note)
        equal = _Filter(bounds={column: Bounds(frozenset((text,)))}, equal=(column, text))
        fragment = _Fragment(self._schema, self._source, equal, scope, note, {})
        return fragment.scanner(columns=names).to_batches()


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
        filter: _Filter,
        scope: Scope,
        note: ScanNote,
        hints: Constraints,
    ) -> None:
        self._schema = schema
        self._source = source
        self._scope = scope
        self._note = note
        self._filter = filter
        self._scan = open_scan(scope, source, narrowed(filter.bounds, hints), note)

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
        columns, filter = self._source.columns, self._filter
        asked = set(wanted.names) | filter.columns
        of, first, first_alone = self._note.first, None, None
        if of is not None:
            first = FirstRows(of, columns[of.column])
            first_alone = Wanted(of.column, first.test_of)
            asked.add(of.column)
        for chunk in Chunks(self._scan.rows(asked, first_alone), self._scope.rows_hint):
            self._scope.check()
            self._note.rows_read += len(chunk)
            if first is not None:
                chunk = first.possible(chunk)
            chunk = filter.passed(chunk, columns)
            if first is not None:
                chunk = first.seen(chunk)
            self._note.rows_kept += len(chunk)
            if chunk:
                yield to_batch(chunk, wanted, columns)


class _Filter:
    """What a scan's rows must be: `expression` over the columns `tested`, or that one column is a text (`equal`: column
    and text), or both, which then say the same. `bounds`: what that says of single columns."""

    def __init__(
        self,
        *,
        expression: pc.Expression | None = None,
        tested: pa.Schema | None = None,
        bounds: dict[str, Bounds] | None = None,
        equal: tuple[str, str] | None = None,
    ) -> None:
        self._expression = expression
        self._tested = tested
        self._equal = equal
        self.bounds = bounds or {}
        self.columns = set([] if tested is None else tested.names) | set([] if equal is None else equal[:1])

    def passed(self, rows: list[Any], columns: Columns) -> list[Any]:
        """Those of the rows that pass."""
        if self._equal is not None and (len(rows) <= _FEW_ROWS or self._tested is None):
            # Of a look-up: Arrow takes 0.3 ms to filter one row.
            column, text = self._equal
            value_of = columns.get(column)
            return [] if value_of is None else [row for row in rows if value_of(row) == text]
        if self._tested is None or not rows:
            return rows
        return kept_rows(rows, to_batch(rows, self._tested, columns), self._expression)


def _understood(filter: pc.Expression | None, schema: pa.Schema) -> _Filter:
    """A filter of the engine. One that we do not understand is applied to whole rows, and says nothing."""
    if filter is None:
        return _Filter()
    try:
        predicate = predicate_of(filter)
        tested = _project(schema, sorted(fields_of(predicate) & set(schema.names)))
        bounds, equal = bounds_of_columns(predicate), _text_equality(predicate)
        return _Filter(expression=filter, tested=tested, bounds=bounds, equal=equal)
    except (ValueError, RecursionError):
        return _Filter(expression=filter, tested=schema)


def _text_equality(predicate: Predicate) -> tuple[str, str] | None:
    match predicate:
        case ("equal", ("field", str(column)), ("literal", str(text))):
            return column, text
    return None


def _orders(schema: pa.Schema, column: str) -> bool:
    """Its values are in the same order for Python as for the engine."""
    kind = schema.field(column).type
    return bool(pa.types.is_integer(kind) or pa.types.is_timestamp(kind) or pa.types.is_large_string(kind))


def _project(schema: pa.Schema, columns: list[str] | None) -> pa.Schema:
    return schema if columns is None or columns == schema.names else pa.schema([schema.field(name) for name in columns])
