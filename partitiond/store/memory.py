"""A partition's rows in a sorted dict, for tests and simulation. Pure: no I/O."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterator, Mapping

from shared.storage import keys, values
from shared.storage.digest import rows_digest
from shared.storage.values import PartitionMeta

__all__ = ["MemoryStore"]


class MemoryStore:
    """Does what `RocksStore` does, and forgets it."""

    def __init__(self) -> None:
        self._rows: dict[bytes, bytes] = {}
        self._keys: list[bytes] = []

    def meta(self) -> PartitionMeta | None:
        stored = self.get(keys.META_KEY)
        return None if stored is None else values.decode_meta(stored)

    def get(self, key: bytes) -> bytes | None:
        return self._rows.get(key)

    def scan(self, start: bytes, end: bytes) -> Iterator[tuple[bytes, bytes]]:
        found = self._keys[bisect_left(self._keys, start) : bisect_left(self._keys, end)]
        return iter([(key, self._rows[key]) for key in found])

    def scan_keys(self, start: bytes, end: bytes) -> Iterator[bytes]:
        return iter(self._keys[bisect_left(self._keys, start) : bisect_left(self._keys, end)])

    def commit(self, writes: Mapping[bytes, bytes | None]) -> None:
        for key, value in writes.items():
            if value is None:
                if self._rows.pop(key, None) is not None:
                    del self._keys[bisect_left(self._keys, key)]
            else:
                if key not in self._rows:
                    insort(self._keys, key)
                self._rows[key] = value

    def checkpoint(self) -> None:
        """Nothing to do: there is no power to lose."""

    def digest(self) -> str:
        return rows_digest(self.scan(b"\x00", b"\xff" * 64))

    def close(self) -> None:
        """Nothing to release."""
