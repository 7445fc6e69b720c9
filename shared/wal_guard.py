"""Looks through RocksDB's write-ahead log files before RocksDB does. Owns nothing; changes files that nobody has open.

Two kinds of logs, see `rocksdb_wal` for what is looked for:
- `check_synced`: each batch is synced before the next one is written. An end that was cut off is what a power loss
  leaves, and was never acknowledged; anything else that is wrong was acknowledged, and is an error;
- `mend_unsynced`: nothing is synced, and another log has it all. Whatever follows the first thing wrong goes.

Both raise CorruptionError when the manifest does not reach to where these logs begin.
"""

from __future__ import annotations

import fcntl
import logging
import os
import shutil
from pathlib import Path

from shared.damage import aside_name
from shared.errors import CorruptionError, EverlogError, store_error
from shared.rocksdb_wal import Break, Manifest, read_manifest, scan_wal, whole_batch_behind

__all__ = ["check_synced", "mend_unsynced", "open_error", "sync_folders"]

_log = logging.getLogger(__name__)


def check_synced(path: Path, *, checksums: bool = False) -> None:
    """Cut a torn end off. Raises CorruptionError that names file and offset for what a power loss cannot explain."""
    files, found = _look_through(path, checksums=checksums)
    if found is None:
        return
    place, data, broken = found
    file = files[place]
    behind = whole_batch_behind(data, broken.at)
    later = next((each for each in files[place + 1 :] if _has_batch(each)), None)
    if behind is not None or later is not None or not broken.torn:
        seen = f"byte {behind} of it" if behind is not None else str(later) if later is not None else "its last batch"
        raise CorruptionError(
            f"{file} is damaged: it {broken.what} at byte {broken.at}, and what it held was acknowledged (see {seen}). "
            f"Restore a snapshot; or give up all batches from there on: move {file.name} and later *.log files away, "
            f"and put the first {broken.end} bytes of {file.name} back"
        )
    if _cut(path, file, broken.end):
        dropped = len(data) - broken.end
        _log.warning("%s %s: its last %d bytes were never synced, and are dropped", file, broken.what, dropped)


def mend_unsynced(path: Path) -> str | None:
    """Cut all off that follows the first thing wrong, and say what it was."""
    files, found = _look_through(path, checksums=False)
    if found is None:
        return None
    place, data, broken = found
    file, later = files[place], files[place + 1 :]
    if later or whole_batch_behind(data, broken.at) is not None or not broken.torn:
        shutil.copyfile(file, aside_name(file))
    if not _cut(path, file, broken.end):
        return None
    for each in later:
        each.rename(aside_name(each))
    sync_folders(path)
    text = f"{file} {broken.what} at byte {broken.at}"
    text += f", so {', '.join(each.name for each in later)} cannot follow it" if later else ""
    _log.warning("%s: what is behind it is dropped, the log brings it back", text)
    return text


def sync_folders(path: Path, *, up_to: Path | None = None) -> None:
    """Make the names in a directory durable; with `up_to`, in each directory from it up to there."""
    while True:
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        if up_to is None or path in (up_to, path.parent):
            return
        path = path.parent


def open_error(what: str, path: Path, error: Exception) -> EverlogError:
    """Why RocksDB could not open what is at `path`. A file that its own files name and that is not there is damage."""
    if str(error).startswith("IO error: No such file") and (path / "CURRENT").exists():
        return CorruptionError(f"{what}: {error}")
    return store_error(what, error)


def _look_through(path: Path, *, checksums: bool) -> tuple[list[Path], tuple[int, bytes, Break] | None]:
    """The files that RocksDB would read, in order; and which of them is wrong first, its bytes, and what it is."""
    numbered = {int(file.stem): file for file in path.glob("*.log") if file.stem.isdecimal()}
    manifest = _manifest(path)
    if manifest is None:
        return [], None
    files = [file for number, file in sorted(numbered.items()) if number >= manifest.log_number]
    next_sequence: int | None = None
    for place, file in enumerate(files):
        data = file.read_bytes()
        scan = scan_wal(data, next_sequence, checksums=checksums)
        if next_sequence is None and (scan.first_sequence or 0) > manifest.last_sequence + 1:
            raise CorruptionError(
                f"{path}: its manifest ends at sequence {manifest.last_sequence}, and {file.name} begins at "
                f"{scan.first_sequence}: the end of the manifest, or a *.log file, is missing"
            )
        if scan.broken is not None:
            return files, (place, data, scan.broken)
        next_sequence = scan.next_sequence
    return files, None


def _manifest(path: Path) -> Manifest | None:
    """None: there is no database, or RocksDB will say what is wrong with it."""
    try:
        name = (path / "CURRENT").read_text()
    except FileNotFoundError:
        if any(path.glob("*.sst")):
            raise CorruptionError(f"{path / 'CURRENT'} is missing") from None
        return None
    except UnicodeDecodeError:
        return None
    try:
        return read_manifest((path / name.strip()).read_bytes())
    except (OSError, ValueError):
        return None


def _has_batch(file: Path) -> bool:
    data = file.read_bytes()
    return whole_batch_behind(data, -1) is not None


def _cut(path: Path, file: Path, size: int) -> bool:
    """Shorten the file, durably. False when another process has the database open: then nothing is wrong at all."""
    with (path / "LOCK").open("ab") as lock:
        try:
            fcntl.lockf(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        with file.open("rb+") as out:
            out.truncate(size)
            os.fsync(out.fileno())
    return True
