"""`everlog snapshot export|import`: the whole state of a node in a directory or an object store, and back."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from typing import Any

from scripts.cli import options, show
from scripts.node.exporting import export_snapshot
from scripts.node.importing import check_importable, import_snapshot
from scripts.node.layout import hold_stopped
from scripts.node.programs import Program
from shared.config import Settings, read_settings
from shared.snapshots.manifest import SnapshotManifest
from shared.snapshots.place import Place

__all__ = ["add_arguments", "run"]

_TELL_EVERY_S = 0.5
_PLACE = "a directory, or a URI such as file:///backups/1 or s3://bucket/backups/1"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What `everlog snapshot` takes."""
    deeds = parser.add_subparsers(dest="deed", metavar="DEED", required=True)
    taking = deeds.add_parser("export", help="write the node's state, while it runs or when it is stopped")
    taking.add_argument("place", metavar="DEST", help=f"where to, empty: {_PLACE}")
    putting = deeds.add_parser("import", help="make a data directory of what export wrote")
    putting.add_argument("place", metavar="SRC", help=f"where it is: {_PLACE}")
    putting.add_argument("--partitions", type=int, metavar="N", help="refuse a snapshot with another number of them")
    for deed in (taking, putting):
        options.add_data_dir(deed)
        options.add_config(deed)
        deed.add_argument("--json", action="store_true", help="print one JSON object")


def run(arguments: argparse.Namespace, programs: Sequence[Program]) -> int:
    """Do it, and tell what was written. Progress goes to a terminal's stderr."""
    place = Place.at(arguments.place)
    began = time.monotonic()
    manifest = _export(arguments, place) if arguments.deed == "export" else _import(arguments, place)
    seconds = time.monotonic() - began
    if arguments.json:
        print(json.dumps(_report(manifest, seconds), indent=2))
        return 0
    done = "exported to" if arguments.deed == "export" else "imported from"
    print(_text(manifest))
    print(f"{show.size(manifest.size)} {done} {place.text} in {show.duration(seconds)}")
    if arguments.deed == "import":
        print(f"start the node with: everlog up --data-dir {options.load(arguments).data_path}")
    return 0


def _export(arguments: argparse.Namespace, place: Place) -> SnapshotManifest:
    progress = _Progress("exported")
    try:
        settings, _ = options.running_settings(arguments)
    except options.NotRunningError:
        path = options.load(arguments).data_path
        with hold_stopped(path):
            settings = read_settings(path / "run" / "settings.json")
            manifest = _exported(settings, place, progress, running=False)
    else:
        manifest = _exported(settings, place, progress, running=True)
    progress.end()
    return manifest


def _exported(settings: Settings, place: Place, progress: _Progress, *, running: bool) -> SnapshotManifest:
    return export_snapshot(settings, place, running=running, progress=progress, on_size=progress.expect)


def _import(arguments: argparse.Namespace, place: Place) -> SnapshotManifest:
    settings = options.load(arguments)
    manifest = place.manifest()
    check_importable(manifest, place, partitions=_wanted_partitions(arguments, settings))
    progress = _Progress("imported")
    progress.expect(manifest.size)
    import_snapshot(manifest, place, settings.data_path, progress)
    progress.end()
    return manifest


def _wanted_partitions(arguments: argparse.Namespace, settings: Settings) -> int | None:
    """Of the flag, environment or file; None if none of them says anything but the default."""
    if arguments.partitions is not None:
        return int(arguments.partitions)
    return settings.partitions or None


class _Progress:
    """One line on a terminal, nothing elsewhere."""

    def __init__(self, verb: str) -> None:
        self._verb = verb
        self._total = 0
        self._done = 0
        self._told = time.monotonic()
        self._shown = sys.stderr.isatty()

    def expect(self, total: int) -> None:
        """So many bytes there will be."""
        self._total = total

    def __call__(self, size: int) -> None:
        self._done += size
        if self._shown and time.monotonic() - self._told > _TELL_EVERY_S:
            self._told = time.monotonic()
            of = f" of {show.size(self._total)}, {100 * self._done // self._total} %" if self._total else ""
            print(f"\r{self._verb} {show.size(self._done)}{of}\x1b[K", end="", file=sys.stderr, flush=True)

    def end(self) -> None:
        """Leave a clean line."""
        if self._shown:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)


def _report(manifest: SnapshotManifest, seconds: float) -> dict[str, Any]:
    return {
        "created_by": manifest.created_by,
        "created_at_ms": manifest.created_at_ms,
        "node_name": manifest.node_name,
        "size": manifest.size,
        "seconds": round(seconds, 3),
        "partitions": [
            {
                "partition": part.partition_id,
                "applied_lsn": part.applied_lsn,
                "cut_lsn": part.cut_lsn,
                "digest": part.digest,
            }
            for part in manifest.partitions
        ],
        "meta": {"after_lsn": manifest.meta.after_lsn, "cut_lsn": manifest.meta.cut_lsn},
    }


def _text(manifest: SnapshotManifest) -> str:
    rows = [("PARTITION", "STORE AT LSN", "LOG UP TO LSN", "SIZE", "DIGEST OF ITS ROWS")]
    for part in manifest.partitions:
        size = show.size(part.log.size + sum(file.size for file in part.files))
        rows.append((str(part.partition_id), str(part.applied_lsn), str(part.cut_lsn), size, part.digest))
    return show.table(rows)
