"""What a response is made of, and the rules its field blocks must obey (RFC 9113 section 8).

Pure: no I/O.
"""

import re
from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from partitiond.invoker.http2.errors import StreamFault
from partitiond.invoker.http2.frames import PROTOCOL_ERROR

__all__ = ["CONNECTION_FIELDS", "FieldBlock", "Headers", "read_fields"]

#: Fields that mean one HTTP/1 connection and make an HTTP/2 message malformed (section 8.2.2).
CONNECTION_FIELDS: Final = frozenset(
    ("connection", "proxy-connection", "keep-alive", "transfer-encoding", "upgrade"),
)

#: A token in lower case (section 8.2.1; RFC 9110 section 5.6.2).
_NAME: Final = re.compile(rb"[!#$%&'*+\-.^_`|~0-9a-z]+")
#: NUL, CR and LF anywhere, SP and HTAB at the ends (section 8.2.1).
_BAD_VALUE: Final = re.compile(rb"[\0\r\n]|\A[ \t]|[ \t]\Z")
_STATUS: Final = re.compile(rb"[1-9][0-9][0-9]")
_LENGTH: Final = re.compile(rb"[0-9]{1,18}")


class Headers:
    """Read-only map of lower-case field names to their first value; `items()` has every field in order.

    Instances are shared between streams. Bytes beyond ASCII are UTF-8 with surrogate escapes, both ways.
    """

    __slots__ = ("_first", "_items")

    def __init__(self, items: Iterable[tuple[str, str]] = ()) -> None:
        self._items = tuple(items)
        self._first = dict(reversed(self._items))

    def __getitem__(self, name: str) -> str:
        return self._first[name]

    def get(self, name: str, default: str | None = None) -> str | None:
        """The first value of `name`, or `default`."""
        return self._first.get(name, default)

    def items(self) -> tuple[tuple[str, str], ...]:
        """Every (name, value) as received, repeated names included."""
        return self._items

    def __contains__(self, name: object) -> bool:
        return name in self._first

    def __iter__(self) -> Iterator[str]:
        return iter(self._first)

    def __len__(self) -> int:
        return len(self._first)

    def __repr__(self) -> str:
        return f"Headers({self._items!r})"


class FieldBlock(NamedTuple):
    """A valid field block. Whether it may come at this place is for the receiver to judge."""

    #: The `:status`, or 0 in trailers.
    status: int
    headers: Headers
    #: The `content-length`, or -1.
    content_length: int


def read_fields(pairs: Iterable[tuple[bytes, bytes]]) -> FieldBlock:
    """Decoded fields as a `FieldBlock`.

    Raises StreamFault where the block is malformed (sections 8.1.1, 8.2 and 8.3).
    """
    status = 0
    length = -1
    items: list[tuple[str, str]] = []
    for name, value in pairs:
        if name[:1] == b":":
            if items:
                raise _malformed("pseudo-header field after ordinary ones", name)
            if name != b":status" or status:
                raise _malformed("unexpected or repeated pseudo-header field", name)
            if not _STATUS.fullmatch(value):
                raise _malformed("bad status", value)
            status = int(value)
            continue
        items.append(_read_field(name, value))
        if name == b"content-length":
            if not _LENGTH.fullmatch(value) or length not in (-1, int(value)):
                raise _malformed("bad or contradictory content-length", value)
            length = int(value)
    return FieldBlock(status, Headers(items), length)


def _read_field(name: bytes, value: bytes) -> tuple[str, str]:
    if not _NAME.fullmatch(name):
        raise _malformed("bad field name", name)
    if _BAD_VALUE.search(value):
        raise _malformed("bad field value", name + b": " + value)
    text = name.decode("ascii")
    if text in CONNECTION_FIELDS:
        raise _malformed("connection-specific field", name)
    return text, value.decode("utf-8", "surrogateescape")


def _malformed(what: str, shown: bytes) -> StreamFault:
    return StreamFault(PROTOCOL_ERROR, f"malformed response: {what} {shown[:80]!r}")
