"""DataFusion's session: tables, views, memory and what is refused. Owns: the process's only sessions."""

from __future__ import annotations

import re
import shutil
import threading
from typing import Any

import pyarrow as pa
from datafusion import DataFrame, RuntimeEnvBuilder, SessionConfig, SessionContext, SQLOptions, udtf
from datafusion.catalog import Table

from shared.catalog.catalog import Catalog
from shared.config import Settings
from shared.tables.registry import TABLES, VIEWS
from sqld.engine.arrow_types import schema_of
from sqld.engine.datasets import TableDataset
from sqld.engine.explain import is_explain
from sqld.engine.failures import failure_of
from sqld.engine.first_rows import first_of, may_have_first
from sqld.engine.hints import hints_of, may_have_list
from sqld.engine.json_functions import register_json_functions
from sqld.engine.json_sql import with_json_functions
from sqld.engine.lookups import columns_of, lookup_of
from sqld.engine.pace import Pace
from sqld.engine.queries import Explanation, LookupQuery, PlannedQuery, Query
from sqld.engine.refusals import refusal_of
from sqld.engine.scope import Scope, Stores
from sqld.tables import everlog_read_lsns
from sqld.tables.registry import ONE_PASS, SOURCES

__all__ = ["CATALOG", "Engine", "new_context"]

#: As Restate's, so that queries with qualified names run unchanged.
CATALOG = "restate"
_READ_ONLY = SQLOptions().with_allow_ddl(False).with_allow_dml(False).with_allow_statements(False)
#: What asks about the tables themselves.
_ABOUT_TABLES = re.compile(r"\binformation_schema\b|^\s*(?:show|describe|desc)\b", re.I)
#: The column that tells a row's partition, wherever it is text.
_ID = "id"
_LIMIT = re.compile(r"\blimit\s+(\d{1,9})\b", re.I)


def new_context(runtime: RuntimeEnvBuilder | None = None, *, information_schema: bool = True) -> SessionContext:
    """A session without tables, in the dialect and with the names that all of ours have."""
    config = (
        SessionConfig()
        .with_information_schema(information_schema)
        .with_default_catalog_and_schema(CATALOG, "public")
        # One core a query: processors and invokers need the others more. It also keeps LIMIT lazy.
        .with_target_partitions(1)
        .with_batch_size(1024)
        .set("datafusion.sql_parser.dialect", "PostgreSQL")
        .set("datafusion.sql_parser.map_string_types_to_utf8view", "false")
        # We have none.
        .set("datafusion.execution.collect_statistics", "false")
        # Rows may be wide: a batch is not made larger than its scan made it.
        .set("datafusion.execution.coalesce_batches", "false")
    )
    return SessionContext(config, runtime)


class Engine:
    """Plans queries. One a process; not for two threads at once."""

    def __init__(
        self,
        settings: Settings,
        *,
        slot: int,
        memory_bytes: int,
        spill_bytes: int = 1 << 30,
        pace: Pace | None = None,
    ) -> None:
        self._settings = settings
        self._pace = pace if pace is not None else Pace(patience_s=0.0)
        self._stores = Stores(settings, slot=slot)
        self._catalog: Catalog | None = None
        self._scope: Scope | None = None
        spill = settings.data_path / "sqld" / "spill" / str(slot)
        # What a killed worker left behind.
        shutil.rmtree(spill, ignore_errors=True)
        spill.mkdir(parents=True, exist_ok=True)
        runtime = RuntimeEnvBuilder().with_disk_manager_specified(spill).with_fair_spill_pool(memory_bytes)
        self._context = new_context(runtime, information_schema=False)
        # The binding has no other way to it.
        self._context.sql(f"SET datafusion.runtime.max_temp_directory_size = '{max(1, spill_bytes >> 10)}K'")
        self._tables = self.register_tables(self._context, one_pass=True)
        self._about_tables: SessionContext | None = None

    def register_tables(self, context: SessionContext, *, one_pass: bool = False) -> dict[str, TableDataset]:
        """Make all tables, views and JSON functions known to a session; the tables by name. `one_pass`: views that a
        scan can make are tables."""
        register_json_functions(context)
        sources = {name: (TABLES[name].columns, source) for name, source in SOURCES.items()}
        views = dict(VIEWS)
        if one_pass:
            sources |= {name: (views.pop(name).columns, source) for name, source in ONE_PASS.items()}
        tables = {
            name: TableDataset(name, schema_of(columns), source, self._current_scope)
            for name, (columns, source) in sources.items()
        }
        for name, table in tables.items():
            context.register_dataset(name, table)
        for view in views.values():
            context.sql(f"CREATE VIEW {view.name} AS {view.sql}")
        schema = schema_of(everlog_read_lsns.COLUMNS)
        dataset = TableDataset("everlog_read_lsns()", schema, everlog_read_lsns.SOURCE, self._current_scope)
        function = Table(dataset)
        context.register_udtf(udtf(lambda: function, "everlog_read_lsns"))
        return tables

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
        refused = refusal_of(sql)
        if refused is not None:
            raise refused
        if context is None and (looked_up := self._looked_up(sql, parameters, cancelled)) is not None:
            return looked_up
        sql = with_json_functions(sql)
        plan = self._plan(sql, parameters, context or self._context_for(sql))
        scope = self._new_scope(cancelled)
        _hint(scope, sql, plan)
        limits = _LIMIT.findall(sql)
        scope.rows_hint = int(limits[0]) if len(limits) == 1 else 0
        kind = Explanation if is_explain(sql) and plan.schema().names == ["plan_type", "plan"] else PlannedQuery
        return kind(plan, scope, self._enter)

    def _looked_up(self, sql: str, parameters: list[pa.Scalar], cancelled: threading.Event) -> Query | None:
        """The query, when it only looks up rows by their id; None: plan it."""
        lookup = lookup_of(sql)
        table = None if lookup is None else self._tables.get(lookup.table)
        if lookup is None or table is None or lookup.column != _ID or _ID not in table.schema.names:
            return None
        columns = columns_of(lookup, table.schema.names)
        if columns is None or not (0 <= lookup.number <= len(parameters)):
            return None
        text: Any = lookup.text
        if lookup.number:
            value = parameters[lookup.number - 1]
            if not pa.types.is_string(value.type):
                return None
            text = value.as_py()
        return LookupQuery(table, columns, (_ID, text), lookup.limit, self._new_scope(cancelled))

    def _new_scope(self, cancelled: threading.Event) -> Scope:
        return Scope(self._settings, self._stores, self._catalog, cancelled, self._pace)

    def _context_for(self, sql: str) -> SessionContext:
        """information_schema is a catalogue more to plan over, and there views are to be views."""
        if _ABOUT_TABLES.search(sql) is None:
            return self._context
        if self._about_tables is None:
            self._about_tables = new_context()
            self.register_tables(self._about_tables)
        return self._about_tables

    def _plan(self, sql: str, parameters: list[pa.Scalar], context: SessionContext) -> DataFrame:
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


def _hint(scope: Scope, sql: str, plan: DataFrame) -> None:
    """Tell the scans what DataFusion does not, read out of its plan. Optimising that a second time costs 0.6 ms."""
    lists, first = may_have_list(sql), may_have_first(sql)
    if not lists and not first:
        return
    try:
        optimized = plan.optimized_logical_plan()
    except Exception:
        # The query fails the same way when it runs, and says so then.
        return
    if lists:
        scope.hints = hints_of(optimized)
    if first:
        scope.first = first_of(optimized)
