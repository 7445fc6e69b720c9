"""A batch of commands <-> bytes. Pure: no I/O.

One batch is one record of the log: a version byte, then msgpack. Batches of one leader carry its
epoch and consecutive sequence numbers; the machine ignores a batch of another epoch or out of
sequence, so that what an old leader left in flight, or the log repeats, changes nothing.
"""

from __future__ import annotations

import msgspec

from shared.errors import CorruptionError
from shared.formats import check_format
from shared.wal.commands import Command

__all__ = ["FORMAT_VERSION", "Batch", "decode_batch", "encode_batch"]

#: A newer batch than this is refused, never skipped. Older ones are read: what they lack has a default. 1: up to 0.3.
FORMAT_VERSION = 2
_PREFIX = bytes([FORMAT_VERSION])


class Batch(msgspec.Struct, array_like=True):
    """Commands of one leader, in order.

    `epoch`: LSN of the leader's announcement; 0 only for the announcement itself.
    `seq`: 1, 2, 3 … within the epoch; 0 only for the announcement.
    `at_ms`: the proposer's clock; the machine never lets its own time go back.
    """

    epoch: int
    seq: int
    at_ms: int
    commands: list[Command]


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Batch)


def encode_batch(batch: Batch) -> bytes:
    """The bytes that the log stores."""
    return _PREFIX + _encoder.encode(batch)


def decode_batch(data: bytes) -> Batch:
    """Raises FormatError for a newer format, CorruptionError for bytes that are no batch, or an unknown tag."""
    if not data:
        raise CorruptionError("unreadable batch: it is empty")
    if not 1 <= data[0] <= FORMAT_VERSION:
        check_format("the batch", data[0], newest=FORMAT_VERSION)
    try:
        return _decoder.decode(memoryview(data)[1:])
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise CorruptionError(f"unreadable batch: {error}") from error
