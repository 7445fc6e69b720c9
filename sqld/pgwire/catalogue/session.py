"""A DataFusion session with pg_catalog, made when first asked: most clients never do."""

from __future__ import annotations

import pyarrow as pa
from datafusion import DataFrame

from sqld.engine.context import Engine

__all__ = ["CatalogueSession"]


class CatalogueSession:
    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def answers(self, sql: str) -> bool:
        return False

    def plan(self, sql: str, parameters: list[pa.Scalar]) -> DataFrame:
        return self._engine.plan(sql, parameters)
