"""The digest of a store: equal stores have equal ones, whatever their files look like. Pure: no I/O."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

__all__ = ["rows_digest"]


def rows_digest(rows: Iterable[tuple[bytes, bytes]]) -> str:
    """SHA-256 over all rows in the order of their keys, each length-prefixed; in hex."""
    digest = hashlib.sha256()
    for key, value in rows:
        digest.update(len(key).to_bytes(4, "big") + key + len(value).to_bytes(4, "big") + value)
    return digest.hexdigest()
