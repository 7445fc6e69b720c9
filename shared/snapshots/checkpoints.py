"""A partition's kept checkpoints. Owns: `<data>/partitions/<id>/checkpoints`.

Made from outside of the process that has the store open, while it writes on: nothing is copied but a few small
files, and it is not asked for anything.

Rules that always hold:
- a directory with a checkpoint's name is complete, and on disk with all that is in it;
- its rows are those of one applied LSN: a store without its write-ahead log is what was flushed, and what is flushed
  ends between two commits;
- whoever wants to open one with RocksDB takes a copy first (`copy_checkpoint`): opening writes.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path

from rocksdict import AccessType, Options, Rdict

from shared.errors import CorruptionError, EverlogError
from shared.snapshots.checkpoint_file import (
    CHECKPOINT_FILE,
    FORMAT,
    CheckpointInfo,
    StoredFile,
    checkpoint_name,
    decode_checkpoint,
    encode_checkpoint,
    lsn_of_name,
    new_checksum,
)
from shared.storage import keys, values

__all__ = [
    "KEPT",
    "KeepError",
    "checkpoints_folder",
    "checksum_of",
    "copy_checkpoint",
    "keep_checkpoint",
    "kept_lsns",
    "prune",
    "read_checkpoint",
    "sync_folder",
    "verify_files",
]

#: The newest so many are kept: should the last one be damaged, the one before it and the log still give the state.
KEPT = 2
_MAKING = ".making"
_DROPPING = ".dropping"
_TRIES = 200
_CHUNK_BYTES = 1 << 20
_PAUSE_S = 0.01
#: What a store's directory holds beside tables and the files that name them, and a copy needs.
_SMALL_FILES = ("rocksdict-config.json", "IDENTITY")


class KeepError(EverlogError):
    """No checkpoint could be made now; the next try may."""


def checkpoints_folder(data_path: Path, partition_id: int) -> Path:
    return data_path / "partitions" / str(partition_id) / "checkpoints"


def kept_lsns(folder: Path) -> list[int]:
    """Applied LSNs of the kept checkpoints, oldest first."""
    try:
        names = os.listdir(folder)
    except FileNotFoundError:
        return []
    return sorted(lsn for name in names if (lsn := lsn_of_name(name)) is not None)


def read_checkpoint(path: Path) -> CheckpointInfo:
    """What a kept checkpoint says of itself. Raises CorruptionError; `verify_files` looks at the files too."""
    file = path / CHECKPOINT_FILE
    try:
        data = file.read_bytes()
    except FileNotFoundError as error:
        raise CorruptionError(f"{file} is missing") from error
    return decode_checkpoint(data, what=str(file))


def verify_files(
    path: Path, files: tuple[StoredFile, ...], progress: Callable[[int], None] = lambda size: None
) -> None:
    """Compare each file with its size and checksum. Raises CorruptionError that names the file.

    `progress` is told the bytes of each file that was read.
    """
    for file in files:
        found = path / file.name
        try:
            size = found.stat().st_size
        except FileNotFoundError as error:
            raise CorruptionError(f"{found} is missing") from error
        if size != file.size:
            raise CorruptionError(f"{found} has {size} bytes, {file.size} were written")
        if checksum_of(found) != file.xxh3:
            raise CorruptionError(f"{found} is damaged: its checksum does not match")
        progress(size)


def copy_checkpoint(path: Path, into: Path) -> None:
    """A store of its own at `into`, which must not exist: tables as links (they are never changed), the rest copied."""
    into.mkdir(parents=True)
    for file in read_checkpoint(path).files:
        source, target = path / file.name, into / file.name
        if file.name.endswith(".sst"):
            try:
                target.hardlink_to(source)
                continue
            except OSError:
                pass  # Another file system.
        shutil.copyfile(source, target)


def keep_checkpoint(store: Path, folder: Path, *, count: int = KEPT) -> CheckpointInfo:
    """Keep what is flushed of the store, which another process may have open; drop all but the newest `count`.

    Raises KeepError when the files never held still, or hold nothing yet.
    """
    making = folder / _MAKING
    shutil.rmtree(making, ignore_errors=True)
    shutil.rmtree(folder / _DROPPING, ignore_errors=True)
    making.mkdir(parents=True)
    try:
        _link_live_files(store, making)
        meta = _open_and_tidy(making)
        kept = kept_lsns(folder)
        if kept and meta.applied_lsn <= kept[-1]:
            prune(folder, count=count)
            return read_checkpoint(folder / checkpoint_name(kept[-1]))
        known = _known_files(folder / checkpoint_name(kept[-1])) if kept else {}
        info = CheckpointInfo(
            format=FORMAT,
            partition_id=meta.partition_id,
            applied_lsn=meta.applied_lsn,
            epoch=meta.epoch,
            start_key=meta.start_key,
            end_key=meta.end_key,
            store_format=meta.format,
            created_at_ms=time.time_ns() // 1_000_000,
            files=tuple(_describe(path, known) for path in sorted(making.iterdir())),
        )
        _write_durable(making / CHECKPOINT_FILE, encode_checkpoint(info))
        sync_folder(making)
        making.rename(folder / checkpoint_name(info.applied_lsn))
        sync_folder(folder)
        sync_folder(folder.parent)
    finally:
        shutil.rmtree(making, ignore_errors=True)
    prune(folder, count=count)
    return info


def prune(folder: Path, *, count: int = KEPT) -> None:
    """Drop all but the newest `count`. One that is being dropped loses its name first."""
    for lsn in kept_lsns(folder)[:-count]:
        going = folder / _DROPPING
        shutil.rmtree(going, ignore_errors=True)
        (folder / checkpoint_name(lsn)).rename(going)
        shutil.rmtree(going, ignore_errors=True)


def checksum_of(path: Path) -> str:
    """Of a file's bytes, as `StoredFile` has it."""
    checksum = new_checksum()
    with path.open("rb", buffering=0) as file:
        while chunk := file.read(_CHUNK_BYTES):
            checksum.update(chunk)
    return checksum.hexdigest()


def sync_folder(path: Path) -> None:
    """Make the names in a directory durable."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _link_live_files(store: Path, into: Path) -> None:
    """Tables as links, the manifest copied: one version of the store, although files come and go meanwhile.

    RocksDB deletes a table only after the manifest says, in more bytes, that it is out of use, and lists a new one
    only after it is written. So when the manifest is as long after the links were made as before, every table of
    that version was there to be linked.
    """
    for _ in range(_TRIES):
        before = _manifest(store)
        if before is not None:
            for table in store.glob("*.sst"):
                with contextlib.suppress(FileExistsError, FileNotFoundError):
                    (into / table.name).hardlink_to(table)
            if _manifest(store) == before:
                name, length = before
                _write_durable(into / name, _prefix(store / name, length))
                _write_durable(into / "CURRENT", f"{name}\n".encode())
                for small in _SMALL_FILES:
                    if (store / small).exists():
                        _write_durable(into / small, (store / small).read_bytes())
                return
        time.sleep(_PAUSE_S)
    raise KeepError(f"{store}: its files did not hold still in {_TRIES} tries")


def _manifest(store: Path) -> tuple[str, int] | None:
    """Name and length of the current manifest; None while it changes."""
    try:
        name = (store / "CURRENT").read_text().strip()
        return name, (store / name).stat().st_size
    except FileNotFoundError:
        return None


def _prefix(path: Path, length: int) -> bytes:
    with path.open("rb") as file:
        return file.read(length)


def _open_and_tidy(path: Path) -> values.PartitionMeta:
    """The partition's own row. RocksDB has then checked the manifest, and that each table is there and whole in size.

    Links to tables that the version does not use go, and what opening left.
    """
    options = Options(raw_mode=True)
    options.set_keep_log_file_num(1)
    try:
        db = Rdict(str(path), options, access_type=AccessType.read_only())
    except Exception as error:
        raise KeepError(f"{path} cannot be opened: {error}") from error
    try:
        stored = db.get(keys.META_KEY)
        live = {Path(str(file["name"])).name for file in db.live_files()}
    finally:
        db.close()
    for found in path.iterdir():
        if found.name.startswith("LOG") or (found.suffix == ".sst" and found.name not in live):
            found.unlink()
    if stored is None:
        raise KeepError(f"{path}: nothing was flushed yet")
    return values.decode_meta(stored)


def _known_files(path: Path) -> dict[int, StoredFile]:
    """Files of an older checkpoint by inode: a table that is in both is not read again."""
    try:
        return {(path / file.name).stat().st_ino: file for file in read_checkpoint(path).files}
    except (EverlogError, OSError):
        return {}


def _describe(path: Path, known: dict[int, StoredFile]) -> StoredFile:
    status = path.stat()
    same = known.get(status.st_ino)
    if same is not None and same.name == path.name and same.size == status.st_size:
        return same
    return StoredFile(path.name, status.st_size, checksum_of(path))


def _write_durable(path: Path, data: bytes) -> None:
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
