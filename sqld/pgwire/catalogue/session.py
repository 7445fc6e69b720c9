"""A DataFusion session with pg_catalog, made when first asked: most clients never do.

It is a session of its own, so that `information_schema` shows other queries what the oracle would show.
"""

from __future__ import annotations

import functools
import re
import threading

import pyarrow as pa
from datafusion import SessionContext
from datafusion.catalog import Schema

from sqld.engine.context import CATALOG, Engine, new_context
from sqld.engine.failures import QueryFailure
from sqld.engine.queries import Query

__all__ = ["CatalogueSession"]

_PLACE = re.compile(r" at Line: \d+, Column: \d+")
_KINDS = {
    "i": pa.int64(),
    "t": pa.string(),
    "b": pa.bool_(),
    "f": pa.float64(),
    "I": pa.list_(pa.int64()),
    "T": pa.list_(pa.string()),
}


class CatalogueSession:
    """Plans catalogue queries. Our own tables are there as well, for queries that join both."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def rewritten(self, sql: str, session: dict[str, str]) -> str | None:
        """The query as this session runs it; None: it is no catalogue query. `session` as in `rewrite`."""
        # Imported when needed: sqlglot takes 8 MB that a worker without such clients does not pay.
        from sqld.pgwire.catalogue.rewrite import is_catalogue_query, rewrite

        return rewrite(sql, session) if is_catalogue_query(sql) else None

    def query(self, rewritten: str, parameters: list[pa.Scalar], cancelled: threading.Event) -> Query:
        """Plan a query that `rewritten` gave. Raises QueryFailure, without a place: that would be one of our text."""
        try:
            return self._engine.query(rewritten, parameters, cancelled, context=self._context)
        except QueryFailure as failure:
            message = _PLACE.sub("", failure.message)
            raise QueryFailure(message, sqlstate=failure.sqlstate, status=failure.status) from failure

    @functools.cached_property
    def _context(self) -> SessionContext:
        from sqld.pgwire.catalogue.functions import register_functions
        from sqld.pgwire.catalogue.information_schema import INFORMATION_SCHEMA
        from sqld.pgwire.catalogue.relations import RELATIONS

        context = new_context()
        self._engine.register_tables(context)
        schema = Schema.memory_schema()
        context.catalog(CATALOG).register_schema("pg_catalog", schema)
        public = context.catalog(CATALOG).schema("public")
        described = {f"information_schema_{name}": relation for name, relation in INFORMATION_SCHEMA.items()}
        for name, relation in (RELATIONS | described).items():
            fields = pa.schema([pa.field(column, _KINDS[kind]) for column, kind in relation.pairs])
            rows = relation.rows()
            arrays = [pa.array([row[i] for row in rows], field.type) for i, field in enumerate(fields)]
            batch = pa.RecordBatch.from_arrays(arrays, schema=fields)
            # A batch can only be registered by the session, which puts it into `public`: moved from there.
            context.register_record_batches(f"_{name}", [[batch]])
            schema.register_table(name, public.table(f"_{name}"))
            context.deregister_table(f"_{name}")
        register_functions(context)
        return context
