"""A path of the operator's -> the source that it is."""

from __future__ import annotations

from pathlib import Path

from scripts.debug.snapshot import SnapshotSource, is_snapshot
from scripts.debug.source import DataDirectory, Source, StoreFolder
from scripts.debug.stores import is_store
from shared.errors import ConfigError

__all__ = ["open_source"]


def open_source(path: Path) -> Source:
    """Raises ConfigError that says what the path is instead."""
    if is_snapshot(path):
        return SnapshotSource(path)
    if (path / "log").is_dir() or (path / "partitions").is_dir():
        return DataDirectory(path)
    if is_store(path):
        return StoreFolder(path)
    what = "holds no log and no store" if path.is_dir() else "is no directory" if path.exists() else "does not exist"
    raise ConfigError(
        f"{path} {what}: give a node's data directory, an exported snapshot, a kept checkpoint, or a folder of "
        "`everlog replay --keep` (--data-dir)"
    )
