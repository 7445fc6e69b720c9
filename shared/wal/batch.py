"""A batch of commands <-> bytes. Pure: no I/O.

One batch is one record of the log: a version byte, then msgpack. Batches of one leader carry its
epoch and consecutive sequence numbers; the machine ignores a batch of another epoch or out of
sequence, so that what an old leader left in flight, or the log repeats, changes nothing.
"""

from __future__ import annotations

import msgspec

from shared.errors import CorruptionError
from shared.wal.commands import Command

__all__ = ["FORMAT_VERSION", "Batch", "decode_batch", "encode_batch"]

#: Since 0.1. A newer batch than this is refused, never skipped.
FORMAT_VERSION = 1
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
    """Raises CorruptionError for bytes that are no batch, a newer format, or an unknown tag."""
    if data[:1] != _PREFIX:
        version = data[0] if data else None
        raise CorruptionError(
            f"batch of format version {version}; this build reads version {FORMAT_VERSION}: use a newer build"
        )
    try:
        return _decoder.decode(memoryview(data)[1:])
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise CorruptionError(f"unreadable batch: {error}") from error
