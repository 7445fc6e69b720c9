"""A proposal <-> bytes. Pure: no I/O.

One record is a version byte and msgpack of an array.
"""

from __future__ import annotations

import msgspec

from metad.registry.commands import Proposal
from shared.errors import CorruptionError
from shared.formats import check_format

__all__ = ["FORMAT_VERSION", "decode_proposal", "encode_proposal"]

#: A newer record than this is refused, never skipped. Older ones are read. 1: up to 0.3.
FORMAT_VERSION = 2
_PREFIX = bytes([FORMAT_VERSION])

_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Proposal)


def encode_proposal(proposal: Proposal) -> bytes:
    """The bytes that the log stores."""
    return _PREFIX + _encoder.encode(proposal)


def decode_proposal(data: bytes) -> Proposal:
    """Raises FormatError for a newer format, CorruptionError for bytes that are no record, or an unknown tag."""
    if not data:
        raise CorruptionError("unreadable record in group meta: it is empty")
    check_format("the record in group meta", data[0], newest=FORMAT_VERSION)
    try:
        return _decoder.decode(memoryview(data)[1:])
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise CorruptionError(f"unreadable record in group meta: {error}") from error
