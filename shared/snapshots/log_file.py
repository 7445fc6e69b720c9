"""A piece of a group's log as a file of a snapshot. Pure: no I/O.

Frames follow each other: bytes of the body (4, big-endian), CRC-32 of it (4), body. The first body is a
`LogHead`, each further one an LSN (8) and a batch as the log has it. LSNs have gaps where Raft has its own entries.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from zlib import crc32

import msgspec

from shared.errors import ConfigError, CorruptionError

__all__ = ["FORMAT", "LogHead", "decode_log", "encode_batch_frame", "encode_head"]

#: Since 0.3. A newer one is refused.
FORMAT = 1

_frame_head = struct.Struct(">II")
_lsn = struct.Struct(">Q")
_encode = msgspec.msgpack.Encoder().encode


class LogHead(msgspec.Struct, array_like=True, frozen=True):
    """Which group, and which part: every batch with `after_lsn` < LSN <= `upto_lsn`.

    `after_lsn` 0: from the group's beginning on.
    """

    format: int
    group: str
    after_lsn: int
    upto_lsn: int


def encode_head(*, group: str, after_lsn: int, upto_lsn: int) -> bytes:
    return _frame(_encode(LogHead(FORMAT, group, after_lsn, upto_lsn)))


def encode_batch_frame(lsn: int, batch: bytes) -> bytes:
    return _frame(_lsn.pack(lsn) + batch)


def _frame(body: bytes) -> bytes:
    return _frame_head.pack(len(body), crc32(body)) + body


def decode_log(chunks: Iterable[bytes], *, what: str) -> tuple[LogHead, Iterator[tuple[int, bytes]]]:
    """The head, and (LSN, batch) in order as they are asked for. `chunks`: the file's bytes, cut anywhere.

    Raises CorruptionError that names `what` and the LSN before the damage, ConfigError for a newer format.
    """
    bodies = _bodies(chunks, what=what)
    first = next(bodies, None)
    if first is None:
        raise CorruptionError(f"{what} is empty")
    try:
        number = msgspec.msgpack.decode(first, type=list[msgspec.Raw])[0]
        if msgspec.msgpack.decode(number, type=int) > FORMAT:
            found = msgspec.msgpack.decode(number)
            raise ConfigError(f"{what} has format {found}; this build reads up to {FORMAT}: use a newer build")
        head = msgspec.msgpack.decode(first, type=LogHead)
    except (msgspec.MsgspecError, UnicodeDecodeError, IndexError) as error:
        raise CorruptionError(f"{what} has no readable head: {error}") from error
    return head, _batches(head, bodies, what=what)


def _batches(head: LogHead, bodies: Iterator[bytes], *, what: str) -> Iterator[tuple[int, bytes]]:
    before = head.after_lsn
    for body in bodies:
        if len(body) < _lsn.size:
            raise CorruptionError(f"{what} has a batch without an LSN behind lsn={before}")
        (lsn,) = _lsn.unpack_from(body)
        if not before < lsn <= head.upto_lsn:
            raise CorruptionError(f"{what} has lsn={lsn} behind lsn={before}, and should end at {head.upto_lsn}")
        yield lsn, body[_lsn.size :]
        before = lsn


def _bodies(chunks: Iterable[bytes], *, what: str) -> Iterator[bytes]:
    buffer = bytearray()
    at = 0
    for chunk in chunks:
        buffer += chunk
        place = 0
        while len(buffer) - place >= _frame_head.size:
            size, checksum = _frame_head.unpack_from(buffer, place)
            end = place + _frame_head.size + size
            if len(buffer) < end:
                break
            body = bytes(memoryview(buffer)[place + _frame_head.size : end])
            if crc32(body) != checksum:
                raise CorruptionError(f"{what} is damaged at byte {at + place}: a checksum does not match")
            yield body
            place = end
        del buffer[:place]
        at += place
    if buffer:
        raise CorruptionError(f"{what} is cut at byte {at + len(buffer)}")
