"""One partition's rows, read beside their owner. Owns: a RocksDB secondary and its scratch folder.

Rules that always hold:
- the owner, if there is one, is not disturbed: only files are read, and the secondary's own log is elsewhere (RocksDB
  writes `rocksdict-config.json` anew, with what is in it);
- between two `catch_up` all reads see one applied LSN.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import msgspec
from rocksdict import AccessType, Options, Rdict

from scripts.debug.ports import FIRST_KEY, LAST_KEY, Rows
from shared import bounded_scan
from shared.errors import ConfigError, CorruptionError
from shared.storage import keys, values
from shared.storage.values import STORE_FORMAT, PartitionMeta

__all__ = ["StoreReader", "is_store", "open_secondary", "rows_digest"]


def is_store(path: Path) -> bool:
    """Is there a RocksDB? To open a folder that is none would make one."""
    return (path / "CURRENT").is_file()


def open_secondary(path: Path, scratch: Path) -> Rdict:
    """Raises CorruptionError when RocksDB cannot open it, with its reason."""
    scratch.mkdir(parents=True, exist_ok=True)
    options = Options(raw_mode=True)
    # A secondary needs all files open: the owner may delete one that it still reads.
    options.set_max_open_files(-1)
    options.set_keep_log_file_num(1)
    try:
        return Rdict(str(path), options=options, access_type=AccessType.secondary(str(scratch)))
    except Exception as error:
        raise CorruptionError(f"{path} cannot be opened: {error}") from error


def rows_digest(rows: Rows) -> str:
    """SHA-256 over all rows in order: the digest of `partitiond.store`."""
    digest = hashlib.sha256()
    for key, value in rows.scan(FIRST_KEY, LAST_KEY):
        digest.update(len(key).to_bytes(4, "big") + key + len(value).to_bytes(4, "big") + value)
    return digest.hexdigest()


class StoreReader:
    """The store at `path`."""

    def __init__(self, path: Path, scratch: Path) -> None:
        """Raises CorruptionError when it cannot be opened, ConfigError for a format of a newer build."""
        self.path = path
        self._scratch = scratch
        self._db = open_secondary(path, scratch)
        meta = self.meta()
        if meta is not None and meta.format > STORE_FORMAT:
            self.close()
            raise ConfigError(
                f"{path} has store format {meta.format}; this build reads up to {STORE_FORMAT}: use the build that "
                "wrote it"
            )

    def meta(self) -> PartitionMeta | None:
        """None: nothing was stored yet."""
        stored = self.get(keys.META_KEY)
        try:
            return None if stored is None else values.decode_meta(stored)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise CorruptionError(f"{self.path}: unreadable partition row: {error}") from error

    def get(self, key: bytes) -> bytes | None:
        try:
            value: bytes | None = self._db.get(key)
        except Exception as error:
            raise CorruptionError(f"{self.path} cannot be read: {error}") from error
        return value

    def scan(self, start: bytes, end: bytes) -> Iterator[tuple[bytes, bytes]]:
        try:
            yield from bounded_scan.scan(self._db, start, end)
        except AssertionError:
            raise
        except Exception as error:
            raise CorruptionError(f"{self.path} cannot be read: {error}") from error

    def scan_keys(self, start: bytes, end: bytes) -> Iterator[bytes]:
        for key, _ in self.scan(start, end):
            yield key

    def digest(self) -> str:
        return rows_digest(self)

    def catch_up(self) -> None:
        """See what the owner wrote up to now."""
        try:
            self._db.try_catch_up_with_primary()
        except Exception:
            # For instance a manifest that this handle cannot follow any more: a fresh one can.
            self._db.close()
            self._db = open_secondary(self.path, self._scratch)

    def close(self) -> None:
        self._db.close()
