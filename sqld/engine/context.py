"""DataFusion's session: tables, views, memory and what is refused. Owns: the process's only sessions."""

from __future__ import annotations

import shutil
import threading
from typing import Any

import pyarrow as pa
from datafusion import DataFrame, RuntimeEnvBuilder, SessionConfig, SessionContext, SQLOptions

from shared.catalog.catalog import Catalog
from shared.config import Settings
from shared.tables.registry import TABLES, VIEWS
from sqld.engine.arrow_types import schema_of
from sqld.engine.datasets import TableDataset
from sqld.engine.failures import failure_of, refusal_of
from sqld.engine.hints import hints_of
from sqld.engine.json_functions import register_json_functions
from sqld.engine.json_sql import with_json_functions
from sqld.engine.queries import Query
from sqld.engine.scope import Scope, Stores
from sqld.tables.registry import SOURCES

__all__ = ["CATALOG", "Engine", "new_context"]

#: As Restate's, so that queries with qualified names run unchanged.
CATALOG = "restate"
_READ_ONLY = SQLOptions().with_allow_ddl(False).with_allow_dml(False).with_allow_statements(False)


def new_context(runtime: RuntimeEnvBuilder | None = None) -> SessionContext:
    """A session without tables, in the dialect and with the names that all of ours have."""
    config = (
        SessionConfig()
        .with_information_schema(True)
        .with_default_catalog_and_schema(CATALOG, "public")
        # One core a query: processors and invokers need the others more. It also keeps LIMIT lazy.
        .with_target_partitions(1)
        .with_batch_size(1024)
        .set("datafusion.sql_parser.dialect", "PostgreSQL")
        .set("datafusion.sql_parser.map_string_types_to_utf8view", "false")
    )
    return SessionContext(config, runtime)


class Engine:
    """Plans queries. One a process; not for two threads at once."""

    def __init__(self, settings: Settings, *, slot: int, memory_bytes: int) -> None:
        self._settings = settings
        self._stores = Stores(settings, slot=slot)
        self._catalog: Catalog | None = None
        self._scope: Scope | None = None
        spill = settings.data_path / "sqld" / "spill" / str(slot)
        # What a killed worker left behind.
        shutil.rmtree(spill, ignore_errors=True)
        spill.mkdir(parents=True, exist_ok=True)
        runtime = RuntimeEnvBuilder().with_disk_manager_specified(spill).with_fair_spill_pool(memory_bytes)
        self._context = new_context(runtime)
        self.register_tables(self._context)

    def register_tables(self, context: SessionContext) -> None:
        """Make all tables, views and JSON functions known to a session."""
        register_json_functions(context)
        for table in TABLES.values():
            dataset = TableDataset(table.name, schema_of(table.columns), SOURCES[table.name], self._current_scope)
            context.register_dataset(table.name, dataset)
        for view in VIEWS.values():
            context.sql(f"CREATE VIEW {view.name} AS {view.sql}")

    def set_catalog(self, catalog: Catalog) -> None:
        """Queries planned from now on see this one."""
        self._catalog = catalog

    def query(
        self,
        sql: str,
        parameters: list[pa.Scalar],
        cancelled: threading.Event,
        *,
        context: SessionContext | None = None,
    ) -> Query:
        """Plan a statement. It ends early once `cancelled` is set. Raises QueryFailure when it is wrong or refused."""
        sql = with_json_functions(sql)
        plan = self._plan(sql, parameters, context or self._context)
        scope = Scope(self._settings, self._stores, self._catalog, cancelled)
        scope.hints = hints_of(sql, plan)
        return Query(plan, lambda: self._enter(scope))

    def _plan(self, sql: str, parameters: list[pa.Scalar], context: SessionContext) -> DataFrame:
        refused = refusal_of(sql)
        if refused is not None:
            raise refused
        values: dict[str, Any] = {str(number): value for number, value in enumerate(parameters, 1)}
        try:
            return context.sql_with_options(sql, _READ_ONLY, param_values=values or None)
        except Exception as error:
            raise failure_of(str(error)) from error

    def rest(self) -> None:
        """Nobody has asked for a while: give memory back."""
        self._stores.close()
        pa.default_memory_pool().release_unused()

    def _enter(self, scope: Scope) -> None:
        self._scope = scope

    def _current_scope(self) -> Scope:
        assert self._scope is not None, "a scan is planned within a query"
        return self._scope
