"""One query: planned, opened, fetched piece by piece. Pulls no more than it is asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pyarrow as pa
from datafusion import DataFrame

from sqld.engine.batches import slices
from sqld.engine.explain import pushed_down
from sqld.engine.failures import CANCELLED, QueryFailure, failure_of
from sqld.engine.scope import QueryCancelledError, Scope

__all__ = ["Explanation", "Query"]


class Query:
    """A plan and where its rows stand. `schema` is known at once; the first `fetch` starts it.

    `enter` makes its scope the current one: DataFusion asks for fragments while it starts a plan, and only then.
    """

    def __init__(self, plan: DataFrame, scope: Scope, enter: Callable[[Scope], None]) -> None:
        self.schema: pa.Schema = plan.schema()
        self.scope = scope
        self._plan = plan
        self._enter = enter
        self._stream: Iterator[pa.RecordBatch] | None = None
        self._rest: pa.RecordBatch | None = None

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
                self._enter(self.scope)
                self._stream = self._batches()
            return next(self._stream, None)
        except QueryFailure:
            raise
        except Exception as error:
            if self.scope.failure is not None:
                raise self.scope.failure from error
            if QueryCancelledError.__name__ in str(error):
                raise QueryFailure("canceling statement due to user request", sqlstate=CANCELLED, status=500) from error
            raise failure_of(str(error)) from error

    def _batches(self) -> Iterator[pa.RecordBatch]:
        for batch in self._plan.execute_stream():
            # A join or a sort may have put wide rows together.
            yield from slices(batch.to_pyarrow())


class Explanation(Query):
    """An EXPLAIN: behind DataFusion's rows one more, with what reached the scans."""

    def _batches(self) -> Iterator[pa.RecordBatch]:
        texts: list[str] = []
        for batch in super()._batches():
            texts += batch.column(1).to_pylist()
            yield batch
        yield pushed_down(self.schema, self.scope.scans, texts)
