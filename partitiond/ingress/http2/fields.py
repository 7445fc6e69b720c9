"""Header blocks -> request heads, answers' heads -> header blocks (RFC 9113 section 8, RFC 7541). Pure: no I/O.

Answers are encoded without the dynamic table, so that no state of ours has to follow the client's settings. Requests
may use it: a client need not have heard of our settings when it sends its first one.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable
from typing import Final, NamedTuple, cast

from jh2.hpack import Decoder, HPACKError, OversizedHeaderListError

from partitiond.ingress.http2.faults import ConnectionFault, StreamFault
from partitiond.invoker.http2.frames import COMPRESSION_ERROR, ENHANCE_YOUR_CALM, PROTOCOL_ERROR
from partitiond.invoker.http2.hpack import encode_string

__all__ = ["HeadDecoder", "RequestHead", "encode_head", "read_head"]

#: Beyond this the decoder stops in the middle, which ends the connection. Heads over the ingress's own limit, which is
#: far below, are answered.
_LIST_BYTES_MAX: Final = 512 * 1024
#: A token in lower case (RFC 9113 section 8.2.1; RFC 9110 section 5.6.2).
_NAME: Final = re.compile(rb"[!#$%&'*+\-.^_`|~0-9a-z]+")
_TOKEN: Final = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
#: No control characters but a tab, no space at the ends.
_BAD_VALUE: Final = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]|\A[ \t]|[ \t]\Z")
_BAD_TARGET: Final = re.compile(rb"[\x00-\x20\x7f]")
_LENGTH: Final = re.compile(rb"[0-9]{1,18}")
#: They mean one HTTP/1 connection (section 8.2.2).
_CONNECTION_FIELDS: Final = frozenset(
    (b"connection", b"proxy-connection", b"keep-alive", b"transfer-encoding", b"upgrade")
)
_PSEUDO_FIELDS: Final = frozenset((b":method", b":scheme", b":authority", b":path"))

#: Static table (RFC 7541 appendix A): whole `:status` fields, and names.
_STATUSES: Final = {200: 8, 204: 9, 206: 10, 304: 11, 400: 12, 404: 13, 500: 14}
_NAME_STATUS: Final = 8
_NAMES: Final = {
    b"access-control-allow-origin": 20,
    b"content-length": 28,
    b"content-type": 31,
    b"date": 33,
    b"retry-after": 53,
    b"vary": 59,
}


class RequestHead(NamedTuple):
    """`target`: path and query. `headers`: lower-case names, first values, in order, as text of one byte a character.

    `length`: what `content-length` announces, or -1. `head_bytes`: names and values, and the target twice.
    """

    method: str
    target: str
    headers: dict[str, str]
    length: int
    head_bytes: int


class HeadDecoder:
    """Of one connection: blocks must come in order, whatever becomes of their streams."""

    def __init__(self) -> None:
        self._decoder = Decoder(_LIST_BYTES_MAX)

    def pairs(self, block: bytes) -> list[tuple[bytes, bytes]]:
        """The fields of a whole block. Raises ConnectionFault: tables may differ from now on."""
        try:
            decoded = self._decoder.decode(block, raw=True)
        except OversizedHeaderListError:
            raise ConnectionFault(ENHANCE_YOUR_CALM, f"header list over {_LIST_BYTES_MAX} bytes") from None
        except HPACKError as error:
            raise ConnectionFault(COMPRESSION_ERROR, f"header block is not HPACK: {error}") from None
        return [(name, value) for name, value in cast("Iterable[tuple[bytes, bytes]]", decoded)]


def read_head(pairs: list[tuple[bytes, bytes]]) -> RequestHead:
    """The request that these fields make. Raises StreamFault when they are malformed (sections 8.2 and 8.3)."""
    pseudo: dict[bytes, bytes] = {}
    headers: dict[str, str] = {}
    head_bytes = 0
    length = -1
    for name, value in pairs:
        if name[:1] == b":":
            if headers or name in pseudo or name not in _PSEUDO_FIELDS:
                raise _malformed("unexpected or repeated pseudo-header field", name)
            pseudo[name] = value
            continue
        _check_field(name, value)
        head_bytes += len(name) + len(value)
        text = name.decode("ascii")
        if text not in headers:
            headers[text] = value.decode("latin-1")
        elif text in ("tracestate", "cookie"):
            # Lists that are known to be cut into several fields (W3C Trace Context 3.3.1.1, RFC 9113 section 8.2.3).
            headers[text] += ("," if text == "tracestate" else "; ") + value.decode("latin-1")
        if name == b"content-length":
            if not _LENGTH.fullmatch(value) or length not in (-1, int(value)):
                raise _malformed("bad or contradictory content-length", value)
            length = int(value)
    method, target = _read_pseudo(pseudo)
    return RequestHead(method, target, headers, length, head_bytes + 2 * len(target))


def _check_field(name: bytes, value: bytes) -> None:
    if not _NAME.fullmatch(name):
        raise _malformed("bad field name", name)
    if name in _CONNECTION_FIELDS or (name == b"te" and value != b"trailers"):
        raise _malformed("connection-specific field", name)
    if _BAD_VALUE.search(value):
        raise _malformed("bad field value", name + b": " + value)


def _read_pseudo(pseudo: dict[bytes, bytes]) -> tuple[str, str]:
    method = pseudo.get(b":method", b"")
    if not _TOKEN.fullmatch(method):
        raise _malformed("bad :method", method)
    path = pseudo.get(b":path")
    if method == b"CONNECT":
        # Tunnels have no path. Nobody makes any here, so that it is a path that leads nowhere.
        if path is not None or b":scheme" in pseudo or b":authority" not in pseudo:
            raise _malformed("CONNECT with a path, or without an authority", method)
        return "CONNECT", "/"
    if path is None or b":scheme" not in pseudo:
        raise _malformed("missing :path or :scheme", method)
    if not (path[:1] == b"/" or (path == b"*" and method == b"OPTIONS")) or _BAD_TARGET.search(path):
        raise _malformed("bad :path", path)
    target = path.partition(b"#")[0]
    return method.decode("ascii"), target.decode("utf-8", "surrogateescape")


def encode_head(status: int, lines: bytes) -> bytes:
    """The block of an answer. `lines`: its header lines as of HTTP/1.1, each with its CRLF."""
    index = _STATUSES.get(status)
    parts = [
        bytes((0x80 | index,)) if index is not None else bytes((_NAME_STATUS,)) + encode_string(b"%d" % status),
        *map(_encode_line, lines.split(b"\r\n")[:-1]),
    ]
    return b"".join(parts)


@functools.lru_cache(512)
def _encode_line(line: bytes) -> bytes:
    name, _, value = line.partition(b": ")
    index = _NAMES.get(name)
    # A literal without indexing; indices over 14 overflow its first byte (RFC 7541 sections 5.1 and 6.2.2).
    first = b"\x00" + encode_string(name) if index is None else bytes((0x0F, index - 15))
    return first + encode_string(value)


def _malformed(what: str, shown: bytes) -> StreamFault:
    return StreamFault(PROTOCOL_ERROR, f"malformed request: {what} {shown[:80]!r}")
