"""Header blocks to bytes and back (RFC 7541), without any dynamic table.

Pure: no I/O.

Rules that always hold: what we send is literal or static, so a block means the same on every connection and
can be cached; we announce SETTINGS_HEADER_TABLE_SIZE 0 and refuse any other table size, so the same is true
of what we receive: one decoder and one cache serve all connections of a pool.
"""

from collections.abc import Iterable
from typing import Final, cast

from jh2.hpack import Decoder, HPACKError, OversizedHeaderListError

from partitiond.invoker.http2.errors import ConnectionFault, StreamFault
from partitiond.invoker.http2.frames import COMPRESSION_ERROR, ENHANCE_YOUR_CALM
from partitiond.invoker.http2.message import FieldBlock, read_fields

__all__ = [
    "BlockDecoder",
    "encode_authority",
    "encode_field",
    "encode_method",
    "encode_path",
    "encode_scheme",
    "encode_string",
]

# First bytes of a literal without indexing, never indexed, and fully indexed fields (RFC 7541 section 6).
_LITERAL: Final = b"\x00"
_LITERAL_NEVER: Final = b"\x10"
_INDEXED_METHOD: Final = {"GET": b"\x82", "POST": b"\x83"}
_INDEXED_SCHEME: Final = {"http": b"\x86", "https": b"\x87"}
# Static table indices used as names, as the first byte of a literal without indexing (appendix A).
_NAME_AUTHORITY: Final = b"\x01"
_NAME_METHOD: Final = b"\x02"
_NAME_PATH: Final = b"\x04"

#: Fields that no hop may put into a compression context (RFC 7541 section 7.1.3).
_SECRET_NAMES: Final = frozenset({"authorization", "cookie", "proxy-authorization", "x-restate-jwt-v1"})

_CACHED_BLOCKS_MAX: Final = 1024
_CACHED_BLOCK_BYTES_MAX: Final = 1024


def encode_string(text: bytes) -> bytes:
    """A string literal without Huffman coding (RFC 7541 section 5.2): bytes cost less than CPU here."""
    size = len(text)
    if size < 127:
        return bytes((size,)) + text
    prefix = bytearray(b"\x7f")
    size -= 127
    while size >= 128:
        prefix.append(size & 127 | 128)
        size >>= 7
    prefix.append(size)
    return bytes(prefix) + text


def encode_method(method: str) -> bytes:
    """The `:method` field."""
    return _INDEXED_METHOD.get(method) or _NAME_METHOD + encode_string(method.encode("ascii"))


def encode_scheme(scheme: str) -> bytes:
    """The `:scheme` field; only http and https exist here."""
    return _INDEXED_SCHEME[scheme]


def encode_authority(authority: str) -> bytes:
    """The `:authority` field."""
    return _NAME_AUTHORITY + encode_string(authority.encode("ascii"))


def encode_path(path: str) -> bytes:
    """The `:path` field."""
    return _NAME_PATH + encode_string(path.encode("ascii"))


def encode_field(name: str, value: str) -> bytes:
    """One ordinary field; both must be valid already (see `message.RequestHead`)."""
    first = _LITERAL_NEVER if name in _SECRET_NAMES else _LITERAL
    text = value.encode("utf-8", "surrogateescape")
    return first + encode_string(name.encode("ascii")) + encode_string(text)


class BlockDecoder:
    """Received field blocks to validated fields, through a cache keyed by the block's bytes."""

    __slots__ = ("_cache", "_decoder", "_list_bytes_max")

    def __init__(self, list_bytes_max: int) -> None:
        self._list_bytes_max = list_bytes_max
        self._cache: dict[bytes, FieldBlock] = {}
        self._decoder = Decoder(list_bytes_max)
        # The table's size now, and the size a peer may ask for: with 0 and 0 the decoder keeps no state.
        self._decoder.header_table_size = 0
        self._decoder.max_allowed_table_size = 0

    def decode(self, block: bytes) -> FieldBlock:
        """The fields of a whole block (HEADERS and its CONTINUATIONs joined).

        Raises ConnectionFault if the bytes are not HPACK (RFC 9113 section 4.3), StreamFault if the fields
        are malformed (section 8.1.1) or more than the limit.
        """
        fields = self._cache.get(block)
        if fields is None:
            fields = self._decode(block)
            if len(block) <= _CACHED_BLOCK_BYTES_MAX:
                if len(self._cache) >= _CACHED_BLOCKS_MAX:
                    # All at once: an order of use would cost on every hit, a refill costs 10 us a block.
                    self._cache.clear()
                self._cache[block] = fields
        return fields

    def _decode(self, block: bytes) -> FieldBlock:
        try:
            pairs = self._decoder.decode(block, raw=True)
        except OversizedHeaderListError:
            # Section 10.5.1. The stream alone suffers: no table was left half-updated, since there is none.
            raise StreamFault(ENHANCE_YOUR_CALM, f"header list over {self._list_bytes_max} bytes") from None
        except HPACKError as error:
            # Its own text holds an address of memory: no two failures would be equal, and each would be told again.
            what = str(error).partition(" from <")[0]
            raise ConnectionFault(COMPRESSION_ERROR, f"header block is not HPACK: {what}") from None
        return read_fields(cast("Iterable[tuple[bytes, bytes]]", pairs))
