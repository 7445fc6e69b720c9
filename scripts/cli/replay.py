"""`everlog replay`: make partitions anew from their logs, and compare what comes of it with their stores."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from scripts.cli import inspecting, options
from scripts.cli.people import Paint, Progress
from scripts.debug.differing import Difference, differences, row_changes
from scripts.debug.opening import open_source
from scripts.debug.ports import FIRST_KEY, LAST_KEY
from scripts.debug.replaying import Replay, start_replay
from scripts.debug.rows import decode_row
from scripts.debug.source import Source, partitions_asked_for
from scripts.debug.stores import StoreReader
from scripts.node.programs import Program
from shared.errors import ConfigError, EverlogError

__all__ = ["add_arguments", "run"]

_ROWS_SHOWN = 5


class Comparison(msgspec.Struct):
    """The replayed store beside another one of the same LSN."""

    lsn: int
    #: `store`, `checkpoint 1234`.
    with_what: str
    same: bool
    first_differences: list[dict[str, Any]]


class Report(msgspec.Struct):
    """What came of one partition."""

    partition: int
    begins_with: str
    first_lsn: int
    applied_lsn: int
    batches: int
    seconds: float
    digest: str
    comparisons: list[Comparison]
    error: str | None = None


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What `everlog replay` takes."""
    inspecting.add_source(parser)
    inspecting.add_partition(parser)
    parser.add_argument(
        "--to", type=inspecting.lsn, metavar="LSN", help="up to this LSN (default: as far as the store is)"
    )
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="keep the replayed stores in this new folder")
    parser.add_argument("--json", action="store_true", help="print one JSON object a partition")


def run(arguments: argparse.Namespace, programs: Sequence[Program]) -> int:
    """0: all stores are what their logs say. 1: one differs, or cannot be made anew."""
    keep: Path | None = arguments.keep
    if keep is not None and keep.exists() and (not keep.is_dir() or any(keep.iterdir())):
        raise ConfigError(f"{keep} is there already: name a folder that is new or empty (--keep)")
    source = open_source(options.load(arguments).data_path)
    reports = []
    with tempfile.TemporaryDirectory(prefix="everlog-replay-") as scratch:
        folder = Path(scratch) if keep is None else keep
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            for partition_id in partitions_asked_for(source, arguments.partition):
                reports.append(_replay(source, partition_id, folder / "partitions" / str(partition_id), arguments.to))
                _tell(reports[-1], as_json=arguments.json)
        finally:
            source.close()
    if not reports:
        print(f"everlog replay: {source.path} has no partitions yet", file=sys.stderr)
    good = all(report.error is None and all(c.same for c in report.comparisons) for report in reports)
    return 0 if good and reports else 1


def _replay(source: Source, partition_id: int, folder: Path, to_lsn: int | None) -> Report:
    began = time.monotonic()
    report = Report(partition_id, "", 0, 0, 0, 0.0, "", [])
    # Before the log: what the store has applied is in the log that is read after it.
    live = source.store(partition_id)
    try:
        meta = None if live is None else live.meta()
        target = to_lsn if to_lsn is not None else (meta.applied_lsn if meta is not None else None)
        folder.mkdir(parents=True, exist_ok=True)
        replay = start_replay(source, partition_id, folder / "store", to_lsn=target)
        try:
            report.begins_with = replay.begins_with
            report.first_lsn = replay.applied_lsn + 1
            target = replay.log.last_lsn if target is None else target
            _go(source, replay, target, live, report)
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


def _go(source: Source, replay: Replay, target: int, live: StoreReader | None, report: Report) -> None:
    """Apply, and stop at each LSN of which there is something to compare with."""
    begins = replay.applied_lsn
    progress = Progress(f"partition {replay.partition_id}", end=target)
    for base in source.bases(replay.partition_id):
        if begins < base.lsn <= target:
            _advance(replay, base.lsn, progress)
            kept = source.open_base(base)
            _compare(replay, kept, base.label, report)
            kept.close()
    _advance(replay, target, progress)
    progress.done()
    report.applied_lsn, report.batches, report.digest = replay.applied_lsn, replay.batches, replay.store.digest()
    meta = None if live is None else live.meta()
    if live is not None and meta is not None and meta.applied_lsn == replay.applied_lsn:
        _compare(replay, live, "store", report)


def _advance(replay: Replay, to_lsn: int, progress: Progress) -> None:
    for lsn in replay.run(to_lsn):
        progress.at(lsn)


def _compare(replay: Replay, other: StoreReader, what: str, report: Report) -> None:
    same = other.digest() == replay.store.digest()
    first = []
    if not same:
        for found in differences(other.scan(FIRST_KEY, LAST_KEY), replay.store.scan(FIRST_KEY, LAST_KEY)):
            first.append(_shown(found))
            if len(first) == _ROWS_SHOWN:
                break
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


def _tell(report: Report, *, as_json: bool) -> None:
    if as_json:
        print(json.dumps(msgspec.to_builtins(report)))
        return
    paint = Paint()
    if report.error is not None:
        print(f"partition {report.partition}: {paint.bad('not replayed')}: {report.error}")
        return
    reach = f"from {report.begins_with} to LSN {report.applied_lsn}, {report.batches} batches in {report.seconds:.1f} s"
    print(f"partition {report.partition}: {reach}, digest {report.digest[:16]}…")
    if not any(comparison.with_what == "store" for comparison in report.comparisons):
        print("  the store is not at this LSN: there is nothing else to compare with")
    for comparison in report.comparisons:
        verdict = paint.good("the same") if comparison.same else paint.bad("DIFFERENT")
        print(f"  {comparison.with_what} at LSN {comparison.lsn}: {verdict}")
        for found in comparison.first_differences:
            key = " ".join(f"{name}={value}" for name, value in found["key"].items())
            print(f"    {paint.bold(found['table'])} {key}")
            if found["fields"]:
                for change in found["fields"]:
                    a, b = json.dumps(change["a"]), json.dumps(change["b"])
                    print(f"      {change['path']}: stored {a}, replayed {b}")
            else:
                which = "stored" if found["replayed"] is None else "replayed"
                print(f"      only {which}: {json.dumps(found[which])}")
