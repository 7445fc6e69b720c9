"""Opens a partition's store, and makes a damaged one anew. Owns: `<data>/partitions/<id>` while nothing is open in it.

What is damaged is put aside under another name and never deleted. In its place comes a copy of the newest kept
checkpoint whose every file is what was written, else an empty store; the log brings the rest. Should the log begin
too late for that, the processor says which LSNs are missing.
"""

from __future__ import annotations

import logging
import shutil
from pathlib import Path

from partitiond.store.rocksdb import RocksStore, damage_note
from shared.damage import aside_name
from shared.errors import CorruptionError
from shared.snapshots.checkpoint_file import checkpoint_name
from shared.snapshots.checkpoints import copy_checkpoint, kept_lsns, read_checkpoint, verify_files
from shared.wal_guard import sync_folders

__all__ = ["open_store", "partitions_on_disk"]

_log = logging.getLogger(__name__)
_MAKING = "store.making"


def open_store(folder: Path, *, partition_id: int, files_max: int = -1) -> RocksStore:
    """The store in a partition's folder: as it is, made anew if it is damaged, fresh if there was none.

    `files_max`: see `RocksStore`.

    Raises ConfigError for a newer format, StoreError when the disk does not let it.
    """
    path = folder / "store"
    checkpoints = folder / "checkpoints"
    why = _noted_damage(path)
    if why is None:
        try:
            store = _open_whole(path, checkpoints, partition_id, files_max)
        except CorruptionError as error:
            why = str(error)
        else:
            if store is not None:
                return store
            why = f"{path} is missing"
    _log.critical("partition=%d: its store is damaged: %s", partition_id, why)
    _put_aside(path, partition_id)
    store = _from_checkpoints(path, checkpoints, partition_id, files_max)
    if store is None:
        _log.warning("partition=%d: no kept checkpoint can be used, its store is made from the log alone", partition_id)
        store = RocksStore(path, files_max=files_max)
    return store


def partitions_on_disk(data_path: Path) -> list[int] | None:
    """The numbers of the partitions that have a folder, None before the first one was made."""
    folder = data_path / "partitions"
    if not folder.is_dir():
        return None
    return sorted(int(entry.name) for entry in folder.iterdir() if entry.name.isdecimal())


def _open_whole(path: Path, checkpoints: Path, partition_id: int, files_max: int) -> RocksStore | None:
    """None: the store is gone, and its checkpoints are not. Raises CorruptionError also for one older than those."""
    kept = kept_lsns(checkpoints)
    if kept and not (path / "CURRENT").exists() and not any(path.glob("*.sst")):
        return None
    store = RocksStore(path, files_max=files_max)
    try:
        meta = store.meta()
    except CorruptionError:
        store.close()
        raise
    applied_lsn = 0 if meta is None else meta.applied_lsn
    if meta is not None and meta.partition_id != partition_id:
        store.close()
        raise CorruptionError(f"{path} holds partition {meta.partition_id}")
    if kept and applied_lsn < kept[0]:
        store.close()
        raise CorruptionError(f"{path} ends at lsn={applied_lsn}, and the oldest checkpoint of it is at lsn={kept[0]}")
    return store


def _noted_damage(path: Path) -> str | None:
    try:
        return damage_note(path).read_text(errors="replace").strip() or "it was found to be damaged"
    except FileNotFoundError:
        return None


def _put_aside(path: Path, partition_id: int) -> None:
    if path.exists():
        name = aside_name(path)
        path.rename(name)
        _log.critical("partition=%d: the damaged store is kept as %s", partition_id, name)
    damage_note(path).unlink(missing_ok=True)
    sync_folders(path.parent)


def _from_checkpoints(path: Path, checkpoints: Path, partition_id: int, files_max: int) -> RocksStore | None:
    """A copy of the newest one that is whole."""
    making = path.with_name(_MAKING)
    for lsn in reversed(kept_lsns(checkpoints)):
        checkpoint = checkpoints / checkpoint_name(lsn)
        shutil.rmtree(making, ignore_errors=True)
        try:
            info = read_checkpoint(checkpoint)
            verify_files(checkpoint, info.files)
            copy_checkpoint(checkpoint, making)
            # Until it is opened nothing has its name: a crash in here begins anew.
            making.rename(path)
            store = RocksStore(path, files_max=files_max)
        except CorruptionError as error:
            name = aside_name(checkpoint)
            checkpoint.rename(name)
            _log.critical("partition=%d: %s; the checkpoint is kept as %s", partition_id, error, name)
            shutil.rmtree(making, ignore_errors=True)
            if path.exists():
                path.rename(aside_name(path))
            continue
        sync_folders(path, up_to=path.parent)
        _log.warning("partition=%d: its store is made from the checkpoint at lsn=%d and the log", partition_id, lsn)
        return store
    return None
