"""An engine over stores that the test fills, without a process of its own."""

from __future__ import annotations

import re
import threading
from pathlib import Path
from typing import Any

import pyarrow as pa

from shared.catalog.partitions import even_partitions
from shared.config import Settings
from sqld.engine.context import Engine
from sqld.engine.queries import Query
from tests.fakes.meta_push import example_catalog
from tests.fakes.partition_store import FakePartition

__all__ = ["EngineOn"]

_READ = re.compile(r"(\d+) rows read")


class EngineOn:
    """Stores of a node in `data`, and an engine that reads them."""

    def __init__(self, data: Path, *, partitions: int = 4) -> None:
        self.partitions = [FakePartition(data, partition) for partition in even_partitions(partitions)]
        self.engine = Engine(Settings(data_dir=str(data), workers=2), slot=0, memory_bytes=64 << 20)
        self.engine.set_catalog(example_catalog(partitions=partitions))
        self.cancelled = threading.Event()

    def write(self, rows: dict[bytes, bytes]) -> None:
        """Each row into the store of its partition key."""
        for fake in self.partitions:
            first, last = fake.partition.start_key, fake.partition.end_key
            own = {key: value for key, value in rows.items() if first <= int.from_bytes(key[1:9], "big") <= last}
            if own:
                fake.write(own)

    def query(self, sql: str, *parameters: Any) -> Query:
        return self.engine.query(sql, [pa.scalar(value) for value in parameters], self.cancelled)

    def rows(self, sql: str, *parameters: Any) -> list[dict[str, Any]]:
        return [row for batch in self.query(sql, *parameters).fetch(0) for row in batch.to_pylist()]

    def pushed_down(self, sql: str) -> str:
        """What EXPLAIN says of the scans."""
        (text,) = (row["plan"] for row in self.rows(f"EXPLAIN {sql}") if row["plan_type"] == "pushed_down")
        return str(text)

    def rows_read(self, sql: str, *parameters: Any) -> int:
        """How many rows all scans of a query read."""
        query = self.query(sql, *parameters)
        for _ in query.fetch(0):
            pass
        return sum(scan.rows_read for scan in query.scope.scans)

    def close(self) -> None:
        self.engine.rest()
        for partition in self.partitions:
            partition.close()
