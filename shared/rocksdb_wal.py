"""What RocksDB's write-ahead log files and manifest hold, and where they stop making sense. Pure: no I/O.

RocksDB's own reader drops in silence whatever follows a record that it cannot read, and does not see that batches are
missing between two files, or between two of its blocks: a power loss may leave such a hole in files that were not
synced. A type that does not exist makes it read for ever. So the files are looked through before RocksDB opens them:
headers only, about 1 us a batch; checksums once something is wrong.

A file is blocks of 32 KiB. A fragment is a header (checksum, length, type) and bytes, and never crosses a block; a
batch is one FULL fragment, or FIRST, MIDDLE and LAST ones. A batch begins with its sequence number and how many it
takes: the next batch continues there, across files. The manifest is a file of the same kind, its batches are edits of
the list of tables. Source: RocksDB's wiki, "Write Ahead Log File Format" and "MANIFEST".
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import NamedTuple

__all__ = ["Break", "Manifest", "Scan", "crc32c", "read_manifest", "scan_wal", "whole_batch_behind"]

_BLOCK = 32 * 1024
_SECTOR = 512
_header = struct.Struct("<IHB")
_batch_head = struct.Struct("<QI")
_FULL, _FIRST, _MIDDLE, _LAST = 1, 2, 3, 4


class Break(NamedTuple):
    """Where a file stops making sense.

    `end`: behind the last whole batch; `at`: the fragment that is wrong; `torn`: so a file looks whose end was not
    synced when the power failed: it is too short, or sectors of it were never written.
    """

    end: int
    at: int
    what: str
    torn: bool


class Manifest(NamedTuple):
    """Files of lower numbers than `log_number` are out of use; `last_sequence` was reached when it was written."""

    log_number: int
    last_sequence: int


class Scan(NamedTuple):
    """Sequence numbers of the first batch, and of the one that must follow the last whole one; None: there is none."""

    first_sequence: int | None
    next_sequence: int | None
    broken: Break | None


def scan_wal(data: bytes, next_sequence: int | None = None, *, checksums: bool = False) -> Scan:
    """Look through one file. `next_sequence`: what the file before it ended with."""
    at = end = 0
    #: Of the batch that is being read: where it begins, -1 for none, and its first bytes.
    begin = -1
    head = b""
    size = len(data)
    first: int | None = None
    unpack = _header.unpack_from
    while at < size:
        left = _BLOCK - at % _BLOCK
        if left < _header.size:
            at += left
            continue
        if at + _header.size > size:
            return Scan(first, next_sequence, Break(end, at, "ends within a header", True))
        checksum, length, kind = unpack(data, at)
        behind = at + _header.size + length
        wrong = _wrong_header(kind, length, left, within=begin >= 0)
        if wrong is None and behind > size:
            return Scan(first, next_sequence, Break(end, at, "ends within a batch", True))
        if wrong is None and checksums and _masked(crc32c(data[at + 6 : behind])) != checksum:
            wrong = "has a checksum that does not match"
        if wrong is not None:
            return Scan(first, next_sequence, Break(end, at, wrong, _unwritten(data, end)))
        if kind in (_FULL, _FIRST):
            begin, head = at, b""
        if len(head) < _batch_head.size:
            head += data[at + _header.size : min(behind, at + _header.size + _batch_head.size)]
        at = behind
        if kind in (_FULL, _LAST):
            if len(head) < _batch_head.size:
                return Scan(first, next_sequence, Break(end, begin, "has a batch without a head", False))
            sequence, count = _batch_head.unpack_from(head)
            if next_sequence is not None and sequence != next_sequence:
                what = f"goes on at sequence {sequence} where {next_sequence} should be"
                return Scan(first, next_sequence, Break(end, begin, what, False))
            first = sequence if first is None else first
            next_sequence = sequence + count
            begin, end = -1, at
    if begin >= 0:
        return Scan(first, next_sequence, Break(end, begin, "ends within a batch", True))
    return Scan(first, next_sequence, None)


def _wrong_header(kind: int, length: int, left: int, *, within: bool) -> str | None:
    if kind == 0 and length == 0:
        return "has zeros where a batch should be"
    if not _FULL <= kind <= _LAST:
        return f"has a fragment of unknown type {kind}"
    if _header.size + length > left:
        return "has a fragment that is longer than its block"
    if within != (kind in (_MIDDLE, _LAST)):
        return "has fragments that do not belong together"
    return None


def _unwritten(data: bytes, start: int) -> bool:
    """A sector behind `start` is all zeros, as what never reached the disk reads."""
    first = start // _SECTOR * _SECTOR
    zeros = bytes(_SECTOR)
    for at in range(first, len(data), _SECTOR):
        begin = max(at, start)
        if data[begin : at + _SECTOR] == zeros[: min(at + _SECTOR, len(data)) - begin]:
            return True
    return False


def whole_batch_behind(data: bytes, start: int) -> int | None:
    """Offset of a batch, its checksum right, that begins behind the fragment which is wrong at `start`, if any.

    In the block of the damage fragments may begin anywhere, for a length may be wrong; behind it they are in line.
    """
    block = (start // _BLOCK + 1) * _BLOCK
    for at in range(start + 1, min(block, len(data))):
        if _begins_batch(data, at):
            return at
    at = block
    while at + _header.size <= len(data):
        left = _BLOCK - at % _BLOCK
        length = _header.unpack_from(data, at)[1] if left >= _header.size else 0
        if left < _header.size or _header.size + length > left:
            at += left
        elif _begins_batch(data, at):
            return at
        else:
            at += _header.size + length
    return None


def _begins_batch(data: bytes, at: int) -> bool:
    left = _BLOCK - at % _BLOCK
    if left < _header.size or at + _header.size > len(data):
        return False
    checksum, length, kind = _header.unpack_from(data, at)
    behind = at + _header.size + length
    if kind not in (_FULL, _FIRST) or behind > len(data) or _header.size + length > left:
        return False
    return bool(_masked(crc32c(data[at + 6 : behind])) == checksum)


#: Tags of an edit's first fields, and whether they are numbers; the fields behind these are of no interest here.
_LOG_NUMBER, _LAST_SEQUENCE = 2, 4
_NUMBERS = frozenset({_LOG_NUMBER, 3, _LAST_SEQUENCE, 9, 10, 203})
_TEXTS = frozenset({1, 8192 + 1})


def read_manifest(data: bytes) -> Manifest:
    """As far as it can be read: RocksDB checks it for damage, but does not see that whole edits are missing."""
    log_number = last_sequence = 0
    for edit in _records(data):
        at = 0
        try:
            while at < len(edit):
                tag, at = _varint(edit, at)
                if tag not in _NUMBERS and tag not in _TEXTS:
                    break
                number, at = _varint(edit, at)
                if tag in _TEXTS:
                    at += number
                elif tag == _LOG_NUMBER:
                    log_number = max(log_number, number)
                elif tag == _LAST_SEQUENCE:
                    last_sequence = max(last_sequence, number)
        except IndexError:
            break
    return Manifest(log_number, last_sequence)


def _records(data: bytes) -> Iterator[bytes]:
    at = 0
    parts: list[bytes] = []
    while at + _header.size <= len(data):
        left = _BLOCK - at % _BLOCK
        if left < _header.size:
            at += left
            continue
        _, length, kind = _header.unpack_from(data, at)
        behind = at + _header.size + length
        if behind > len(data) or _wrong_header(kind, length, left, within=bool(parts)) is not None:
            return
        parts.append(data[at + _header.size : behind])
        at = behind
        if kind in (_FULL, _LAST):
            yield b"".join(parts)
            parts = []


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """(number, where the next field begins). Raises IndexError at the end."""
    number = shift = 0
    while True:
        byte = data[at]
        at += 1
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            return number, at
        shift += 7


def _table() -> list[int]:
    table = []
    for byte in range(256):
        for _ in range(8):
            byte = (byte >> 1) ^ (0x82F63B78 if byte & 1 else 0)
        table.append(byte)
    return table


_TABLE = _table()


def crc32c(data: bytes) -> int:
    """Castagnoli's CRC, about 10 MB/s: only for files that are damaged."""
    table = _TABLE
    crc = 0xFFFFFFFF
    for byte in data:
        crc = table[(crc ^ byte) & 0xFF] ^ (crc >> 8)
    return crc ^ 0xFFFFFFFF


def _masked(crc: int) -> int:
    """As RocksDB stores it."""
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF
