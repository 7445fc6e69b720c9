"""JSON files that carry their own checksum, as their last field. Pure: no I/O.

The checksum is over the text before it, so that fields which this build does not know are checked too.
"""

from __future__ import annotations

import re
from hashlib import sha256
from typing import TypeVar

import msgspec

from shared.errors import ConfigError, CorruptionError

__all__ = ["seal", "unseal"]

_SEAL = re.compile(rb',\n  "checksum": "([0-9a-f]{64})"\n}\n\Z')
_T = TypeVar("_T", bound=msgspec.Struct)


class _Head(msgspec.Struct):
    format: int


def seal(value: msgspec.Struct) -> bytes:
    """The text of a file. `value` has a field `format` and no field `checksum`."""
    text: bytes = msgspec.json.format(msgspec.json.encode(value), indent=2)
    body = text.removesuffix(b"\n}")
    return body + b',\n  "checksum": "' + sha256(body).hexdigest().encode() + b'"\n}\n'


def unseal(data: bytes, kind: type[_T], *, what: str, newest_format: int) -> _T:
    """What `seal` was given. Raises CorruptionError that names `what`, ConfigError for a newer format."""
    found = _SEAL.search(data)
    if found is None or sha256(data[: found.start()]).hexdigest().encode() != found[1]:
        raise CorruptionError(f"{what} is damaged: its checksum does not match")
    try:
        number = msgspec.json.decode(data, type=_Head).format
        if number > newest_format:
            raise ConfigError(f"{what} has format {number}; this build reads up to {newest_format}: use a newer build")
        return msgspec.json.decode(data, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise CorruptionError(f"{what} is damaged: {error}") from error
