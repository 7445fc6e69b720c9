"""The version of an object's state, by which an edit says what it was made for. Pure: no I/O.

Known to Restate's clients: the CLI makes it of the state that it has read (admin_api.md, A3).
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable

__all__ = ["state_version"]


def state_version(entries: Iterable[tuple[bytes, bytes]]) -> str:
    """`entries`: names and values, in the order of the names."""
    digest = hashlib.sha256()
    for index, (name, value) in enumerate(entries):
        digest.update(index.to_bytes(8, "big") + b"\x01")
        digest.update(name)
        digest.update(b"\x02")
        digest.update(value)
        digest.update(b"\x03")
    return base64.urlsafe_b64encode(digest.digest()).rstrip(b"=").decode()
