"""Where the rows of one scan come from: opened while the plan is made, read when it runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple, Protocol

from shared.api.partition import InvocationState
from shared.errors import CorruptionError
from sqld.engine.scope import ScanNote, Scope
from sqld.engine.stores import StoreSnapshot
from sqld.tables.keyspace import Constraints, KeyRange, clip
from sqld.tables.source import CatalogTable, JoinedTable, NodeTable, Source, StoreTable, ViewTable

__all__ = ["Scan", "Wanted", "open_scan"]


#: Rows that are passed over before it is looked whether the query is to go on.
_LOOK_EVERY = 4096


class Wanted(NamedTuple):
    """Rows that say something else of a column may be left out."""

    column: str
    #: How the column is read off a stored value -> whether such a row is wanted.
    test_of: Callable[[Callable[[bytes], Any]], Callable[[bytes], bool]]


class Scan(Protocol):
    """Rows, each with how many bytes it takes in the store. A plan may ask for them more than once."""

    def rows(self, columns: set[str], wanted: Wanted | None = None) -> Iterator[tuple[Any, int]]:
        """`columns`: those that will be asked of the rows."""
        ...


def open_scan(scope: Scope, source: Source, constraints: Constraints, note: ScanNote) -> Scan:
    """Find what is to be read and hold it. `note` is told."""
    if isinstance(source, StoreTable | JoinedTable):
        return _StoreScan(scope, source, constraints, note)
    if isinstance(source, CatalogTable):
        catalog = scope.catalog
        note.keys = lambda: "the catalog"
        return _Listed(lambda: source.rows(catalog) if catalog is not None else ())
    if isinstance(source, ViewTable):
        views = scope.views()
        note.keys = lambda: "this query's view"
        return _Listed(lambda: source.rows(views))
    if isinstance(source, NodeTable):
        note.keys = lambda: "what the node's programs tell"
        return _Listed(lambda: source.rows(scope.facts, constraints))
    note.keys = lambda: "what the partition workers run now"
    return _Listed(lambda: source.rows(scope.states()))


class _Listed:
    def __init__(self, rows: Callable[[], Any]) -> None:
        self._rows = rows

    def rows(self, columns: set[str], wanted: Wanted | None = None) -> Iterator[tuple[Any, int]]:
        return ((row, 0) for row in self._rows())


class _Opened:
    """A partition with rows for us."""

    def __init__(self, partition_id: int, ranges: list[KeyRange], snapshot: StoreSnapshot) -> None:
        self.partition_id = partition_id
        self.ranges = ranges
        self.snapshot = snapshot
        #: Somebody reads through its iterator.
        self.taken = False


class _StoreScan:
    """Rows of the stores. A partition that holds none of the keys is not even opened."""

    def __init__(
        self, scope: Scope, source: StoreTable | JoinedTable, constraints: Constraints, note: ScanNote
    ) -> None:
        self._scope = scope
        self._source = source
        self._note = note
        self._row = source.row
        if isinstance(source, StoreTable) and source.row_under is not None and scope.catalog is not None:
            self._row = source.row_under(scope.catalog)
        ranges = source.ranges(constraints)
        self._opened: list[_Opened] = []
        partitions = scope.partitions()
        for partition_id in partitions:
            first_key, last_key = scope.partition_range(partition_id)
            own = [r for r in ranges if clip(r, first_key=first_key, last_key=last_key) is not None]
            snapshot = scope.open(partition_id) if own else None
            if snapshot is not None:
                self._opened.append(_Opened(partition_id, own, snapshot))
                note.partitions.append((partition_id, 0 if snapshot.meta is None else snapshot.meta.applied_lsn))
        note.of_partitions = len(partitions)
        note.keys = lambda: _in_words(source.ranges, constraints, ranges)

    def rows(self, columns: set[str], wanted: Wanted | None = None) -> Iterator[tuple[Any, int]]:
        source = self._source
        peek = None if wanted is None else source.peeks.get(wanted.column)
        passes = None if wanted is None or peek is None else wanted.test_of(peek)
        row_of_key = source.row_of_key if columns <= source.key_columns else None
        for opened in self._opened:
            if row_of_key is not None:
                yield from ((row_of_key(key), 0) for key in self._keys(opened))
                continue
            rows = self._stored(opened, passes, columns)
            yield from rows if isinstance(source, StoreTable) else self._joined(source, opened.partition_id, rows)

    def _keys(self, opened: _Opened) -> Iterator[bytes]:
        with self._taken(opened) as snapshot:
            if snapshot is not None:
                yield from (key for key, _ in snapshot.rows(opened.ranges, values=False))

    def _stored(
        self, opened: _Opened, passes: Callable[[bytes], bool] | None, columns: set[str]
    ) -> Iterator[tuple[Any, int]]:
        with self._taken(opened) as snapshot:
            if snapshot is not None:
                yield from self._rows_of(opened, snapshot, passes, self._row_of(snapshot, columns))

    def _row_of(self, snapshot: StoreSnapshot, columns: set[str]) -> Callable[[bytes, bytes], Any]:
        source, meta = self._source, snapshot.meta
        # Where there never was a large value, none is looked for beside each row that is empty.
        if isinstance(source, StoreTable) and source.row_with is not None and meta is not None and meta.large_number:
            return source.row_with(snapshot.get, columns)
        return self._row

    def _rows_of(
        self,
        opened: _Opened,
        snapshot: StoreSnapshot,
        passes: Callable[[bytes], bool] | None,
        row_of: Callable[[bytes, bytes], Any],
    ) -> Iterator[tuple[Any, int]]:
        passed_over = 0
        got_bytes = snapshot.got_bytes
        for key, value in snapshot.rows(opened.ranges, values=True):
            try:
                if passes is not None and not passes(value):
                    passed_over += 1
                    row = None
                else:
                    row = row_of(key, value)
            except Exception as error:
                text = f"partition {opened.partition_id}: unreadable row {key.hex()}: {error}"
                raise CorruptionError(text) from error
            if row is not None:
                before, got_bytes = got_bytes, snapshot.got_bytes
                yield row, len(value) + got_bytes - before
            elif passed_over >= _LOOK_EVERY:
                passed_over = self._passed_over(passed_over)
        self._passed_over(passed_over)

    def _passed_over(self, count: int) -> int:
        """So many rows were read that nobody wants; 0."""
        self._note.rows_read += count
        self._scope.check()
        return 0

    @contextmanager
    def _taken(self, opened: _Opened) -> Iterator[StoreSnapshot | None]:
        """A snapshot whose iterator is ours meanwhile."""
        if opened.taken:
            # The same scan runs twice at once: each needs an iterator.
            yield self._scope.open(opened.partition_id)
            return
        opened.taken = True
        try:
            yield opened.snapshot
        finally:
            opened.taken = False

    def _joined(
        self, source: JoinedTable, partition_id: int, stored: Iterator[tuple[Any, int]]
    ) -> Iterator[tuple[Any, int]]:
        states: dict[bytes, InvocationState] | None = None
        for row, size in stored:
            state = None
            if source.may_run(row):
                if states is None:
                    states = {state.id: state for state in self._scope.states_of(partition_id)}
                state = states.get(source.id_of(row))
            yield source.joined(row, state), size


def _in_words(
    ranges_of: Callable[[Constraints], list[KeyRange]], constraints: Constraints, ranges: list[KeyRange]
) -> str:
    """Which constraints chose the keys: those without which other keys were read."""
    by = [
        column
        for column in sorted(constraints)
        if ranges_of({name: bounds for name, bounds in constraints.items() if name != column}) != ranges
    ]
    if not by:
        return "no key" if not ranges else "all rows"
    return f"{len(ranges)} key{'' if len(ranges) == 1 else 's or ranges'} by {', '.join(by)}"
