"""One connection: limits, flow control, time-outs, clients that go away, the drain."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from functools import wraps
from typing import Any

import pytest

from tests.partitiond.ingress.http1.client import BODY_BYTES_MAX, Client

_HOST = b"Host: h\r\n"
_GET = b"GET /a HTTP/1.1\r\nHost: h\r\n\r\n"
_EXPECT = b"Expect: 100-Continue\r\nContent-Length: 3\r\n\r\n"


def _get(target: str) -> bytes:
    return f"GET {target} HTTP/1.1\r\nHost: h\r\n\r\n".encode()


def _post(target: str, rest: bytes) -> bytes:
    return f"POST {target} HTTP/1.1\r\nHost: h\r\n".encode() + rest


def in_loop(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    @wraps(test)
    def run(*args: Any, **named: Any) -> None:
        asyncio.run(test(*args, **named))

    return run


@in_loop
async def test_leave_to_send_a_body_is_given_when_it_is_asked_for() -> None:
    client = Client()
    assert client.send(_post("/a", _EXPECT)) == b"HTTP/1.1 100 Continue\r\n\r\n"
    client.send(b"abc")
    assert (await client.settled()).endswith(b"\r\n\r\nHTTP/1.1 200 OK\r\n\r\nPOST /a abc\n")


@in_loop
async def test_who_gets_an_answer_instead_of_leave_may_send_the_body_or_not() -> None:
    client = Client()
    told = client.send(_post("/early", _EXPECT))
    assert told.startswith(b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n")
    assert client.transport.end == "eof"
    assert client.send(_GET) == told


@in_loop
async def test_a_body_that_is_here_needs_no_leave() -> None:
    client = Client()
    assert client.send(_post("/a", _EXPECT + b"abc")) == b"HTTP/1.1 200 OK\r\n\r\nPOST /a abc\n"


@in_loop
async def test_a_length_over_the_limit_is_answered_before_the_body() -> None:
    client = Client()
    told = client.send(_post("/early", b"Content-Length: %d\r\n\r\n" % (BODY_BYTES_MAX + 1)))
    assert b"connection: close\r\n" in told
    assert client.transport.end == "eof"
    assert client.transport.reading, "what is sent is read, lest the answer is lost"


@pytest.mark.parametrize("extra", [0, 1])
@in_loop
async def test_chunks_over_the_limit_are_not_kept(extra: int) -> None:
    client = Client()
    client.send(_post("/a", b"Transfer-Encoding: chunked\r\n\r\n"))
    left = BODY_BYTES_MAX + extra
    while left:
        size = min(left, 50_000)
        client.send(b"%x\r\n%b\r\n" % (size, bytes(size)))
        left -= size
    await client.settled()
    client.send(b"0\r\n\r\n")
    told = await client.settled()
    assert told.startswith(b"HTTP/1.1 413 " if extra else b"HTTP/1.1 200 ")
    assert client.transport.end == ("eof" if extra else "")


@pytest.mark.parametrize("cut", [0, 10_000])
@pytest.mark.parametrize(
    "data",
    [
        b"GET /" + b"a" * 70_000 + b" HTTP/1.1\r\n" + _HOST + b"\r\n",
        b"GET /a HTTP/1.1\r\nA: " + b"b" * 70_000 + b"\r\n" + _HOST + b"\r\n",
        b"GET /a HTTP/1.1\r\n" + b"b" * 70_000 + b": c\r\n" + _HOST + b"\r\n",
        b"GET /a HTTP/1.1\r\n" + b"".join(b"A-%d: %b\r\n" % (n, b"b" * 4000) for n in range(20)) + _HOST + b"\r\n",
        b"GET /a HTTP/1.1\r\n" + b"".join(b"A-%d: b\r\n" % n for n in range(128)) + _HOST + b"\r\n",
    ],
    ids=["path", "value", "name", "all", "count"],
)
@in_loop
async def test_a_head_over_the_limits_is_refused(data: bytes, cut: int) -> None:
    client = Client()
    told = client.send(data, cut=cut)
    assert told.startswith(b"HTTP/1.1 431 ")
    assert told.count(b"HTTP/1.1 ") == 1
    assert client.transport.end == "eof"
    assert client.answers.seen == []


@pytest.mark.parametrize("line", [b"A: b\r\n", b"A: " + b"b" * 1000, b";" + b"a" * 1000])
@in_loop
async def test_what_is_around_chunks_does_not_pile_up(line: bytes) -> None:
    """Trailers, one trailer, one extension: without an end."""
    client = Client()
    client.send(_post("/a", b"Transfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0"))
    client.send(b"" if line[:1] == b";" else b"\r\n")
    for _ in range(70_000 // len(line) + 1):
        client.send(line)
    assert (await client.settled()).startswith(b"HTTP/1.1 400 ")
    assert client.transport.end == "eof"


@in_loop
async def test_pipelined_requests_are_answered_in_order_and_not_read_ahead() -> None:
    client = Client()
    assert client.send(_get("/wait/1") + _get("/wait/2") + _GET) == b""
    assert client.answers.seen == ["/wait/1"], "one at a time"
    assert not client.transport.reading
    client.let_go("/wait/1")
    await client.settled()
    assert client.answers.seen == ["/wait/1", "/wait/2"]
    client.let_go("/wait/2")
    told = await client.settled()
    assert [line for line in told.split(b"\n") if line.startswith(b"GET")] == [
        b"GET /wait/1 ",
        b"GET /wait/2 ",
        b"GET /a ",
    ]
    assert client.transport.reading


@in_loop
async def test_many_requests_of_one_read_do_not_recurse() -> None:
    client = Client()
    assert client.send(_GET * 3000).count(b"HTTP/1.1 200 ") == 3000


@in_loop
async def test_a_body_that_nobody_asks_for_is_not_read_ahead() -> None:
    client = Client()
    client.send(_post("/wait", b"Content-Length: 150000\r\n\r\n"))
    client.send(bytes(60_000))
    assert client.transport.reading
    client.send(bytes(60_000))
    assert not client.transport.reading
    client.let_go("/wait")
    await client.settled()
    assert client.transport.reading
    client.send(bytes(30_000))
    assert len(await client.settled()) > 150_000


@in_loop
async def test_who_does_not_read_is_not_read_from() -> None:
    client = Client()
    client.send(_get("/wait"))
    client.connection.pause_writing()
    assert not client.transport.reading
    client.let_go("/wait")
    told = await client.settled()
    assert client.send(_GET) == told, "its next request waits"
    for _ in range(9):
        client.connection.on_tick()
    assert client.transport.end == "", "it may read slowly"
    client.connection.resume_writing()
    assert client.transport.reading
    assert client.told().endswith(b"GET /a \n")


@in_loop
async def test_the_rest_of_an_answered_request_is_read_and_dropped() -> None:
    client = Client()
    told = client.send(_post("/early", b"Content-Length: 100000\r\n\r\n") + b"x" * 10)
    assert told == b"HTTP/1.1 200 OK\r\n\r\nPOST /early \n"
    client.send(b"x" * 99_990 + _GET)
    assert client.told() == told + b"HTTP/1.1 200 OK\r\n\r\nGET /a \n"


@in_loop
async def test_the_rest_of_an_answered_request_may_not_take_long() -> None:
    client = Client()
    client.send(_post("/early", b"Content-Length: 100000\r\n\r\n"))
    for _ in range(10):
        client.send(b"x")
        client.connection.on_tick()
    assert client.transport.end == ""
    client.connection.on_tick()
    assert client.transport.end == "aborted"


@in_loop
async def test_the_rest_of_an_answered_request_may_be_wrong() -> None:
    client = Client()
    told = client.send(_post("/early", b"Transfer-Encoding: chunked\r\n\r\n"))
    assert client.send(b"zz\r\n") == told
    assert client.transport.end == "aborted"


@in_loop
async def test_the_rest_of_an_answered_request_may_end_the_connection() -> None:
    """The answer has not said so. A connection that stayed open would take the next request, and never answer it."""
    client = Client()
    told = client.send(_post("/early", b"Transfer-Encoding: chunked\r\n\r\n"))
    assert client.send(b"0\r\nConnection: close\r\n\r\n") == told
    assert client.transport.end == "closed"


@pytest.mark.parametrize("sent", [b"", b"GET /a HT", _GET])
@in_loop
async def test_a_silent_client_does_not_stay(sent: bytes) -> None:
    client = Client(keep_alive_ticks=3)
    client.send(sent)
    for _ in range(3):
        client.connection.on_tick()
    assert client.transport.end == ""
    client.connection.on_tick()
    assert client.transport.end == "closed"


@in_loop
async def test_who_waits_for_an_answer_may_be_silent() -> None:
    client = Client(keep_alive_ticks=3)
    client.send(_get("/wait"))
    for _ in range(20):
        client.connection.on_tick()
    client.let_go("/wait")
    assert await client.settled() == b"HTTP/1.1 200 OK\r\n\r\nGET /wait \n"
    client.connection.on_tick()
    assert client.transport.end == "", "it is counted from the answer on"


@in_loop
async def test_a_client_that_was_refused_does_not_stay() -> None:
    client = Client()
    client.send(b"GET\r\n\r\n")
    for _ in range(10):
        client.connection.on_tick()
        client.send(b"more")
    client.connection.on_tick()
    assert client.transport.end == "aborted"


@pytest.mark.parametrize("request_", [_get("/wait"), _post("/a", b"Content-Length: 3\r\n\r\n")])
@in_loop
async def test_request_of_a_client_that_goes_away_is_cancelled(request_: bytes) -> None:
    client = Client()
    client.send(request_)
    client.transport.close()
    client.connection.connection_lost(None)
    await client.settled()
    assert client.answers.cancelled == client.answers.seen
    assert client.lost == 1
    assert client.told() == b""


@in_loop
async def test_client_that_ends_in_the_midst_of_a_body_is_told() -> None:
    """It may have closed its side only, and wait for an answer. One whose request is whole is taken to be gone."""
    client = Client()
    client.send(_post("/a", b"Content-Length: 3\r\n\r\nab"))
    assert client.connection.eof_received(), "there is something to say"
    told = await client.settled()
    assert told.startswith(b"HTTP/1.1 400 Bad Request\r\nconnection: close\r\n\r\nbad request: its body breaks off:")
    assert client.transport.end == "closed"


@pytest.mark.parametrize(
    "sent", [b"", b"GET /a HT", _GET, _get("/wait"), _post("/early", b"Content-Length: 3\r\n\r\n")]
)
@in_loop
async def test_client_that_ends_elsewhere_is_gone(sent: bytes) -> None:
    client = Client()
    client.send(sent)
    assert not client.connection.eof_received(), "the transport closes"


@in_loop
async def test_client_goes_away_as_its_request_is_woken() -> None:
    """What it waited for is there, and its turn comes after the end: it is cancelled, and nobody is answered."""
    client = Client()
    client.send(_get("/wait"))
    client.let_go("/wait")
    client.connection.connection_lost(None)
    await client.settled()
    assert client.answers.cancelled == ["/wait"]
    assert client.told() == b""


@in_loop
async def test_client_is_not_left_alone_when_what_it_waits_for_is_given_up() -> None:
    client = Client()
    client.send(_get("/wait"))
    client.answers.waiting["/wait"].cancel()
    await client.settled()
    assert client.transport.end == "aborted"
    assert client.told() == b""


@in_loop
async def test_client_that_waits_behind_a_large_body_is_heard_when_it_leaves() -> None:
    """Its answer before was written slowly, its body is larger than what is read of one that nobody wants."""
    client = Client()
    client.send(_get("/wait/1"))
    client.connection.pause_writing()
    client.let_go("/wait/1")
    await client.settled()
    client.send(_post("/wait/2", b"Content-Length: 100000\r\n\r\n" + bytes(100_000)))
    client.connection.resume_writing()
    assert client.answers.seen == ["/wait/1", "/wait/2"]
    assert client.transport.reading


@in_loop
async def test_drain_closes_who_is_idle_and_others_behind_their_answer() -> None:
    idle, busy = Client(), Client()
    idle.send(_GET)
    busy.send(_get("/wait") + _GET)
    idle.connection.drain()
    busy.connection.drain()
    assert idle.transport.end == "closed"
    assert busy.transport.end == ""
    busy.let_go("/wait")
    assert await busy.settled() == b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\nGET /wait \n"
    assert busy.transport.end == "closed"
    assert busy.answers.seen == ["/wait"], "nobody would hear of it"


@in_loop
async def test_drain_takes_the_rest_of_a_body() -> None:
    client = Client()
    client.send(_post("/a", b"Content-Length: 3\r\n\r\na"))
    client.connection.drain()
    client.send(b"bc")
    assert (await client.settled()).endswith(b"POST /a abc\n")
    assert client.transport.end == "closed"
