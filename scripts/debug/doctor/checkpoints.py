"""Kept checkpoints and snapshots: files are what was written, rows are what they say, the log goes on behind them."""

from __future__ import annotations

from collections.abc import Iterator

from scripts.debug.doctor.findings import Checked, Finding
from scripts.debug.ports import LogReader
from scripts.debug.snapshot import SnapshotSource
from scripts.debug.source import Base, DataDirectory
from shared.errors import CorruptionError, EverlogError
from shared.snapshots.checkpoints import checksum_of, read_checkpoint, verify_files

__all__ = ["check_checkpoints", "check_snapshot"]

_REMOVE = "remove it: the next checkpoint replaces it (everlog checkpoint)"
_EXPORT = "export it again (everlog snapshot export); what it is of may still be there"


def check_checkpoints(
    source: DataDirectory, partition_id: int, log: LogReader | None, checked: Checked
) -> Iterator[Finding]:
    for base in source.bases(partition_id):
        checked.add("kept checkpoints")
        where = str(base.path)
        try:
            _verify(source, partition_id, base)
        except (EverlogError, OSError) as error:
            # A node that runs drops the oldest when it has made a new one.
            if base in source.bases(partition_id):
                yield Finding("checkpoint", where, str(error), _REMOVE)
            continue
        if log is not None and log.last_lsn and log.first_lsn > base.lsn + 1:
            what = f"the log begins at LSN {log.first_lsn}: it does not go on where this one ends"
            yield Finding("checkpoint", where, what, "a newer one will do; the next checkpoint replaces it")


def _verify(source: DataDirectory, partition_id: int, base: Base) -> None:
    info = read_checkpoint(base.path)
    verify_files(base.path, info.files)
    rows = source.open_base(base)
    try:
        meta = rows.meta()
    finally:
        rows.close()
    found = (0, 0) if meta is None else (meta.partition_id, meta.applied_lsn)
    if found != (partition_id, base.lsn) or (info.partition_id, info.applied_lsn) != found:
        raise CorruptionError(
            f"its rows are of partition {found[0]} at LSN {found[1]}, and checkpoint.json says partition "
            f"{info.partition_id} at LSN {info.applied_lsn}"
        )


def check_snapshot(source: SnapshotSource, checked: Checked) -> Iterator[Finding]:
    """Every file by its checksum, and the rows of each partition by their digest."""
    for path, file in source.files():
        checked.add("files")
        try:
            size = path.stat().st_size
            same = size == file.size and checksum_of(path) == file.xxh3
        except OSError as error:
            yield Finding("snapshot", str(path), f"cannot be read: {error.strerror}", _EXPORT)
            continue
        if not same:
            what = "is damaged: its size or checksum is not that of the manifest"
            yield Finding("snapshot", str(path), what, _EXPORT)
    for part in source.manifest.partitions:
        for base in source.bases(part.partition_id):
            try:
                rows = source.open_base(base)
            except (EverlogError, OSError) as error:
                yield Finding("snapshot", str(base.path), str(error), _EXPORT)
                continue
            digest = rows.digest()
            rows.close()
            if digest != part.digest:
                what = f"its rows have the digest {digest[:16]}…, and the manifest says {part.digest[:16]}…"
                yield Finding("snapshot", str(base.path), what, _EXPORT)
