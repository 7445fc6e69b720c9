"""`everlog replay`: make partitions anew from their logs, and compare what comes of it with their stores."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import msgspec

from scripts.cli import inspecting, options
from scripts.cli.people import Paint, Progress
from scripts.debug.comparing import Comparison, Report, replay_and_compare
from scripts.debug.opening import open_source
from scripts.debug.source import Source, partitions_asked_for
from scripts.node.programs import Program
from shared.api.log import partition_group
from shared.errors import ConfigError

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What `everlog replay` takes."""
    inspecting.add_source(parser)
    inspecting.add_partition(parser)
    text = "up to this LSN (default: as far as the store is)"
    parser.add_argument("--to", type=inspecting.lsn, metavar="LSN", help=text)
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="keep the replayed stores in this new folder")
    parser.add_argument("--json", action="store_true", help="print one JSON object a partition")


def run(arguments: argparse.Namespace, programs: Sequence[Program]) -> int:
    """0: all stores are what their logs say. 1: one differs, or cannot be made anew."""
    keep: Path | None = arguments.keep
    if keep is not None and keep.exists() and (not keep.is_dir() or any(keep.iterdir())):
        raise ConfigError(f"{keep} is there already: name a folder that is new or empty (--keep)")
    reports = []
    with (
        closing(open_source(options.load(arguments).data_path)) as source,
        tempfile.TemporaryDirectory(prefix="everlog-replay-") as scratch,
    ):
        folder = Path(scratch) if keep is None else keep
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for partition_id in partitions_asked_for(source, arguments.partition):
            reports.append(_replay(source, partition_id, folder, arguments.to))
            _tell(reports[-1], as_json=arguments.json)
        if not reports:
            print(f"everlog replay: {source.path} has no partitions yet", file=sys.stderr)
    return 0 if reports and all(report.good for report in reports) else 1


def _replay(source: Source, partition_id: int, folder: Path, to_lsn: int | None) -> Report:
    home = folder / "partitions" / str(partition_id)
    home.mkdir(parents=True, exist_ok=True)
    log = source.log(partition_group(partition_id))
    progress = Progress(f"partition {partition_id}", end=to_lsn or (0 if log is None else log.last_lsn))
    try:
        return replay_and_compare(source, partition_id, home / "store", to_lsn, progress.at)
    finally:
        progress.done()


def _tell(report: Report, *, as_json: bool) -> None:
    if as_json:
        print(json.dumps(msgspec.to_builtins(report)))
        return
    paint = Paint()
    if report.store_error is not None:
        print(f"partition {report.partition}: {paint.bad('its store cannot be read')}: {report.store_error}")
    if report.error is not None:
        print(f"partition {report.partition}: {paint.bad('not replayed')}: {report.error}")
        return
    reach = f"from {report.begins_with} to LSN {report.applied_lsn}, {report.batches} batches in {report.seconds:.1f} s"
    print(f"partition {report.partition}: {reach}, digest {report.digest[:16]}…")
    if report.store_error is None and not any(found.with_what == "store" for found in report.comparisons):
        print("  the store is not at this LSN: there is nothing else to compare with")
    for comparison in report.comparisons:
        _tell_comparison(comparison, paint)


def _tell_comparison(comparison: Comparison, paint: Paint) -> None:
    verdict = paint.good("the same") if comparison.same else paint.bad("DIFFERENT")
    print(f"  {comparison.with_what} at LSN {comparison.lsn}: {verdict}")
    for found in comparison.first_differences:
        key = " ".join(f"{name}={value}" for name, value in found["key"].items())
        print(f"    {paint.bold(found['table'])} {key}")
        for change in found["fields"]:
            a, b = json.dumps(change["a"]), json.dumps(change["b"])
            print(f"      {change['path']}: stored {a}, replayed {b}")
        if not found["fields"]:
            which = "stored" if found["replayed"] is None else "replayed"
            print(f"      only {which}: {json.dumps(found[which])}")
