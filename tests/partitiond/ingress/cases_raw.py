"""Bytes that clients of HTTP/1.1 do not send, or only some do. Pure: no I/O (`raw.py` sends them).

Each is sent on a connection of its own; what comes back is told in a line (`raw.Told`), and so is whether the
connection is still good for a request. `OURS`: what we answer where we differ from the oracle, and why.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["CASES", "OURS", "RawCase"]

_HOST = b"Host: x\r\n"
_JSON = b"Content-Type: application/json\r\n"
_GET = b"GET /IngSvc/nothing HTTP/1.1\r\n"
_POST = b"POST /IngSvc/greet HTTP/1.1\r\n" + _HOST + _JSON
_END = b"\r\n"
_GOOD = _GET + _HOST + _END


@dataclass(frozen=True)
class RawCase:
    """`answers`: how many are waited for. `probe`: whether to ask once more on the connection."""

    name: str
    data: bytes
    answers: int = 1
    probe: bool = True
    head: bool = False


def _with(name: str, headers: bytes) -> RawCase:
    return RawCase(name, _GET + _HOST + headers + _END)


def _body(name: str, rest: bytes) -> RawCase:
    return RawCase(name, _POST + rest)


def _line(name: str, line: bytes) -> RawCase:
    return RawCase(name, line + b"\r\n" + _HOST + _END)


_LINES = (
    _line("one word", b"GET"),
    _line("no version", b"GET /IngSvc/nothing"),
    _line("two spaces", b"GET  /IngSvc/nothing HTTP/1.1"),
    _line("a tab for a space", b"GET\t/IngSvc/nothing\tHTTP/1.1"),
    _line("a space behind it", b"GET /IngSvc/nothing HTTP/1.1 "),
    _line("method in lower case", b"get /IngSvc/nothing HTTP/1.1"),
    _line("a method of nobody", b"FROB /IngSvc/nothing HTTP/1.1"),
    _line("a method of WebDAV", b"PROPFIND /IngSvc/nothing HTTP/1.1"),
    _line("a method with a control character", b"G\x01T /IngSvc/nothing HTTP/1.1"),
    _line("HTTP/1.0", b"GET /IngSvc/nothing HTTP/1.0"),
    RawCase("HTTP/1.0, kept", b"GET /IngSvc/nothing HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"),
    _line("HTTP/0.9", b"GET /IngSvc/nothing HTTP/0.9"),
    _line("HTTP/2.0", b"GET /IngSvc/nothing HTTP/2.0"),
    _line("HTTP/9.9", b"GET /IngSvc/nothing HTTP/9.9"),
    _line("another protocol", b"GET /IngSvc/nothing FTP/1.1"),
    RawCase("an empty line first", b"\r\n" + _GOOD),
    RawCase("line feeds alone", b"GET /IngSvc/nothing HTTP/1.1\nHost: x\n\n"),
    RawCase("TLS", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(40)),
    RawCase("zeros", bytes(64)),
    RawCase("noise", b"\xff\xfe\xfd\r\n\r\n"),
    RawCase("half of a preface", b"PRI * HTTP/2.0\r\n\r\nxx\r\n\r\n"),
)

_TARGETS = (
    _line("a space in the path", b"GET /IngSvc/not hing HTTP/1.1"),
    _line("a NUL in the path", b"GET /IngSvc/not\x00hing HTTP/1.1"),
    _line("UTF-8 in the path", "GET /IngObj/\u20ac/peek HTTP/1.1".encode()),
    _line("Latin-1 in the path", b"GET /IngObj/\xe9/peek HTTP/1.1"),
    _line("a fragment", b"GET /IngSvc/nothing#a HTTP/1.1"),
    _line("an empty query", b"GET /IngSvc/nothing? HTTP/1.1"),
    _line("a question mark in the query", b"GET /IngSvc/nothing?a?b HTTP/1.1"),
    _line("quotes and braces", b'GET /IngObj/"{}|^`/peek HTTP/1.1'),
    _line("a backslash", b"GET /IngObj/a\\b/peek HTTP/1.1"),
    _line("dots", b"GET /IngSvc/../IngSvc/nothing HTTP/1.1"),
    _line("a whole URL", b"GET http://elsewhere/IngSvc/nothing HTTP/1.1"),
    _line("a whole URL without a path", b"GET http://elsewhere HTTP/1.1"),
    _line("a host and a port", b"CONNECT elsewhere:80 HTTP/1.1"),
    _line("an asterisk", b"OPTIONS * HTTP/1.1"),
    _line("an asterisk for GET", b"GET * HTTP/1.1"),
    _line("no slash", b"GET IngSvc/nothing HTTP/1.1"),
    _line("a path of 70,000 bytes", b"GET /IngObj/" + b"k" * 70_000 + b"/peek HTTP/1.1"),
    _line("a key of 20,000 bytes", b"GET /IngObj/" + b"k" * 20_000 + b"/peek HTTP/1.1"),
)

_HEADERS = (
    RawCase("no host", _GET + _END),
    RawCase("no host, HTTP/1.0", b"GET /IngSvc/nothing HTTP/1.0\r\n\r\n"),
    _with("two hosts", b"Host: y\r\n"),
    RawCase("an empty host", _GET + b"Host:\r\n\r\n"),
    _with("no colon", b"nothing\r\n"),
    _with("a space before the colon", b"X-A : b\r\n"),
    _with("a space before the name", b" X-A: b\r\n"),
    _with("a folded value", b"X-A: b\r\n c\r\n"),
    _with("an empty name", b": b\r\n"),
    _with("a name with a bracket", b"X(A: b\r\n"),
    _with("a NUL in a value", b"X-A: b\x00c\r\n"),
    _with("a control character in a value", b"X-A: b\x01c\r\n"),
    _with("DEL in a value", b"X-A: b\x7fc\r\n"),
    _with("a tab in a value", b"X-A: b\tc\r\n"),
    _with("a carriage return in a value", b"X-A: b\rc\r\n"),
    _with("UTF-8 in a value", "X-A: \u20ac\r\n".encode()),
    _with("no space behind the colon", b"X-A:b\r\n"),
    _with("spaces around a value", b"X-A:   b   \r\n"),
    _with("an empty value", b"X-A:\r\n"),
    _with("90 headers", b"".join(b"X-%d: b\r\n" % number for number in range(90))),
    _with("200 headers", b"".join(b"X-%d: b\r\n" % number for number in range(200))),
    _with("a header of 70,000 bytes", b"X-A: " + b"b" * 70_000 + b"\r\n"),
    _with("a header name of 70,000 bytes", b"X" * 70_000 + b": b\r\n"),
    _with("an idempotency key twice", b"Idempotency-Key: a\r\nIdempotency-Key: b\r\n"),
    _with("an idempotency key in UTF-8", "Idempotency-Key: \u20ac\r\n".encode()),
    _with("an idempotency key of spaces", b"Idempotency-Key:    \r\n"),
    RawCase("two content types", _POST + b"Content-Type: text/plain\r\nContent-Length: 3\r\n\r\n" + b'"x"'),
    _with("closed", b"Connection: close\r\n"),
    _with("kept", b"Connection: keep-alive\r\n"),
    _with("an upgrade to a websocket", b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: AAAA\r\n"),
    _with("an upgrade to HTTP/2", b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMA\r\n"),
    RawCase("HEAD", b"HEAD /IngSvc/nothing HTTP/1.1\r\n" + _HOST + _END, head=True),
)

_BODIES = (
    _body("its length", b'Content-Length: 3\r\n\r\n"x"'),
    _body("no length", b"\r\n"),
    _body("a negative length", b'Content-Length: -3\r\n\r\n"x"'),
    _body("a length with a sign", b'Content-Length: +3\r\n\r\n"x"'),
    _body("a hexadecimal length", b'Content-Length: 0x3\r\n\r\n"x"'),
    _body("a length with a space", b'Content-Length: 3 3\r\n\r\n"x"'),
    _body("an empty length", b'Content-Length:\r\n\r\n"x"'),
    _body("a length twice", b'Content-Length: 3\r\nContent-Length: 3\r\n\r\n"x"'),
    _body("a length twice in one", b'Content-Length: 3, 3\r\n\r\n"x"'),
    _body("two lengths", b'Content-Length: 3\r\nContent-Length: 4\r\n\r\n"x"'),
    _body("a length beyond 64 bits", b"Content-Length: 99999999999999999999999999\r\n\r\n"),
    _body("a length over the limit", b"Content-Length: 33554433\r\n\r\n"),
    _body("more than its length", b'Content-Length: 3\r\n\r\n"x"yy\r\n\r\n'),
    _body("chunks", b'Transfer-Encoding: chunked\r\n\r\n1\r\n"\r\n2\r\nx"\r\n0\r\n\r\n'),
    _body("chunks with extensions", b'Transfer-Encoding: chunked\r\n\r\n3;a=b\r\n"x"\r\n0;c\r\n\r\n'),
    _body("chunks with trailers", b'Transfer-Encoding: chunked\r\n\r\n3\r\n"x"\r\n0\r\nX-A: b\r\n\r\n'),
    _body("a trailer of a length", b'Transfer-Encoding: chunked\r\n\r\n3\r\n"x"\r\n0\r\nContent-Length: 3\r\n\r\n'),
    _body("a trailer that ends", b'Transfer-Encoding: chunked\r\n\r\n3\r\n"x"\r\n0\r\nConnection: close\r\n\r\n'),
    _body("chunks and zeros before sizes", b'Transfer-Encoding: chunked\r\n\r\n0003\r\n"x"\r\n000\r\n\r\n'),
    _body("a chunk of a bad size", b'Transfer-Encoding: chunked\r\n\r\nzz\r\n"x"\r\n0\r\n\r\n'),
    _body("a chunk of a negative size", b'Transfer-Encoding: chunked\r\n\r\n-3\r\n"x"\r\n0\r\n\r\n'),
    _body("a chunk beyond 64 bits", b"Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n"),
    _body("a chunk that is longer", b'Transfer-Encoding: chunked\r\n\r\n2\r\n"x"\r\n0\r\n\r\n'),
    _body("chunks with line feeds", b'Transfer-Encoding: chunked\r\n\r\n3\n"x"\n0\n\n'),
    _body("chunks and a length", b'Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n"x"\r\n0\r\n\r\n'),
    _body("gzip and chunks", b'Transfer-Encoding: gzip, chunked\r\n\r\n3\r\n"x"\r\n0\r\n\r\n'),
    _body("chunks twice", b'Transfer-Encoding: chunked, chunked\r\n\r\n3\r\n"x"\r\n0\r\n\r\n'),
    _body("chunks and identity", b'Transfer-Encoding: chunked, identity\r\n\r\n3\r\n"x"\r\n0\r\n\r\n'),
    _body("identity", b'Transfer-Encoding: identity\r\nContent-Length: 3\r\n\r\n"x"'),
    _body("an encoding of nobody", b'Transfer-Encoding: frob\r\n\r\n3\r\n"x"\r\n0\r\n\r\n'),
    RawCase(
        "chunks in HTTP/1.0",
        b"POST /IngSvc/greet HTTP/1.0\r\n" + _JSON + b'Transfer-Encoding: chunked\r\n\r\n3\r\n"x"\r\n0\r\n\r\n',
    ),
    _body("it waits for leave", b'Expect: 100-continue\r\nContent-Length: 3\r\n\r\n"x"'),
    _body("it expects something else", b'Expect: 200-ok\r\nContent-Length: 3\r\n\r\n"x"'),
    RawCase("a GET with a body", _GET + _HOST + b"Content-Length: 3\r\n\r\nabc"),
    RawCase("a body that nobody wants", b"POST /Nope/greet HTTP/1.1\r\n" + _HOST + b"Content-Length: 3\r\n\r\nabc"),
    RawCase("two at once", _GOOD * 2, 2),
    RawCase("forty at once", _GOOD * 40, 40),
    RawCase("a good and a bad one at once", _GOOD + b"GET\r\n\r\n", 2),
)

CASES = (*_LINES, *_TARGETS, *_HEADERS, *_BODIES)

_OK = "200 application/json id; open"
_REFUSED = "400 application/json ingress code,message,source; closed"
_TOO_LONG = "431 application/json ingress code,message,source; closed"
_METHODS = "the parser knows the methods of the registry only"
_STRICT = "what peers may read differently is refused (RFC 9112 sections 2.2, 3.2, 6.3; RFC 9110 section 5.3)"
_CLIENTS = "a body that cannot be read is the client's fault: there 500"

#: Name of a case -> what we answer, and why not as the oracle does.
OURS = {
    "two spaces": (_OK, "nobody reads it otherwise"),
    "method in lower case": (_REFUSED, _METHODS),
    "a method of nobody": (_REFUSED, _METHODS),
    "line feeds alone": (_REFUSED, _STRICT),
    "UTF-8 in the path": (_REFUSED, "in a path it has to be percent-encoded (RFC 3986 section 2.1)"),
    "quotes and braces": (_OK, "clients send them, and they mean themselves"),
    "an asterisk for GET": (_REFUSED, "it is for OPTIONS alone (RFC 9112 section 3.2.4)"),
    "a path of 70,000 bytes": (_TOO_LONG, "one limit for all lines of a head: there 414"),
    "no host": (_REFUSED, _STRICT),
    "two hosts": (_REFUSED, _STRICT),
    "a header of 70,000 bytes": (_TOO_LONG, "headers are in the record beside the body"),
    "two content types": (_REFUSED, _STRICT),
    "a length twice": (_REFUSED, _STRICT),
    "a chunk of a bad size": (_REFUSED, _CLIENTS),
    "a chunk of a negative size": (_REFUSED, _CLIENTS),
    "a chunk beyond 64 bits": (_REFUSED, _CLIENTS),
    "a chunk that is longer": (_REFUSED, _CLIENTS),
    "chunks with line feeds": (_REFUSED, _CLIENTS),
    "a trailer of a length": (_REFUSED, _STRICT),
    "a trailer that ends": (_OK.replace("open", "closed"), "the parser takes trailers for headers, as some peers do"),
    "chunks and a length": (_REFUSED, _STRICT),
    "chunks twice": (_REFUSED, _STRICT),
    "it waits for leave": (_OK, "the body is here already: there is nothing to wait for"),
}
