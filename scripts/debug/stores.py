"""One partition's rows, read beside their owner. Owns: nothing; see `secondary`.

Between two `catch_up` all reads see one applied LSN.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec

from scripts.debug.ports import FIRST_KEY, LAST_KEY
from scripts.debug.secondary import Secondary
from shared.errors import ConfigError, CorruptionError
from shared.storage import keys, values
from shared.storage.digest import rows_digest
from shared.storage.values import STORE_FORMAT, PartitionMeta

__all__ = ["StoreReader", "is_store"]


def is_store(path: Path) -> bool:
    """Is there a RocksDB? To open a folder that is none would make one."""
    return (path / "CURRENT").is_file()


class StoreReader(Secondary):
    """The store at `path`."""

    def __init__(self, path: Path, scratch: Path) -> None:
        """Raises CorruptionError when it cannot be opened, ConfigError for a format of a newer build."""
        super().__init__(path, scratch)
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

    def scan_keys(self, start: bytes, end: bytes) -> Iterator[bytes]:
        for key, _ in self.scan(start, end):
            yield key

    def digest(self) -> str:
        return rows_digest(self.scan(FIRST_KEY, LAST_KEY))
