"""What a request is made of: where it goes and its head, encoded once.

Pure: no I/O.
"""

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from partitiond.invoker.http2.hpack import (
    encode_authority,
    encode_field,
    encode_method,
    encode_path,
    encode_scheme,
)
from partitiond.invoker.http2.message import CONNECTION_FIELDS

__all__ = ["Origin", "RequestHead"]

_TOKEN: Final = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_NAME: Final = re.compile(r"[!#$%&'*+\-.^_`|~0-9a-z]+")
#: What a header value may not hold, and not at its ends (RFC 9113 section 8.2.1). Apart, since to look for one class
#: of characters costs a twentieth of what alternatives cost.
_BAD_CHARS: Final = re.compile(r"[\0\r\n]")
_BLANKS: Final = (" ", "\t")
#: Visible ASCII; a path starts with a slash (RFC 9113 section 8.3.1), and has no fragment.
_PATH: Final = re.compile(r"/[!\"$-~]*|\*")
_AUTHORITY: Final = re.compile(r"[!$-.0-;=A-Z_a-z~\[\]]+")


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a pool connects to, and the `scheme` and `authority` its requests name.

    Raises ValueError for a scheme other than http and https, a port out of range, or a bad authority.
    An empty authority means host:port.
    """

    scheme: str
    host: str
    port: int
    authority: str = ""

    def __post_init__(self) -> None:
        if self.scheme not in ("http", "https"):
            raise ValueError(f"scheme {self.scheme!r} is neither http nor https")
        if not self.host or not 0 < self.port < 65536:
            raise ValueError(f"no host and port in {self.host!r}, {self.port!r}")
        if not self.authority:
            host = f"[{self.host}]" if ":" in self.host else self.host
            object.__setattr__(self, "authority", f"{host}:{self.port}")
        if not _AUTHORITY.fullmatch(self.authority):
            raise ValueError(f"authority {self.authority!r} has characters that are not allowed")

    def __str__(self) -> str:
        return f"{self.scheme}://{self.authority}"

    def block(self) -> bytes:
        """The `:scheme` and `:authority` fields, encoded."""
        return encode_scheme(self.scheme) + encode_authority(self.authority)


class RequestHead:
    """Method, path and headers of a request, valid and encoded from the start.

    Make one for a deployment's fixed headers, then `with_path` for each request. Raises ValueError for what
    RFC 9113 section 8.2 forbids to send: upper-case or empty names, pseudo-header fields, CR, LF or NUL in a
    value, blanks at its ends, connection-specific fields.
    """

    __slots__ = ("_fields_block", "after", "before", "headers", "method", "path")

    def __init__(
        self, method: str, path: str, headers: tuple[tuple[str, str], ...] = (), *, block: bytes | None = None
    ) -> None:
        """`block`: the headers encoded, if they are already."""
        self.method = method
        self.path = path
        self.headers = headers
        #: Encoded fields before and after those of the origin (pseudo-header fields come first, section 8.3).
        self.before = _method_block(method)
        self._fields_block = _fields_block(headers) if block is None else block
        self.after = _path_block(path) + self._fields_block

    def with_path(self, path: str, *more: tuple[str, str]) -> "RequestHead":
        """The same head for another path, with further headers; encodes only what is new."""
        block = self._fields_block
        for name, value in more:
            block += _field_block(name, value)
        return RequestHead(self.method, path, self.headers + more if more else self.headers, block=block)

    def __repr__(self) -> str:
        return f"RequestHead({self.method!r}, {self.path!r}, {self.headers!r})"


@lru_cache(32)
def _method_block(method: str) -> bytes:
    if not _TOKEN.fullmatch(method) or method == "CONNECT":
        raise ValueError(f"method {method!r} cannot be sent")
    return encode_method(method)


@lru_cache(1024)
def _path_block(path: str) -> bytes:
    if not _PATH.fullmatch(path):
        raise ValueError(f"path {path!r} is not an absolute path in visible ASCII")
    return encode_path(path)


@lru_cache(1024)
def _fields_block(headers: tuple[tuple[str, str], ...]) -> bytes:
    return b"".join([_field_block(name, value) for name, value in headers])


def _field_block(name: str, value: str) -> bytes:
    if not _NAME.fullmatch(name):
        raise ValueError(f"header name {name!r} is not a lower-case token")
    if name in CONNECTION_FIELDS or (name == "te" and value != "trailers"):
        raise ValueError(f"header {name!r} means one HTTP/1 connection and cannot be sent over HTTP/2")
    if _BAD_CHARS.search(value) or value.startswith(_BLANKS) or value.endswith(_BLANKS):
        raise ValueError(f"value of header {name!r} has a line break, a NUL, or blanks at its ends")
    return encode_field(name, value)
