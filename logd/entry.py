"""Stored values of the log <-> bytes. Pure: no I/O.

Every value begins with a format version and a CRC-32 over the rest and over where it is stored, so
that neither a flipped bit nor a value under a wrong key is ever taken for an entry.
"""

from __future__ import annotations

import struct
from typing import NamedTuple, TypeVar

import msgspec
from isal.isal_zlib import crc32

from shared.errors import CorruptionError
from shared.formats import check_format

__all__ = ["FORMAT_VERSION", "HardState", "StoredEntry", "decode_entry", "decode_value", "encode_entry", "encode_value"]

#: Since 0.1. A newer one is refused.
FORMAT_VERSION = 1

_entry_head = struct.Struct(">BIQQ")
_entry_place = struct.Struct(">IQQQ")
_value_head = struct.Struct(">BI")
_encode = msgspec.msgpack.Encoder().encode
_T = TypeVar("_T")


class StoredEntry(NamedTuple):
    """One Raft entry as it is stored.

    `position`: bytes of all commands of the group from its first entry to this one, this one included:
    how much a range of the log holds is known from its two ends.
    """

    term: int
    position: int
    command: bytes


class HardState(msgspec.Struct, array_like=True, frozen=True):
    """What Raft must never forget: durable before any message that shows it."""

    term: int = 0
    vote: str | None = None


def encode_entry(*, group_id: int, index: int, term: int, position: int, command: bytes) -> bytes:
    checksum = crc32(command, crc32(_entry_place.pack(group_id, index, term, position)))
    return _entry_head.pack(FORMAT_VERSION, checksum, term, position) + command


def decode_entry(value: bytes, *, group: str, group_id: int, index: int) -> StoredEntry:
    """Raises CorruptionError that names group and index for anything but what `encode_entry` made for them, FormatError
    for a whole one of another version."""
    if len(value) < _entry_head.size:
        raise CorruptionError(f"log entry group={group} index={index} is cut: {len(value)} bytes")
    version, checksum, term, position = _entry_head.unpack_from(value)
    if version != FORMAT_VERSION:
        check_format(f"log entry group={group} index={index}", version, newest=FORMAT_VERSION)
    command = value[_entry_head.size :]
    if crc32(command, crc32(_entry_place.pack(group_id, index, term, position))) != checksum:
        raise CorruptionError(f"log entry group={group} index={index} is damaged: its checksum does not match")
    return StoredEntry(term, position, command)


def encode_value(value: HardState | int, *, key: bytes) -> bytes:
    """A small value with version and checksum."""
    body = _encode(value)
    return _value_head.pack(FORMAT_VERSION, crc32(body, crc32(key))) + body


def decode_value(data: bytes, kind: type[_T], *, key: bytes, what: str) -> _T:
    """Raises CorruptionError that names `what` for damaged bytes, FormatError for another version."""
    body = data[_value_head.size :]
    if len(data) <= _value_head.size:
        raise CorruptionError(f"{what} is cut: {len(data)} bytes")
    version, checksum = _value_head.unpack_from(data)
    check_format(what, version, newest=FORMAT_VERSION)
    if checksum != crc32(body, crc32(key)):
        raise CorruptionError(f"{what} is damaged: its checksum does not match")
    try:
        return msgspec.msgpack.decode(body, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise CorruptionError(f"{what} is damaged: {error}") from error
