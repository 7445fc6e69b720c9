"""Bytes of a connection -> its requests, in order; what is no HTTP -> the words of the last answer. Pure: no I/O.

Rules that always hold:
- no leniency of the parser is set; what it lets pass and peers may read in two ways is refused here;
- behind a fault nothing is read any more: where the next request begins is not known;
- what may pile up is bounded: a head, what is around chunks, a body (`body_bytes_max`), and one read of the socket.
"""

from __future__ import annotations

import functools
from collections import deque
from typing import Final, NoReturn

import httptools

from partitiond.ingress.errors import IngressError, bad_request
from partitiond.ingress.http1.request import Request

__all__ = ["Reader"]

#: Over `answering.HEAD_BYTES_MAX`, so that most heads which are too long are answered without the end of a connection.
_HEAD_BYTES_MAX: Final = 64 * 1024
_HEADERS_MAX: Final = 128
#: A second one may be read instead of the first (RFC 9110 section 5.3). The parser itself looks at lengths.
_SINGLE: Final = frozenset(
    (
        "content-length", "content-location", "content-range", "content-type", "etag", "host", "max-forwards", "server",
        "transfer-encoding", "user-agent",
    )
)  # fmt: skip
_NOT_HTTP: Final = "not HTTP/1.1, and not the preface of HTTP/2"


class _RefusedError(Exception):
    """Ends the parser; why is in `Reader.fault`."""


class Reader:
    """`requests`: those whose heads have come, for the session to take; the last one's body may still be coming."""

    def __init__(self, *, body_bytes_max: int) -> None:
        self._body_bytes_max = body_bytes_max
        self.requests: deque[Request] = deque()
        #: Why nothing more can be read.
        self.fault: IngressError | None = None
        #: The client has announced that its last request is here.
        self._ended = False
        self._parser = httptools.HttpRequestParser(self)
        #: Its body is being read.
        self._open: Request | None = None
        #: The parser would leave HTTP behind this head.
        self._upgrades = False
        #: Its body had trailers, which the parser takes for headers: one may end the connection.
        self._trailed = False
        #: Bytes since anything came of them.
        self._barren = 0
        self._target = b""
        self._headers: dict[str, str] = {}
        self._header_count = 0
        self._header_bytes = 0

    def feed(self, data: bytes) -> None:
        """Never raises for what a client sends: see `fault`."""
        if self._is_over():
            return
        self._barren += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self._read_on(memoryview(data)[upgrade.args[0] :])
        except httptools.HttpParserError as error:
            self._fail(error)
        if self._barren > _HEAD_BYTES_MAX and not self._is_over():
            self._break(_too_long())

    def end(self) -> None:
        """The client sends no more, though the last request's body is not whole."""
        if not self._is_over():
            self._break(bad_request(400, "the client sends no more of it"))

    def close(self) -> None:
        """Nothing comes any more. The parser and this are a cycle, which would wait for the collector."""
        self._ended = True
        self._parser = httptools.HttpRequestParser(None)

    def on_url(self, url: bytes) -> None:
        if self._open is not None:
            # Our own, see `_read_on`.
            return
        self._target += url
        if len(self._target) > _HEAD_BYTES_MAX:
            self._refuse(_too_long())

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._open is not None:
            # A trailer, which nobody has asked for.
            self._trailed = True
            return
        self._header_count += 1
        self._header_bytes += len(name) + len(value)
        if self._header_count > _HEADERS_MAX:
            self._refuse(bad_request(431, f"it has more than {_HEADERS_MAX} headers"))
        if self._header_bytes > _HEAD_BYTES_MAX:
            self._refuse(_too_long())
        key = _lower(name)
        headers = self._headers
        # The parser takes off the blanks before it, and leaves those behind.
        text = value.decode("latin-1").rstrip(" \t")
        if key not in headers:
            headers[key] = text
        elif key in _SINGLE:
            self._refuse(bad_request(400, f"Duplicate '{key.title()}' header found."))
        elif key == "tracestate":
            # The one list that proxies are known to cut into several fields (W3C Trace Context, section 3.3.1.1).
            headers[key] += "," + text

    def on_headers_complete(self) -> None:
        if self._open is not None:
            return
        parser = self._parser
        headers = self._headers
        chunked = "transfer-encoding" in headers
        keep_alive = parser.should_keep_alive()
        # Only in HTTP/1.1 a connection is kept without a word. To ask costs as much as three headers.
        version = "1.1" if keep_alive and "connection" not in headers else parser.get_http_version()
        if version == "1.1":
            minor = 1
            if "host" not in headers:
                self._refuse(bad_request(400, "Missing 'Host' header in request."))
        elif version == "1.0":
            minor = 0
            if chunked:
                # Peers that know no chunks take them for the next request (RFC 9112 section 6.1).
                self._refuse(bad_request(400, "Transfer-Encoding in a request of HTTP/1.0"))
        else:
            self._refuse(bad_request(400, _NOT_HTTP))
        method = parser.get_method().decode("ascii")
        target = self._target.decode("ascii")
        if target[0] != "/" or "#" in target or method == "CONNECT":
            target = self._path_of(method, target)
        length = headers.get("content-length")
        self._open = request = Request(
            method,
            target,
            headers,
            length=-1 if length is None else int(length),
            chunked=chunked,
            head_bytes=self._header_bytes + 2 * len(target),
            minor=minor,
            keep_alive=keep_alive,
        )
        if "expect" in headers and minor and headers["expect"].lower() == "100-continue":
            request.continued = False
        self._upgrades = parser.should_upgrade()
        self.requests.append(request)
        self._target = b""
        self._headers = {}
        self._header_count = self._header_bytes = self._barren = 0

    def on_body(self, data: bytes) -> None:
        request = self._open
        assert request is not None, "a body without a head"
        self._barren = 0
        request.received += len(data)
        if request.received > self._body_bytes_max:
            request.too_long = True
            request.chunks.clear()
        elif not request.unread:
            request.chunks.append(data)

    def on_message_complete(self) -> None:
        if not self._upgrades:
            self._complete()

    def _is_over(self) -> bool:
        """A function, since the parser's callbacks change what mypy has seen: compiled code would believe mypy."""
        return self._ended or self.fault is not None

    def _complete(self) -> None:
        request = self._open
        assert request is not None, "an end without a head"
        request.complete = True
        self._open = None
        self._barren = 0
        if self._trailed:
            self._trailed = False
            # The parser reads nothing more behind a trailer `connection: close`. It is in its right to, so that the
            # client is told.
            request.keep_alive = self._parser.should_keep_alive()
        if not request.keep_alive:
            # What follows is not looked at (RFC 9112 section 9.6).
            self._ended = True

    def _read_on(self, rest: memoryview) -> None:
        """Behind a request for another protocol, which we do not speak: it is a request like any other.

        The parser takes its body for bytes of that protocol. So a new one reads it, told no more than how it is framed.
        """
        while True:
            request = self._open
            assert request is not None, "an upgrade without a head"
            self._upgrades = False
            self._parser = httptools.HttpRequestParser(self)
            if request.chunked:
                framing = b"Transfer-Encoding: chunked\r\n"
            else:
                framing = b"Content-Length: %d\r\n" % max(request.length, 0)
            end = b"\r\n" if request.keep_alive else b"Connection: close\r\n\r\n"
            try:
                self._parser.feed_data(b"POST / HTTP/1.1\r\nHost: h\r\n" + framing + end)
                self._parser.feed_data(rest)
                return
            except httptools.HttpParserUpgrade as upgrade:
                rest = rest[upgrade.args[0] :]
            except httptools.HttpParserError as error:
                self._fail(error)
                return

    def _path_of(self, method: str, target: str) -> str:
        """Path and query of a target that is not just these (RFC 9112 section 3.2)."""
        if method == "CONNECT":
            # Tunnels have no path. Nobody makes any here, so that it is a path that leads nowhere.
            return "/"
        target = target.partition("#")[0]
        if target[:1] == "/" or (target == "*" and method == "OPTIONS"):
            return target
        _, found, rest = target.partition("://")
        if not found or rest[:1] in ("", "/", "?"):
            self._refuse(bad_request(400, "its target is neither a path nor a URL with a host"))
        path, query, parameters = rest.partition("?")
        path = path.partition("/")[2]
        return f"/{path}{query}{parameters}"

    def _refuse(self, refusal: IngressError) -> NoReturn:
        """Out of a callback of the parser."""
        self.fault = refusal
        raise _RefusedError

    def _fail(self, error: httptools.HttpParserError) -> None:
        if self.fault is not None:
            self._break(self.fault)
        elif isinstance(error, httptools.HttpParserCallbackError):
            # A bug of ours.
            raise error
        elif not self._ended:
            reason = str(error)
            self._break(bad_request(400, _NOT_HTTP if reason == "Pause on PRI/Upgrade" else reason))

    def _break(self, fault: IngressError) -> None:
        self.fault = fault
        if self._open is not None:
            self._open.broken = fault.message.removeprefix("bad request: ")


def _too_long() -> IngressError:
    return bad_request(431, f"its head, or what is around its chunks, is over {_HEAD_BYTES_MAX} bytes")


@functools.lru_cache(512)
def _lower(name: bytes) -> str:
    return name.decode("latin-1").lower()
