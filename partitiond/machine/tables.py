"""The port by which the machine reads stored rows. Pure: no I/O."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

__all__ = ["Tables"]


class Tables(Protocol):
    """The partition's rows as of the last commit. Keys and values by shared/storage."""

    def get(self, key: bytes) -> bytes | None:
        """The value stored under `key`, or None."""
        ...

    def scan(self, start: bytes, end: bytes) -> Iterator[tuple[bytes, bytes]]:
        """Rows with start <= key < end, in key order."""
        ...

    def scan_keys(self, start: bytes, end: bytes) -> Iterator[bytes]:
        """The keys of the same rows."""
        ...
