"""Partitions made anew from their logs, beside what is stored of them."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from scripts.debug.differing import Difference, differences, row_changes
from scripts.debug.ports import FIRST_KEY, LAST_KEY
from scripts.debug.replaying import Replay, start_replay
from scripts.debug.rows import decode_row
from scripts.debug.source import Source
from scripts.debug.stores import StoreReader
from shared.errors import CorruptionError, EverlogError
from shared.storage.values import PartitionMeta

__all__ = ["Comparison", "Report", "replay_and_compare"]

_ROWS_SHOWN = 5


class Comparison(msgspec.Struct):
    """The replayed store beside another one of the same LSN."""

    lsn: int
    #: `store`, `checkpoint 1234`.
    with_what: str
    same: bool
    first_differences: list[dict[str, Any]]


class Report(msgspec.Struct):
    """What came of one partition. `error`: why it was not made anew; `store_error`: why its store cannot be read."""

    partition: int
    begins_with: str = ""
    first_lsn: int = 0
    applied_lsn: int = 0
    batches: int = 0
    seconds: float = 0.0
    digest: str = ""
    comparisons: list[Comparison] = []
    error: str | None = None
    store_error: str | None = None

    @property
    def good(self) -> bool:
        """It was made anew, and nothing that is stored differs."""
        same = all(comparison.same for comparison in self.comparisons)
        return same and self.error is None and self.store_error is None


def replay_and_compare(
    source: Source,
    partition_id: int,
    folder: Path,
    to_lsn: int | None,
    on_lsn: Callable[[int], None] = lambda lsn: None,
) -> Report:
    """Leaves the replayed store at `folder`, which does not exist yet. `to_lsn` None: as far as the store is."""
    began = time.monotonic()
    report = Report(partition_id, comparisons=[])
    # Before the log: what the store has applied is in the log that is read after it.
    live, meta = _open_live(source, partition_id, report)
    try:
        target = to_lsn if to_lsn is not None else (meta.applied_lsn if meta is not None else None)
        replay = start_replay(source, partition_id, folder, to_lsn=target)
        try:
            report.begins_with, report.first_lsn = replay.begins_with, replay.applied_lsn + 1
            _go(source, replay, replay.log.last_lsn if target is None else target, report, on_lsn)
            if live is not None and meta is not None and meta.applied_lsn == replay.applied_lsn:
                _compare(replay, live, "store", report)
        finally:
            replay.store.close()
    except EverlogError as error:
        report.error = str(error)
    except FileNotFoundError as error:
        # A node that runs drops the oldest checkpoint when it has made a new one.
        report.error = f"{error.filename} has gone meanwhile: try again"
    finally:
        if live is not None:
            live.close()
    report.seconds = round(time.monotonic() - began, 3)
    return report


def _open_live(source: Source, partition_id: int, report: Report) -> tuple[StoreReader | None, PartitionMeta | None]:
    """A store that cannot be read is no reason not to make it anew."""
    try:
        live = source.store(partition_id)
        return live, None if live is None else live.meta()
    except EverlogError as error:
        report.store_error = str(error)
        return None, None


def _go(source: Source, replay: Replay, target: int, report: Report, on_lsn: Callable[[int], None]) -> None:
    """Apply, and stop at each LSN of which there is something to compare with."""
    begins = replay.applied_lsn
    for base in source.bases(replay.partition_id):
        if begins < base.lsn <= target:
            _advance(replay, base.lsn, on_lsn)
            kept = source.open_base(base)
            _compare(replay, kept, base.label, report)
            kept.close()
    _advance(replay, target, on_lsn)
    report.applied_lsn, report.batches, report.digest = replay.applied_lsn, replay.batches, replay.store.digest()


def _advance(replay: Replay, to_lsn: int, on_lsn: Callable[[int], None]) -> None:
    for lsn in replay.run(to_lsn):
        on_lsn(lsn)


def _compare(replay: Replay, other: StoreReader, what: str, report: Report) -> None:
    first: list[dict[str, Any]] = []
    try:
        same = other.digest() == replay.store.digest()
        if not same:
            for found in differences(other.scan(FIRST_KEY, LAST_KEY), replay.store.scan(FIRST_KEY, LAST_KEY)):
                first.append(_shown(found))
                if len(first) == _ROWS_SHOWN:
                    break
    except CorruptionError as error:
        report.store_error = str(error)
        return
    report.comparisons.append(Comparison(replay.applied_lsn, what, same, first))


def _shown(found: Difference) -> dict[str, Any]:
    stored, replayed = decode_row(found.key, found.a), decode_row(found.key, found.b)
    return {
        "table": stored.table,
        "key": stored.key,
        "stored": None if found.a is None else stored.value,
        "replayed": None if found.b is None else replayed.value,
        "fields": [change._asdict() for change in row_changes(found)],
    }
