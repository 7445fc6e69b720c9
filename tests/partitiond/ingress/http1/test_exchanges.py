"""Bytes of clients, and the bytes that come back: whole, byte by byte, and cut anywhere."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.partitiond.ingress.http1.client import Client

_OK = b"HTTP/1.1 200 OK\r\n"
_END = b"\r\n"
_CLOSE = b"connection: close\r\n\r\n"
_HOST = b"Host: h\r\n"
_GET = b"GET /a HTTP/1.1\r\nHost: h\r\n\r\n"
_POST = b"POST /a HTTP/1.1\r\nHost: h\r\n"
_CHUNKED = _POST + b"Transfer-Encoding: chunked\r\n\r\n"
_LENGTH = b"Content-Length: 3\r\n"
_UPGRADE = b"Connection: Upgrade\r\nUpgrade: h2c\r\n"


def _answer(text: bytes, *, end: bytes = _END) -> bytes:
    return _OK + end + text + b"\n"


_GOT = _answer(b"GET /a ")
_POSTED = _answer(b"POST /a abc")

#: What is sent, what comes back, and what then becomes of the connection: "" stays open.
_EXCHANGES = {
    "a GET": (_GET, _GOT, ""),
    "two at once": (_GET + _GET, _GOT + _GOT, ""),
    "an empty line between them": (_GET + b"\r\n" + _GET, _GOT + _GOT, ""),
    "a length": (_POST + _LENGTH + b"\r\nabc", _POSTED, ""),
    "a length, and another request": (_POST + _LENGTH + b"\r\nabc" + _GET, _POSTED + _GOT, ""),
    "no length": (_POST + b"\r\n" + _GET, _answer(b"POST /a ") + _GOT, ""),
    "chunks": (_CHUNKED + b"1\r\na\r\n2\r\nbc\r\n0\r\n\r\n" + _GET, _POSTED + _GOT, ""),
    "chunks with extensions": (_CHUNKED + b'3;a;b=c;d="e"\r\nabc\r\n0;f\r\n\r\n', _POSTED, ""),
    "chunks with trailers": (_CHUNKED + b"3\r\nabc\r\n0\r\nHost: z\r\nHost: y\r\n\r\n" + _GET, _POSTED + _GOT, ""),
    "chunks with trailers that speak of the connection": (
        _CHUNKED + b"3\r\nabc\r\n0\r\nConnection: upgrade, keep-alive\r\nUpgrade: h2c\r\n\r\n" + _GET,
        _POSTED + _GOT,
        "",
    ),
    "chunks with a trailer that ends the connection": (
        _CHUNKED + b"3\r\nabc\r\n0\r\nConnection: close\r\n\r\n" + _GET,
        _answer(b"POST /a abc", end=_CLOSE),
        "closed",
    ),
    "chunks that hold a request": (
        _CHUNKED + b"%x\r\n%b\r\n0\r\n\r\n" % (len(_GET), _GET),
        _answer(b"POST /a " + _GET),
        "",
    ),
    "HTTP/1.0": (b"GET /a HTTP/1.0\r\n\r\n", _answer(b"GET /a ", end=_CLOSE), "closed"),
    "HTTP/1.0, kept": (
        b"GET /a HTTP/1.0\r\nConnection: keep-alive\r\n\r\n" * 2,
        _answer(b"GET /a ", end=b"connection: keep-alive\r\n\r\n") * 2,
        "",
    ),
    "closed": (
        b"GET /a HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n" + _GET,
        _answer(b"GET /a ", end=_CLOSE),
        "closed",
    ),
    "kept, as it is anyway": (
        b"GET /a HTTP/1.1\r\nHost: h\r\nConnection: keep-alive\r\n\r\n" + _GET,
        _GOT + _GOT,
        "",
    ),
    "closed among other words": (
        b"GET /a HTTP/1.1\r\nHost: h\r\nConnection: x, Close\r\n\r\n",
        _answer(b"GET /a ", end=_CLOSE),
        "closed",
    ),
    "HEAD": (b"HEAD /a HTTP/1.1\r\nHost: h\r\n\r\n" + _GET, _OK + _END + _GOT, ""),
    "a whole URL": (b"GET http://h:1/b?c HTTP/1.1\r\nHost: h\r\n\r\n", _answer(b"GET /b?c "), ""),
    "a whole URL without a path": (b"GET http://h?a/b HTTP/1.1\r\nHost: h\r\n\r\n", _answer(b"GET /?a/b "), ""),
    "a fragment": (b"GET /a?b#c?d HTTP/1.1\r\nHost: h\r\n\r\n", _answer(b"GET /a?b "), ""),
    "an asterisk": (b"OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n", _answer(b"OPTIONS * "), ""),
    "a tunnel": (b"CONNECT h:80 HTTP/1.1\r\nHost: h\r\n\r\n" + _GET, _answer(b"CONNECT / ") + _GOT, ""),
    "a tunnel with a body": (
        b"CONNECT h:80 HTTP/1.1\r\nHost: h\r\n" + _LENGTH + b"\r\nabc" + _GET,
        _answer(b"CONNECT / abc") + _GOT,
        "",
    ),
    "an upgrade": ((b"GET /a HTTP/1.1\r\nHost: h\r\n" + _UPGRADE + b"\r\n") * 2, _GOT * 2, ""),
    "an upgrade with a body": (_POST + _LENGTH + _UPGRADE + b"\r\nabc" + _GET, _POSTED + _GOT, ""),
    "an upgrade with chunks": (
        _POST + b"Transfer-Encoding: chunked\r\n" + _UPGRADE + b"\r\n3\r\nabc\r\n0\r\n\r\n" + _GET,
        _POSTED + _GOT,
        "",
    ),
    "an upgrade, and closed": (
        _POST + _LENGTH + b"Connection: Upgrade, close\r\nUpgrade: x\r\n\r\nabc" + _GET,
        _answer(b"POST /a abc", end=_CLOSE),
        "closed",
    ),
    "one that takes its turn": (b"GET /turn HTTP/1.1\r\nHost: h\r\n\r\n" + _GET, _answer(b"GET /turn ") + _GOT, ""),
}


def _exchange(data: bytes, cuts: list[int]) -> tuple[bytes, str]:
    async def main() -> tuple[bytes, str]:
        client = Client()
        for start, end in zip([0, *cuts], [*cuts, len(data)], strict=True):
            client.send(data[start:end])
        return await client.settled(), client.transport.end

    return asyncio.run(main())


@pytest.mark.parametrize("name", _EXCHANGES)
def test_whole_and_byte_by_byte(name: str) -> None:
    data, told, end = _EXCHANGES[name]
    assert _exchange(data, []) == (told, end)
    assert _exchange(data, list(range(1, len(data)))) == (told, end)


_STAY = [name for name, (_, _, end) in _EXCHANGES.items() if not end]


@settings(max_examples=30, deadline=None)
@given(names=st.lists(st.sampled_from(_STAY), max_size=6), last=st.sampled_from(list(_EXCHANGES)), data=st.data())
def test_any_requests_cut_anywhere(names: list[str], last: str, data: st.DataObject) -> None:
    """The answers come in order, whatever a read holds."""
    exchanges = [_EXCHANGES[name] for name in (*names, last)]
    sent = b"".join(each[0] for each in exchanges)
    cuts = sorted(data.draw(st.sets(st.integers(1, len(sent)), max_size=8)))
    assert _exchange(sent, cuts) == (b"".join(each[1] for each in exchanges), exchanges[-1][2])


#: Requests that peers may read in two ways, or that are none. Each is refused, and nothing behind it is looked at.
_REFUSED = {
    "a length and chunks": _POST + _LENGTH + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunks and a length": _POST + b"Transfer-Encoding: chunked\r\n" + _LENGTH + b"\r\n0\r\n\r\n",
    "two lengths": _POST + _LENGTH + b"Content-Length: 4\r\n\r\nabcd",
    "a length twice": _POST + _LENGTH + _LENGTH + b"\r\nabc",
    "lengths in a list": _POST + b"Content-Length: 3, 3\r\n\r\nabc",
    "a length with a sign": _POST + b"Content-Length: +3\r\n\r\nabc",
    "a negative length": _POST + b"Content-Length: -3\r\n\r\nabc",
    "a hexadecimal length": _POST + b"Content-Length: 0x3\r\n\r\nabc",
    "a length in two numbers": _POST + b"Content-Length: 3 0\r\n\r\nabc",
    "an empty length": _POST + b"Content-Length:\r\n\r\nabc",
    "a length beyond 64 bits": _POST + b"Content-Length: 18446744073709551619\r\n\r\nabc",
    "a folded length": _POST + b"Content-Length:\r\n 3\r\n\r\nabc",
    "a blank before a length's colon": _POST + b"Content-Length : 3\r\n\r\nabc",
    "a tab before the colon of chunks": _POST + b"Transfer-Encoding\t: chunked\r\n\r\n0\r\n\r\n",
    "chunks twice": _POST + b"Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
    "chunks twice in two fields": _POST + b"Transfer-Encoding: chunked\r\n" * 2 + b"\r\n0\r\n\r\n",
    "chunks that are not last": _POST + b"Transfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n",
    "chunks with an empty word": _POST + b"Transfer-Encoding: chunked,\r\n\r\n0\r\n\r\n",
    "chunks with a vertical tab": _POST + b"Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n",
    "chunks with a NUL": _POST + b"Transfer-Encoding: chunked\x00\r\n\r\n0\r\n\r\n",
    "chunks in quotes": _POST + b'Transfer-Encoding: "chunked"\r\n\r\n0\r\n\r\n',
    "nearly chunked": _POST + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "identity": _POST + b"Transfer-Encoding: identity\r\n\r\n0\r\n\r\n",
    "an empty encoding": _POST + b"Transfer-Encoding:\r\n\r\n0\r\n\r\n",
    "chunks in HTTP/1.0": b"POST /a HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "a chunk's size that is none": _CHUNKED + b"zz\r\nabc\r\n0\r\n\r\n",
    "a chunk's size with a prefix": _CHUNKED + b"0x3\r\nabc\r\n0\r\n\r\n",
    "a chunk's size with a sign": _CHUNKED + b"+3\r\nabc\r\n0\r\n\r\n",
    "a negative chunk": _CHUNKED + b"-3\r\nabc\r\n0\r\n\r\n",
    "no chunk's size": _CHUNKED + b"\r\nabc\r\n0\r\n\r\n",
    "a blank behind a chunk's size": _CHUNKED + b"3 \r\nabc\r\n0\r\n\r\n",
    "a chunk's size beyond 64 bits": _CHUNKED + b"10000000000000003\r\nabc\r\n0\r\n\r\n",
    "a chunk's size and a line feed": _CHUNKED + b"3\nabc\r\n0\r\n\r\n",
    "a chunk's size and a carriage return": _CHUNKED + b"3\rabc\r\n0\r\n\r\n",
    "a line feed in an extension": _CHUNKED + b"3;a\nabc\r\n0\r\n\r\n",
    "a line feed in a quoted extension": _CHUNKED + b'3;a="\n"\r\nabc\r\n0\r\n\r\n',
    "a chunk that is longer": _CHUNKED + b"2\r\nabc\r\n0\r\n\r\n",
    "a chunk that ends with a line feed": _CHUNKED + b"3\r\nabc\n0\r\n\r\n",
    "chunks that end with a line feed": _CHUNKED + b"3\r\nabc\r\n0\r\n\n",
    "a trailer with a line feed": _CHUNKED + b"0\r\nA: b\n\r\n",
    "a trailer with a blank": _CHUNKED + b"0\r\nA : b\r\n\r\n",
    "line feeds alone": b"GET /a HTTP/1.1\nHost: h\n\n",
    "a line feed behind a header": b"GET /a HTTP/1.1\r\nHost: h\nA: b\r\n\r\n",
    "a line feed for the empty line": b"GET /a HTTP/1.1\r\nHost: h\r\n\n",
    "a carriage return in a value": b"GET /a HTTP/1.1\r\nHost: h\r\nA: b\rC: d\r\n\r\n",
    "a carriage return behind a value": b"GET /a HTTP/1.1\r\nHost: h\r\r\n\r\n",
    "a NUL in a value": b"GET /a HTTP/1.1\r\nHost: h\r\nA: b\x00\r\n\r\n",
    "a folded value": b"GET /a HTTP/1.1\r\nHost: h\r\nA: b\r\n c\r\n\r\n",
    "a folded first header": b"GET /a HTTP/1.1\r\n Host: h\r\n\r\n",
    "no colon": b"GET /a HTTP/1.1\r\nHost: h\r\nA\r\n\r\n",
    "no name": b"GET /a HTTP/1.1\r\nHost: h\r\n: b\r\n\r\n",
    "a name that is no token": b"GET /a HTTP/1.1\r\nHost: h\r\nA(: b\r\n\r\n",
    "a name beyond ASCII": b"GET /a HTTP/1.1\r\nHost: h\r\nA\xe9: b\r\n\r\n",
    "no host": b"GET /a HTTP/1.1\r\n\r\n",
    "two hosts": b"GET /a HTTP/1.1\r\nHost: h\r\nhost: i\r\n\r\n",
    "an asterisk for GET": b"GET * HTTP/1.1\r\nHost: h\r\n\r\n",
    "a URL without a host": b"GET http:///a HTTP/1.1\r\nHost: h\r\n\r\n",
    "a method in lower case": b"get /a HTTP/1.1\r\nHost: h\r\n\r\n",
    "a blank behind the version": b"GET /a HTTP/1.1 \r\nHost: h\r\n\r\n",
    "no version": b"GET /a\r\n\r\n",
    "HTTP/0.9": b"GET /a HTTP/0.9\r\nHost: h\r\n\r\n",
    "HTTP/1.2": b"GET /a HTTP/1.2\r\nHost: h\r\n\r\n",
    "HTTP/2.0": b"GET /a HTTP/2.0\r\nHost: h\r\n\r\n",
    "HTTP/0.9, kept": b"GET /a HTTP/0.9\r\nHost: h\r\nConnection: keep-alive\r\n\r\n",
    "HTTP/2.0, kept": b"GET /a HTTP/2.0\r\nHost: h\r\nConnection: keep-alive\r\n\r\n",
    "a spoiled preface": b"PRI * HTTP/2.0\r\n\r\nSN\r\n\r\n",
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(40),
}


@pytest.mark.parametrize("cut", [0, 1])
@pytest.mark.parametrize("name", _REFUSED)
def test_what_may_be_read_in_two_ways_is_refused(name: str, cut: int) -> None:
    async def main() -> None:
        client = Client()
        client.send(_REFUSED[name] + b"GET /smuggled HTTP/1.1\r\nHost: h\r\n\r\n", cut=cut)
        told = await client.settled()
        assert told.startswith(b"HTTP/1.1 400 Bad Request\r\nconnection: close\r\n\r\n"), told
        assert told.count(b"HTTP/1.1 ") == 1
        # Its own body may be waited for already, when the fault is in there.
        assert client.answers.seen in ([], ["/a"])
        assert client.transport.end == "eof"

    asyncio.run(main())


def test_what_came_before_is_answered() -> None:
    async def main() -> None:
        client = Client()
        told = client.send(_GET + b"GET\r\n\r\n")
        assert told.startswith(_GOT + b"HTTP/1.1 400 ")
        assert client.transport.end == "eof"

    asyncio.run(main())
