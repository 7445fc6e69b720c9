"""One query: planned, opened, fetched piece by piece. Pulls no more than it is asked for."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator

import pyarrow as pa
from datafusion import DataFrame

from sqld.engine.batches import slices
from sqld.engine.datasets import TableDataset
from sqld.engine.explain import pushed_down
from sqld.engine.failures import CANCELLED, QueryFailure, failure_of
from sqld.engine.scope import QueryCancelledError, Scope

__all__ = ["Explanation", "LookupQuery", "PlannedQuery", "Query"]


class Query(ABC):
    """Where its rows stand. `schema` is known at once; the first `fetch` starts it. `quick`: the last row is not waited
    for much longer than the first."""

    quick = False

    def __init__(self, schema: pa.Schema, scope: Scope) -> None:
        self.schema = schema
        self.scope = scope
        self._stream: Iterator[pa.RecordBatch] | None = None
        self._rest: pa.RecordBatch | None = None

    @abstractmethod
    def _batches(self) -> Iterator[pa.RecordBatch]:
        """All rows, in batches of a bounded size. Begins to read when the first is asked for."""

    def fetch(self, max_rows: int) -> Iterator[pa.RecordBatch]:
        """Batches of the next `max_rows` rows, 0 for all. Raises QueryFailure."""
        left = max_rows
        while True:
            batch = self._next()
            if batch is None:
                return
            if max_rows and batch.num_rows > left:
                self._rest = batch.slice(left)
                batch = batch.slice(0, left)
            left -= batch.num_rows
            yield batch
            if max_rows and left == 0:
                return

    def _next(self) -> pa.RecordBatch | None:
        if self._rest is not None:
            batch, self._rest = self._rest, None
            return batch
        try:
            if self._stream is None:
                self._stream = self._batches()
            return next(self._stream, None)
        except QueryFailure:
            raise
        except Exception as error:
            if self.scope.failure is not None:
                raise self.scope.failure from error
            if isinstance(error, QueryCancelledError) or QueryCancelledError.__name__ in str(error):
                raise QueryFailure("canceling statement due to user request", sqlstate=CANCELLED, status=500) from error
            raise failure_of(str(error)) from error


class PlannedQuery(Query):
    """One that DataFusion runs. `enter` makes its scope the current one: DataFusion asks for fragments while it starts
    a plan, and only then."""

    def __init__(self, plan: DataFrame, scope: Scope, enter: Callable[[Scope], None]) -> None:
        super().__init__(plan.schema(), scope)
        self._plan = plan
        self._enter = enter

    def _batches(self) -> Iterator[pa.RecordBatch]:
        self._enter(self.scope)
        for batch in self._plan.execute_stream():
            # A join or a sort may have put wide rows together.
            yield from slices(batch.to_pyarrow())


class Explanation(PlannedQuery):
    """An EXPLAIN: behind DataFusion's rows one more, with what reached the scans."""

    def _batches(self) -> Iterator[pa.RecordBatch]:
        texts: list[str] = []
        for batch in super()._batches():
            texts += batch.column(1).to_pylist()
            yield batch
        yield pushed_down(self.schema, self.scope.scans, texts)


class LookupQuery(Query):
    """Rows of one table in which a column is a text, without DataFusion. `columns`: (column, name in the answer);
    `equal`: column and text, None for null, which nothing equals."""

    quick = True

    def __init__(
        self,
        table: TableDataset,
        columns: list[tuple[str, str]],
        equal: tuple[str, str | None],
        limit: int | None,
        scope: Scope,
    ) -> None:
        super().__init__(_named(table.schema, columns), scope)
        self._table = table
        self._columns = [column for column, _ in columns]
        self._equal = equal
        self._limit = limit

    def _batches(self) -> Iterator[pa.RecordBatch]:
        column, text = self._equal
        left = self._limit
        if text is None or left == 0:
            return
        for batch in self._table.look_up(self.scope, column, text, self._columns):
            named = batch if batch.schema.names == self.schema.names else batch.rename_columns(self.schema.names)
            for piece in slices(named):
                yield piece if left is None else piece.slice(0, left)
                left = None if left is None else left - piece.num_rows
                if left is not None and left <= 0:
                    return


def _named(schema: pa.Schema, columns: list[tuple[str, str]]) -> pa.Schema:
    """The schema of some columns under names of their own."""
    if [(name, name) for name in schema.names] == columns:
        return schema
    return pa.schema([schema.field(column).with_name(name) for column, name in columns])
