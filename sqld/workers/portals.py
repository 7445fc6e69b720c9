"""The worker's open queries. Runs in the query worker.

A portal is planned by `Open` and runs while it is fetched; between fetches it holds its place at no cost, so one
worker can keep many.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

from sqld.engine.context import Engine
from sqld.engine.failures import CANCELLED, QueryFailure
from sqld.engine.queries import Query
from sqld.engine.results import FORMATS, BodyWriter
from sqld.pgwire.catalogue.session import CatalogueSession
from sqld.pgwire.parameters import infer_types
from sqld.pgwire.rows import PgRows, pg_columns
from sqld.pgwire.scalars import scalars
from sqld.pgwire.types import ARRAYS
from sqld.workers.protocol import Describe, Described, Fetch, Fetched, Open, Opened, Output

__all__ = ["Portals"]

#: Of an answer that is not sent before its end, since that is near.
_HELD_BYTES_MAX = 64 * 1024


class _Portal:
    def __init__(self, query: Query, writer: BodyWriter) -> None:
        self.query = query
        self.writer = writer
        self.begun = False


class Portals:
    """Carries out the parent's requests. `cancelled` is set while the running one should end."""

    def __init__(self, engine: Engine, cancelled: threading.Event) -> None:
        self._engine = engine
        self._catalogue = CatalogueSession(engine)
        self._cancelled = cancelled
        self._portals: dict[int, _Portal] = {}

    def describe(self, request: Describe) -> Described:
        """Parameters and columns of a prepared statement. Parameters nobody typed are inferred, else text."""
        types = infer_types(request.sql, request.parameter_types)
        # Null stands for any value, but DataFusion cannot plan `= ANY(NULL)`.
        values = [b"{}" if oid in ARRAYS else None for oid in types]
        query = self._plan(request.sql, values, [], types, request.session)
        return Described(types, pg_columns(query.schema))

    def open(self, request: Open) -> Opened:
        """Plan a query."""
        pg = request.output.kind == "pg"
        types = request.parameter_types
        if (pg and len(types) < len(request.parameters)) or 0 in types:
            types = infer_types(request.sql, types)
        session = request.session if pg else None
        query = self._plan(request.sql, request.parameters, request.parameter_formats, types, session)
        self._portals[request.portal] = _Portal(query, _writer(request.output))
        return Opened(pg_columns(query.schema) if pg else [])

    def fetch(self, request: Fetch, send: Callable[[bytes], None]) -> Fetched:
        """Run a query for some rows; their bytes go to `send`."""
        portal = self._portals.get(request.portal)
        if portal is None:
            raise QueryFailure("this query is not open any more", sqlstate="34000", status=500)
        if request.formats is not None and isinstance(portal.writer, PgRows):
            portal.writer.formats = request.formats
        rows = 0
        held = b""
        for data, count in self._pieces(portal, request.max_rows):
            if self._cancelled.is_set():
                raise QueryFailure("canceling statement due to user request", sqlstate=CANCELLED, status=500)
            rows += count
            held += data
            if not portal.query.quick or len(held) > _HELD_BYTES_MAX:
                send(held)
                held = b""
        complete = request.max_rows == 0 or rows < request.max_rows
        if complete:
            held += self._begin(portal) + portal.writer.end()
            self.close(request.portal)
        return Fetched(rows, complete, held)

    def _pieces(self, portal: _Portal, max_rows: int) -> Iterator[tuple[bytes, int]]:
        # The first batch is awaited before the body begins: an error before it is a whole answer of its own.
        for batch in portal.query.fetch(max_rows):
            count = batch.num_rows
            begin = self._begin(portal)
            for data in portal.writer.batch(batch):
                yield begin + data, count
                begin, count = b"", 0
            if begin:
                yield begin, 0

    def _begin(self, portal: _Portal) -> bytes:
        if portal.begun:
            return b""
        portal.begun = True
        return portal.writer.begin(portal.query.schema)

    def close(self, number: int) -> None:
        """Forget a query; one that is not open is none."""
        self._portals.pop(number, None)

    @property
    def idle(self) -> bool:
        """No query is open."""
        return not self._portals

    def _plan(
        self,
        sql: str,
        parameters: list[bytes | None],
        formats: list[int],
        types: list[int],
        session: dict[str, str] | None,
    ) -> Query:
        # `session` None: it is no PostgreSQL client that asks, and there is no pg_catalog.
        values = scalars(parameters, formats, types)
        rewritten = None if session is None else self._catalogue.rewritten(sql, session)
        if rewritten is not None:
            return self._catalogue.query(rewritten, values, self._cancelled)
        return self._engine.query(sql, values, self._cancelled)


def _writer(output: Output) -> BodyWriter:
    if output.kind == "pg":
        return PgRows(output.formats)
    return FORMATS[output.kind]()
