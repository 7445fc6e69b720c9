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
        """Make all tables and views known to a session."""
        for table in TABLES.values():
            dataset = TableDataset(schema_of(table.columns), SOURCES[table.name], self._current_scope)
            context.register_dataset(table.name, dataset)
        for view in VIEWS.values():
            context.sql(f"CREATE VIEW {view.name} AS {view.sql}")

    def set_catalog(self, catalog: Catalog) -> None:
        """Queries planned from now on see this one."""
        self._catalog = catalog

    def plan(self, sql: str, parameters: list[pa.Scalar], *, context: SessionContext | None = None) -> DataFrame:
        """A statement's plan. Raises QueryFailure when it is wrong or refused."""
        refused = refusal_of(sql)
        if refused is not None:
            raise refused
        values: dict[str, Any] = {str(number): value for number, value in enumerate(parameters, 1)}
        try:
            return (context or self._context).sql_with_options(sql, _READ_ONLY, param_values=values or None)
        except Exception as error:
            raise failure_of(str(error)) from error

    def begin_query(self, cancelled: threading.Event) -> None:
        """What is planned from now on reads one view of its own."""
        self._scope = Scope(self._settings, self._stores, self._catalog, cancelled)

    def rest(self) -> None:
        """Nobody has asked for a while: give memory back."""
        self._stores.close()
        pa.default_memory_pool().release_unused()

    def _current_scope(self) -> Scope:
        assert self._scope is not None, "a scan is planned within a query"
        return self._scope
