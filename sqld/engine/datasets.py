"""A table as DataFusion scans it: the columns and keys that the query needs, no more.

DataFusion takes any `pyarrow.dataset.Dataset`. It asks for the fragments of a filter and scans each with a
projection; the filter is declared exact, so what we return is not filtered again. Inherited methods must never be
called: there is no C++ object behind this one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds

from shared.errors import CorruptionError
from sqld.engine.expressions import predicate_of
from sqld.engine.predicates import bounds_of_columns, fields_of, narrowed
from sqld.engine.scope import Scope
from sqld.tables.keyspace import Constraints, clip
from sqld.tables.source import CatalogTable, NodeTable, Source, StoreTable

__all__ = ["TableDataset"]

#: Rows of the first batches: `limit 5` should not read thousands; later ones are as large as pays.
_BATCH_ROWS = (64, 256, 1024)
_BATCH_ROWS_MAX = 4096


class TableDataset(ds.Dataset):  # type: ignore[misc]
    """One table. `scope` gives what the query that is being planned reads."""

    def __init__(self, name: str, schema: pa.Schema, source: Source, scope: Callable[[], Scope]) -> None:
        # No super().__init__(): pyarrow forbids it for this class.
        self._name = name
        self._schema = schema
        self._source = source
        self._scope = scope

    @property
    def schema(self) -> pa.Schema:
        return self._schema

    def scanner(self, columns: list[str] | None = None, **_: Any) -> _Scanner:
        """Only its schema is used, while planning."""
        return _Scanner(_project(self._schema, columns), iter(()))

    def get_fragments(self, filter: pc.Expression | None = None) -> list[_Fragment]:
        scope = self._scope()
        return [_Fragment(self._schema, self._source, scope, scope.hints.get(self._name, {}))]


class _Scanner:
    def __init__(self, schema: pa.Schema, batches: Iterator[pa.RecordBatch]) -> None:
        self.projected_schema = schema
        self._batches = batches

    def to_batches(self) -> Iterator[pa.RecordBatch]:
        return self._batches


class _Fragment:
    """The whole table: one fragment, so that a LIMIT pulls no more than it needs."""

    def __init__(self, schema: pa.Schema, source: Source, scope: Scope, hints: Constraints) -> None:
        self._schema = schema
        self._source = source
        self._scope = scope
        self._hints = hints

    def scanner(
        self,
        schema: pa.Schema | None = None,
        columns: list[str] | None = None,
        filter: pc.Expression | None = None,
        **_: Any,
    ) -> _Scanner:
        wanted = _project(self._schema, columns)
        return _Scanner(wanted, self._batches(wanted.names, filter))

    def _batches(self, wanted: list[str], filter: pc.Expression | None) -> Iterator[pa.RecordBatch]:
        predicate = None if filter is None else predicate_of(filter)
        extra = sorted(fields_of(predicate) - set(wanted)) if predicate is not None else []
        schema = _project(self._schema, [*wanted, *extra])
        rows = self._rows(narrowed(bounds_of_columns(predicate), self._hints))
        for count in _batch_sizes():
            self._scope.check()
            chunk = list(islice(rows, count))
            if not chunk:
                return
            batch = _to_batch(chunk, schema, self._source)
            if filter is not None:
                batch = batch.filter(filter)
            if batch.num_rows:
                yield batch.select(wanted) if extra or not wanted else batch

    def _rows(self, constraints: Constraints) -> Iterator[Any]:
        source = self._source
        if isinstance(source, StoreTable):
            return _store_rows(self._scope, source, constraints)
        if isinstance(source, CatalogTable):
            catalog = self._scope.catalog
            return iter(source.rows(catalog) if catalog is not None else ())
        if isinstance(source, NodeTable):
            return iter(source.rows(self._scope.facts, constraints))
        return iter(source.rows(self._scope.states()))


def _project(schema: pa.Schema, columns: list[str] | None) -> pa.Schema:
    return schema if columns is None else pa.schema([schema.field(name) for name in columns])


def _batch_sizes() -> Iterator[int]:
    yield from _BATCH_ROWS
    while True:
        yield _BATCH_ROWS_MAX


def _store_rows(scope: Scope, source: StoreTable, constraints: Constraints) -> Iterator[Any]:
    ranges = source.ranges(constraints)
    row_of = source.row
    if source.row_under is not None and scope.catalog is not None:
        row_of = source.row_under(scope.catalog)
    for partition_id in scope.partitions():
        first_key, last_key = scope.partition_range(partition_id)
        own = [r for r in ranges if clip(r, first_key=first_key, last_key=last_key) is not None]
        # A partition that holds none of the keys is not even opened.
        snapshot = scope.snapshot(partition_id) if own else None
        if snapshot is None:
            continue
        for key, value in snapshot.rows(own):
            try:
                row = row_of(key, value)
            except Exception as error:
                raise CorruptionError(f"partition {partition_id}: unreadable row {key.hex()}: {error}") from error
            if row is not None:
                yield row


def _to_batch(rows: Iterable[Any], schema: pa.Schema, source: Source) -> pa.RecordBatch:
    rows = list(rows)
    arrays = []
    for field in schema:
        column = source.columns.get(field.name)
        if column is None:
            arrays.append(pa.nulls(len(rows), field.type))
        else:
            arrays.append(pa.array([column(row) for row in rows], field.type))
    if not arrays:
        # count(*) needs no column, but the number of rows.
        return pa.RecordBatch.from_arrays([pa.nulls(len(rows))], ["_"])
    return pa.RecordBatch.from_arrays(arrays, schema=schema)
