"""Keys of the log's RocksDB <-> what they stand for. Pure: no I/O.

One byte of kind, then the group's number, then the Raft index: all entries of a group are neighbours,
in order. Numbers of kinds are never reused.
"""

from __future__ import annotations

import struct

__all__ = [
    "commit_key",
    "entry_index",
    "entry_key",
    "entry_range",
    "group_name",
    "hard_state_key",
    "registry_key",
    "registry_range",
    "trim_key",
]

#: Group name -> its number. Since 0.1.
_REGISTRY = 1
#: Term and vote of a group. Since 0.1.
_HARD_STATE = 2
#: Highest commit index known when the batch was written. Since 0.1.
_COMMIT = 3
#: Batches up to this LSN are dropped. Since 0.1.
_TRIM = 4
#: One Raft entry. Since 0.1.
_ENTRY = 5

_group_key = struct.Struct(">BI").pack
_entry_key = struct.Struct(">BIQ").pack


def registry_key(name: str) -> bytes:
    return bytes([_REGISTRY]) + name.encode()


def registry_range() -> tuple[bytes, bytes]:
    """First key of the registry, and the first key behind it."""
    return bytes([_REGISTRY]), bytes([_REGISTRY + 1])


def group_name(key: bytes) -> str:
    """The name in a registry key."""
    return key[1:].decode()


def hard_state_key(group_id: int) -> bytes:
    return _group_key(_HARD_STATE, group_id)


def commit_key(group_id: int) -> bytes:
    return _group_key(_COMMIT, group_id)


def trim_key(group_id: int) -> bytes:
    return _group_key(_TRIM, group_id)


def entry_key(group_id: int, index: int) -> bytes:
    return _entry_key(_ENTRY, group_id, index)


def entry_range(group_id: int) -> tuple[bytes, bytes]:
    """First key that an entry of the group may have, and the first key behind them all."""
    return _group_key(_ENTRY, group_id), _group_key(_ENTRY, group_id + 1)


def entry_index(key: bytes) -> int:
    """The Raft index in an entry's key."""
    return int.from_bytes(key[5:], "big")
