"""A RocksDB read beside its owner. Owns: a secondary of it and that one's scratch folder.

Rules that always hold:
- the owner, if there is one, is not disturbed: only files are read, and the secondary's own log is elsewhere (RocksDB
  writes `rocksdict-config.json` anew, with what is in it);
- between two `catch_up` all reads see one state.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from rocksdict import AccessType, Options, Rdict

from shared import bounded_scan
from shared.errors import CorruptionError

__all__ = ["Secondary"]


class Secondary:
    """The database at `path`. Raises CorruptionError, with RocksDB's reason, for what cannot be opened or read."""

    def __init__(self, path: Path, scratch: Path) -> None:
        self.path = path
        self._scratch = scratch
        self._db = _open(path, scratch)

    def get(self, key: bytes) -> bytes | None:
        try:
            value: bytes | None = self._db.get(key)
        except Exception as error:
            raise CorruptionError(f"{self.path} cannot be read: {error}") from error
        return value

    def scan(self, start: bytes, end: bytes) -> Iterator[tuple[bytes, bytes]]:
        return self._reading(bounded_scan.scan(self._db, start, end))

    def scan_back(self, start: bytes, end: bytes) -> Iterator[tuple[bytes, bytes]]:
        return self._reading(bounded_scan.scan_back(self._db, start, end))

    def _reading(self, rows: Iterator[tuple[bytes, bytes]]) -> Iterator[tuple[bytes, bytes]]:
        try:
            yield from rows
        except AssertionError:
            raise
        except Exception as error:
            raise CorruptionError(f"{self.path} cannot be read: {error}") from error

    def catch_up(self) -> None:
        """See what the owner wrote up to now."""
        try:
            self._db.try_catch_up_with_primary()
        except Exception:
            # For instance a manifest that this handle cannot follow any more: a fresh one can, or says why not.
            self._db.close()
            self._db = _open(self.path, self._scratch)

    def close(self) -> None:
        self._db.close()


def _open(path: Path, scratch: Path) -> Rdict:
    scratch.mkdir(parents=True, exist_ok=True)
    options = Options(raw_mode=True)
    # A secondary needs all files open: the owner may delete one that it still reads.
    options.set_max_open_files(-1)
    options.set_keep_log_file_num(1)
    try:
        return Rdict(str(path), options=options, access_type=AccessType.secondary(str(scratch)))
    except Exception as error:
        raise CorruptionError(f"{path} cannot be opened: {error}") from error
