"""`everlog checkpoint`: let the running node make a checkpoint of its partitions now."""

from __future__ import annotations

import argparse
import asyncio
import json
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from scripts.cli import options, show
from scripts.node.programs import Program
from scripts.node.workers import make_checkpoints
from shared.api.partition import CheckpointReply
from shared.config import Settings
from shared.snapshots.checkpoint_file import checkpoint_name
from shared.snapshots.checkpoints import checkpoints_folder, read_checkpoint, verify_files
from shared.snapshots.digest import checkpoint_digest

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What `everlog checkpoint` takes."""
    parser.add_argument("--partition", type=int, metavar="P", help="only this partition (default: all)")
    parser.add_argument(
        "--verify", action="store_true", help="read back what was kept, compare checksums, tell the digest of its rows"
    )
    options.add_data_dir(parser)
    parser.add_argument("--json", action="store_true", help="print one JSON array")


def run(arguments: argparse.Namespace, programs: Sequence[Program]) -> int:
    """Ask, wait and print. Exit status 1 when a partition's checkpoint is not kept."""
    settings, _ = options.running_settings(arguments)
    replies = asyncio.run(make_checkpoints(settings, only=arguments.partition))
    rows = [_row(reply) for reply in replies]
    if arguments.verify:
        for row in rows:
            row["digest"] = _verified(settings, row["partition"], row["applied_lsn"])
    print(json.dumps(rows, indent=2) if arguments.json else _text(rows))
    return 1 if any(row["complaint"] for row in rows) else 0


def _row(reply: CheckpointReply) -> dict[str, Any]:
    found = msgspec.structs.asdict(reply)
    found["partition"] = found.pop("partition_id")
    del found["request_id"]
    return found


def _verified(settings: Settings, partition_id: int, lsn: int) -> str | None:
    """Raises CorruptionError that names the file."""
    if not lsn:
        return None
    path = checkpoints_folder(settings.data_path, partition_id) / checkpoint_name(lsn)
    verify_files(path, read_checkpoint(path).files)
    with tempfile.TemporaryDirectory(dir=settings.run_path, prefix="verify-") as folder:
        return checkpoint_digest(path, Path(folder) / "store")


def _text(rows: list[dict[str, Any]]) -> str:
    """A table, and what went wrong."""
    with_digest = any("digest" in row for row in rows)
    head = ("PARTITION", "APPLIED LSN", "DURABLE LSN", "TRIMMED LSN", "SIZE", "TIME")
    lines: list[tuple[str, ...]] = [(*head, "DIGEST OF ITS ROWS") if with_digest else head]
    for row in rows:
        cells = [str(row[name]) for name in ("partition", "applied_lsn", "durable_lsn", "trimmed_lsn")]
        cells += [show.size(row["size"]), show.duration(row["took_ms"] / 1000)]
        lines.append((*cells, row["digest"] or "") if with_digest else tuple(cells))
    text = show.table(lines)
    for row in rows:
        if row["complaint"]:
            text += f"\npartition {row['partition']}: flushed, but not kept: {row['complaint']}"
    return text
