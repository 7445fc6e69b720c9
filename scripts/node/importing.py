"""Makes a data directory out of a snapshot. Owns: that directory, until it is complete.

Everything is checked on the way. The FORMAT file is written last: without it no node starts on the directory. When
anything fails the directory is left empty, as it was.
"""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path

from scripts.node.layout import make_data_dir, write_format
from scripts.node.offline import restore_log
from shared.api.log import META_GROUP, partition_group
from shared.errors import ConfigError
from shared.formats import check_format
from shared.snapshots.checkpoint_file import (
    CHECKPOINT_FILE,
    CheckpointInfo,
    StoredFile,
    checkpoint_name,
    encode_checkpoint,
)
from shared.snapshots.checkpoint_file import FORMAT as CHECKPOINT_FORMAT
from shared.snapshots.checkpoints import checkpoints_folder, copy_checkpoint, sync_folder
from shared.snapshots.manifest import PartitionPart, SnapshotManifest, store_folder
from shared.snapshots.place import Place, Progress
from shared.storage.values import STORE_FORMAT

__all__ = ["check_importable", "import_snapshot"]


def check_importable(manifest: SnapshotManifest, place: Place, *, partitions: int | None) -> None:
    """Raises ConfigError for what this build cannot read, or the operator did not mean.

    `partitions`: what the operator asked for, None for whatever the snapshot has.
    """
    newest = max((part.store_format for part in manifest.partitions), default=0)
    if newest > STORE_FORMAT:
        check_format(f"a store in {place.text}, made by {manifest.created_by},", newest, newest=STORE_FORMAT)
    numbers = [part.partition_id for part in manifest.partitions]
    if numbers != list(range(len(numbers))) or not numbers:
        raise ConfigError(f"{place.text} is not whole: it has the partitions {numbers}")
    if partitions not in (None, len(numbers)):
        raise ConfigError(
            f"{place.text} has {len(numbers)} partitions, and partitions is set to {partitions}: "
            f"leave it out or set it to {len(numbers)}"
        )


def import_snapshot(manifest: SnapshotManifest, place: Place, data_path: Path, progress: Progress) -> None:
    """Make the data directory. `progress` is told the bytes read.

    Raises ConfigError when the directory is not empty, CorruptionError that names a file which is damaged.
    """
    make_data_dir(data_path)
    with _all_or_nothing(data_path):
        for part in manifest.partitions:
            _import_partition(part, place, data_path, progress)
        _import_logs(manifest, place, data_path, progress)
        sync_folder(data_path / "partitions")
        for name in ("run", "logs"):
            (data_path / name).mkdir(mode=0o700)
        sync_folder(data_path)
        write_format(data_path)
        sync_folder(data_path)


@contextlib.contextmanager
def _all_or_nothing(data_path: Path) -> Iterator[None]:
    try:
        yield
    except BaseException:
        for left in data_path.iterdir():
            if left.is_dir():
                shutil.rmtree(left, ignore_errors=True)
            else:
                left.unlink()
        raise


def _import_partition(part: PartitionPart, place: Place, data_path: Path, progress: Progress) -> None:
    """As a kept checkpoint, and the store as links to it: the log goes back to it, so a replay may begin there."""
    folder = checkpoints_folder(data_path, part.partition_id)
    kept = folder / checkpoint_name(part.applied_lsn)
    for file in part.files:
        source = StoredFile(f"{store_folder(part.partition_id)}/{file.name}", file.size, file.xxh3)
        place.get(source, kept / file.name, progress)
    info = CheckpointInfo(
        format=CHECKPOINT_FORMAT,
        partition_id=part.partition_id,
        applied_lsn=part.applied_lsn,
        epoch=part.epoch,
        start_key=part.start_key,
        end_key=part.end_key,
        store_format=part.store_format,
        created_at_ms=0,
        files=part.files,
    )
    (kept / CHECKPOINT_FILE).write_bytes(encode_checkpoint(info))
    store = folder.parent / "store"
    copy_checkpoint(kept, store)
    for path in (kept, folder, store, folder.parent):
        sync_folder(path)


def _import_logs(manifest: SnapshotManifest, place: Place, data_path: Path, progress: Progress) -> None:
    folder = data_path / "importing"
    files = {partition_group(part.partition_id): part.log for part in manifest.partitions}
    files[META_GROUP] = manifest.meta.log
    paths: list[Path] = []
    for group, file in files.items():
        paths.append(folder / f"{group}.log")
        place.get(file, paths[-1], progress)
    restore_log(data_path / "log", paths)
    shutil.rmtree(folder)
