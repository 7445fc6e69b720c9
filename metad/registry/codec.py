"""A proposal <-> bytes. Pure: no I/O.

One record is a version byte and msgpack of an array.
"""

from __future__ import annotations

import msgspec

from metad.registry.commands import Proposal
from shared.errors import CorruptionError

__all__ = ["FORMAT_VERSION", "decode_proposal", "encode_proposal"]

#: Since 0.1. A newer record than this is refused, never skipped.
FORMAT_VERSION = 1
_PREFIX = bytes([FORMAT_VERSION])

_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Proposal)


def encode_proposal(proposal: Proposal) -> bytes:
    """The bytes that the log stores."""
    return _PREFIX + _encoder.encode(proposal)


def decode_proposal(data: bytes) -> Proposal:
    """Raises CorruptionError for bytes that are no record, a newer format, or an unknown tag."""
    if data[:1] != _PREFIX:
        version = data[0] if data else None
        raise CorruptionError(
            f"record of format version {version} in group meta; this build reads version {FORMAT_VERSION}: "
            "use a newer build"
        )
    try:
        return _decoder.decode(memoryview(data)[1:])
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise CorruptionError(f"unreadable record in group meta: {error}") from error
