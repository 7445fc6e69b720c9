"""Large contents, compressed once, before they enter the log. Pure: no I/O.

The log, its replicas and the stores hold the packed bytes; who sends or shows a content unpacks it. The machine packs
nothing: what it stores must not depend on the build of a library.
"""

from __future__ import annotations

from enum import IntEnum

from zstandard import ZstdCompressor, ZstdDecompressor, ZstdError

from shared.errors import CorruptionError, FormatError

__all__ = ["Packing", "pack", "unpack"]

#: Of zstd: the fastest that still finds what is equal in a text. A megabyte of JSON takes 2 ms, one that cannot be
#: compressed 0.3 ms.
_LEVEL = 1
#: One part in so many must be saved: else to unpack it each time costs more than its bytes.
_SAVED_ONE_IN = 8


class Packing(IntEnum):
    """How a content is stored; the numbers are for ever."""

    PLAIN = 0
    #: One frame, as of RFC 8878.
    ZSTD = 1


def pack(content: bytes | memoryview) -> bytes | None:
    """As `Packing.ZSTD`. None: it is hardly smaller, and to be stored as it is."""
    packed = ZstdCompressor(level=_LEVEL).compress(content)
    return packed if len(packed) <= len(content) - len(content) // _SAVED_ONE_IN else None


def unpack(stored: bytes, packing: int, size: int) -> bytes:
    """The content of `size` bytes. Raises CorruptionError when it is not that, FormatError for a newer packing."""
    if packing == Packing.ZSTD:
        try:
            content = ZstdDecompressor().decompress(stored, max_output_size=size)
        except ZstdError as error:
            raise CorruptionError(f"a content cannot be unpacked: {error}; restore the store") from error
    elif packing == Packing.PLAIN:
        content = stored
    else:
        raise FormatError(
            f"a content has the packing {packing}, which this build does not know: start the build that wrote it"
        )
    if len(content) != size:
        raise CorruptionError(f"a content has {len(content)} bytes, not {size}; restore the store")
    return content
