"""The live counters of flow control. Pure: no I/O."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from shared.catalog.catalog import Catalog
from shared.limits import Counter, Rule, RuleBook
from shared.storage.keys import COUNTER, decode_counter
from shared.storage.values import CounterRow
from shared.storage.values import decode_counter as decode_counter_row
from sqld.tables.keyspace import ranges_by_id
from sqld.tables.source import Columns, StoreTable

__all__ = ["SOURCE"]

_LEVELS = ("Scope", "Level1", "Level2")


class _Row(NamedTuple):
    partition_key: int
    counter: Counter
    counted: CounterRow
    rule: Rule | None


def _rows_under(catalog: Catalog | None) -> Callable[[bytes, bytes], _Row | None]:
    """The limits are those of the newest rule book, which a partition follows a moment later."""
    book = RuleBook([] if catalog is None else list(catalog.rules.values()))

    def row(key: bytes, value: bytes) -> _Row | None:
        counted = decode_counter_row(value)
        if not counted.usage:
            # They wait for room at another level, which tells of them as well: the oracle shows no row either.
            return None
        partition_key, path = decode_counter(key)
        counter = tuple(path.split("/"))
        return _Row(partition_key, counter, counted, book.rule_of(counter))

    return row


def _limit(row: _Row) -> int | None:
    return row.rule.concurrency if row.rule is not None else None


def _available(row: _Row) -> int | None:
    limit = _limit(row)
    return None if limit is None else max(0, limit - row.counted.usage)


_COLUMNS: Columns = {
    "partition_key": lambda row: row.partition_key,
    "scope": lambda row: row.counter[0],
    "l1": lambda row: row.counter[1] if len(row.counter) > 1 else None,
    "l2": lambda row: row.counter[2] if len(row.counter) > 2 else None,
    "level": lambda row: _LEVELS[len(row.counter) - 1],
    "usage": lambda row: row.counted.usage,
    "concurrency_limit": _limit,
    "rule_pattern": lambda row: row.rule.pattern if row.rule is not None else None,
    "available": _available,
    "num_waiters": lambda row: row.counted.waiting,
}

SOURCE = StoreTable(
    ranges=lambda constraints: ranges_by_id(COUNTER, constraints, id_column="id"),
    row=_rows_under(None),
    columns=_COLUMNS,
    row_under=_rows_under,
)
