"""Stored values as what JSON can say, by the names of their fields. Pure: no I/O."""

from __future__ import annotations

from enum import IntEnum
from typing import Any

import msgspec

from shared.ids import encode_invocation_id
from shared.wal.futures import Leaf

__all__ = ["Json", "fields", "id_text", "leaf_text", "plain", "text_of"]

Json = Any

#: Fields that hold an invocation's 24 bytes, whatever struct they are in.
_IDS = frozenset(
    {"id", "invocation_id", "invocation_ids", "new_id", "callee_id", "caller_id", "holder", "seed_id", "restarted_from"}
)
#: Fields that hold bytes that nobody reads.
_OPAQUE = frozenset({"uid", "request_uid", "leader_uid", "rules_digest"})
_ID_BYTES = 24


def id_text(raw: bytes) -> str:
    """`inv_1…`; what is no invocation id stands as hex."""
    return encode_invocation_id(raw) if len(raw) == _ID_BYTES else f"0x{raw.hex()}"


def text_of(raw: bytes) -> str:
    """UTF-8 that can be printed as it is, all else as `0x…`."""
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        return f"0x{raw.hex()}"
    return text if all(character.isprintable() or character in "\t\n" for character in text) else f"0x{raw.hex()}"


def leaf_text(leaf: Leaf) -> str:
    """A notification that somebody waits for."""
    if isinstance(leaf, str):
        return f"signal {leaf!r}"
    return f"completion {leaf}" if leaf >= 0 else f"signal {-1 - leaf}"


def fields(value: msgspec.Struct) -> dict[str, Json]:
    """Every field of a struct, and the tag's word where there is one."""
    shaped: dict[str, Json] = {}
    if value.__struct_config__.tag is not None:
        shaped["type"] = type(value).__name__
    for name in value.__struct_fields__:
        shaped[name] = plain(getattr(value, name), name)
    return shaped


def plain(value: Any, name: str = "") -> Json:
    """Any stored value. `name`: the field that it is in, which tells ids from other bytes."""
    if isinstance(value, msgspec.Struct):
        return fields(value)
    if isinstance(value, IntEnum):
        return value.name.lower()
    if isinstance(value, bytes):
        if name in _IDS:
            return id_text(value)
        return f"0x{value.hex()}" if name in _OPAQUE else text_of(value)
    if isinstance(value, list | tuple):
        return [plain(item, name) for item in value]
    if isinstance(value, dict):
        return {str(key): plain(item, name) for key, item in value.items()}
    return value
