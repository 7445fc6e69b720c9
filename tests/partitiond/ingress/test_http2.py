"""HTTP/2 clients of a whole ingress, with `h2` as the client: streams, windows, resets, the end of a connection."""

from __future__ import annotations

import asyncio
import gc
import json
import socket
from pathlib import Path
from typing import Any

import pytest
import uvloop

from partitiond.ingress.http2.stream import Stream
from partitiond.invoker.http2 import frames as f
from shared.api.partition import InvokeRequest, ResultReply
from shared.protocol.input import input_headers, input_payload
from tests.fakes.http2_client import Http2Client
from tests.partitiond.ingress.harness import Ingress, until

_JSON = {"content-type": "application/json"}
_BYTES = {"content-type": "a/b"}


def _invokes(ingress: Ingress) -> list[Any]:
    return [request for request in ingress.worker.requests if isinstance(request, InvokeRequest)]


def test_request_and_answer_are_those_of_http1(tmp_path: Path) -> None:
    async def main() -> None:
        async with Ingress(tmp_path) as ingress, Http2Client(ingress.settings.ingress_port) as client:
            fields = _JSON | {
                "x-a": "1",
                "origin": "http://a.b",
                "traceparent": "00-" + "a" * 32 + "-" + "b" * 16 + "-01",
            }
            answer = await client.request("POST", "/Greeter/greet?x=%20y", fields, b'"x"')
            assert (answer.status, answer.body) == (200, b'"done"')
            assert answer.headers["content-type"] == "application/json"
            assert answer.headers["access-control-allow-origin"] == "http://a.b"
            assert answer.headers["content-length"] == "6"
            assert answer.headers["x-restate-id"].startswith("inv_1")
            assert "date" in answer.headers
            [request] = _invokes(ingress)
            assert input_payload(request.invoke.input) == b'"x"'
            assert request.invoke.traceparent == fields["traceparent"]
            assert input_headers(request.invoke.input) == [
                ("x-restate-ingress-path", "/Greeter/greet?x=%20y"),
                *fields.items(),
            ]

    uvloop.run(main())


def test_the_preface_may_come_byte_by_byte(tmp_path: Path) -> None:
    async def main() -> None:
        async with Ingress(tmp_path) as ingress:
            reader, writer = await asyncio.open_connection("127.0.0.1", ingress.settings.ingress_port)
            for byte in f.PREFACE + f.settings({}):
                writer.write(bytes([byte]))
                await writer.drain()
            assert (await reader.readexactly(9))[3] == f.SETTINGS
            writer.close()

    uvloop.run(main())


def test_many_streams_wait_on_one_connection(tmp_path: Path) -> None:
    async def main() -> None:
        async with (
            Ingress(tmp_path, answer=lambda request: None) as ingress,
            Http2Client(ingress.settings.ingress_port) as client,
        ):
            assert (await client.request("GET", "/restate/health")).status == 200
            streams = [client.open("GET", "/Greeter/none") for _ in range(500)]
            await until(lambda: len(_invokes(ingress)) == len(streams))
            for request in reversed(_invokes(ingress)):
                number = str(request.request_id).encode()
                ingress.worker.connections[0].send(ResultReply(request.request_id, number))
            answers = [await client.answer(stream) for stream in streams]
            assert {answer.status for answer in answers} == {200}
            assert len({answer.body for answer in answers}) == len(streams)

    uvloop.run(main())


def test_streams_beyond_the_limit_are_refused_alone(tmp_path: Path) -> None:
    async def main() -> None:
        async with (
            Ingress(tmp_path, answer=lambda request: None) as ingress,
            Http2Client(ingress.settings.ingress_port) as client,
        ):
            # It has not heard of the limit yet.
            streams = [client.open("GET", "/Greeter/none") for _ in range(1001)]
            assert (await client.answer(streams[-1])).reset == f.REFUSED_STREAM
            assert len(_invokes(ingress)) <= 1000
            assert not client.goaways

    uvloop.run(main())


def test_a_large_answer_goes_at_the_pace_of_who_reads_it(tmp_path: Path) -> None:
    """Its windows are small, and a neighbour on the same connection is not held up."""

    async def main() -> None:
        big = bytes(range(256)) * 8000

        def answer(request: Any) -> Any:
            return ResultReply(0, big if request.invoke.target.key == "big" else b"small")

        async with (
            Ingress(tmp_path, answer=answer) as ingress,
            Http2Client(ingress.settings.ingress_port, window_bytes=1000) as client,
        ):
            slow = client.open("GET", "/Counter/big/peek")
            assert (await client.request("GET", "/Counter/small/peek")).body == b"small"
            assert (await client.answer(slow)).body == big

    uvloop.run(main())


def test_a_large_body_arrives_whole(tmp_path: Path) -> None:
    async def main() -> None:
        body = bytes(range(256)) * 20_000
        async with Ingress(tmp_path) as ingress, Http2Client(ingress.settings.ingress_port) as client:
            assert (await client.request("POST", "/Greeter/any", _BYTES, body)).status == 200
            assert input_payload(_invokes(ingress)[-1].invoke.input) == body

    uvloop.run(main())


@pytest.mark.parametrize("announced", [False, True])
def test_a_body_over_the_limit_is_refused(tmp_path: Path, announced: bool) -> None:
    async def main() -> None:
        async with (
            Ingress(tmp_path, request_bytes_limit=100_000) as ingress,
            Http2Client(ingress.settings.ingress_port) as client,
        ):
            body = b"x" * 150_000
            fields = _BYTES | ({"content-length": str(len(body))} if announced else {})
            answer = await client.request("POST", "/Greeter/any", fields, body)
            assert answer.status == 413
            fits = await client.request("POST", "/Greeter/any", _BYTES, body[:100_000])
            assert fits.status == 200
            assert not client.goaways

    uvloop.run(main())


def test_a_body_that_nobody_wants_is_not_asked_for(tmp_path: Path) -> None:
    """The answer comes while the client still sends; it is told to stop, and the connection is good for more."""

    async def main() -> None:
        async with Ingress(tmp_path) as ingress, Http2Client(ingress.settings.ingress_port) as client:
            stream = client.open("POST", "/Nope/any", _BYTES, end=False)
            await client.send(stream, b"x" * 200_000)
            answer = await client.answer(stream)
            assert (answer.status, answer.reset) == (404, None) or answer.reset == f.NO_ERROR
            assert (await client.request("GET", "/Greeter/none")).status == 200

    uvloop.run(main())


def test_who_waits_for_leave_to_send_gets_it(tmp_path: Path) -> None:
    async def main() -> None:
        async with Ingress(tmp_path) as ingress, Http2Client(ingress.settings.ingress_port) as client:
            stream = client.open("POST", "/Greeter/any", _BYTES | {"expect": "100-continue"}, end=False)
            await until(lambda: client.answers[stream].interim == [100])
            await client.send(stream, b"abc")
            assert (await client.answer(stream)).status == 200

    uvloop.run(main())


def test_head_has_no_body(tmp_path: Path) -> None:
    async def main() -> None:
        async with Ingress(tmp_path) as ingress, Http2Client(ingress.settings.ingress_port) as client:
            answer = await client.request("HEAD", "/restate/health")
            assert (answer.status, answer.body) == (405, b"")
            assert int(answer.headers["content-length"]) > 0

    uvloop.run(main())


@pytest.mark.parametrize("whole", [False, True])
def test_a_client_that_goes_away_is_forgotten(tmp_path: Path, whole: bool) -> None:
    """One stream of it, or the whole connection."""

    async def main() -> None:
        async with Ingress(tmp_path, answer=lambda request: None) as ingress:
            async with Http2Client(ingress.settings.ingress_port) as client:
                streams = [client.open("GET", "/Greeter/none") for _ in range(3)]
                await until(lambda: len(_invokes(ingress)) == 3)
                if whole:
                    client.writer.close()
                else:
                    client.h2.reset_stream(streams[1], f.CANCEL)
                    client.flush()
                await until(lambda: len(ingress.worker.forgotten()) == (3 if whole else 1))
            await until(lambda: len(ingress.worker.forgotten()) == 3)
            gc.collect()
            assert not [each for each in gc.get_objects() if isinstance(each, Stream)]

    uvloop.run(main())


def test_a_drain_answers_what_is_here_and_takes_no_more(tmp_path: Path) -> None:
    async def main() -> None:
        async with (
            Ingress(tmp_path, answer=lambda request: None) as ingress,
            Http2Client(ingress.settings.ingress_port) as client,
        ):
            waiting = client.open("GET", "/Greeter/none")
            request = await until(lambda: _invokes(ingress) and _invokes(ingress)[0])
            ingress.stopping.set()
            await until(lambda: len(client.goaways) == 2)
            ingress.worker.connections[0].send(ResultReply(request.request_id, b'"in time"'))
            assert (await client.answer(waiting)).body == b'"in time"'
            await client.until_closed()
            await ingress.stopped()

    uvloop.run(main())


def test_a_drain_that_takes_too_long_tells_what_to_attach_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("partitiond.ingress.service._DRAIN_S", 0.1)

    async def main() -> None:
        async with Ingress(tmp_path, answer=lambda request: None) as ingress:
            async with Http2Client(ingress.settings.ingress_port) as client:
                over_http2 = client.open("GET", "/Greeter/none")
                over_http1 = asyncio.create_task(ingress.request("GET", "/Greeter/none"))
                await until(lambda: len(_invokes(ingress)) == 2)
                ids = {request.invoke.id for request in _invokes(ingress)}
                ingress.stopping.set()
                answers = [await client.answer(over_http2), await over_http1]
                await ingress.stopped()
            assert len(ids) == 2
            for answer in answers:
                assert answer.status == 503
                assert answer.headers["retry-after"] == "1"
                assert answer.headers["x-restate-id"].startswith("inv_1")
                assert json.loads(answer.body)["source"] == "ingress"
            assert answers[1].headers["connection"] == "close"

    uvloop.run(main())


def test_an_upload_is_read_to_its_end_while_draining(tmp_path: Path) -> None:
    """aiohttp's own way to close a busy connection is to read no more of it."""

    async def main() -> None:
        async with Ingress(tmp_path) as ingress:
            reader, writer = await asyncio.open_connection("127.0.0.1", ingress.settings.ingress_port)
            writer.write(b"POST /Greeter/any HTTP/1.1\r\nHost: x\r\nContent-Type: a/b\r\nContent-Length: 6\r\n")
            writer.write(b"Expect: 100-continue\r\n\r\n")
            assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 100")
            writer.write(b"abc")
            ingress.stopping.set()
            await ingress.refuses_connections()
            writer.write(b"def")
            answer = await reader.read()
            assert answer.startswith(b"HTTP/1.1 200")
            assert b"\r\nconnection: close\r\n" in answer
            assert input_payload(_invokes(ingress)[-1].invoke.input) == b"abcdef"
            writer.close()
            await ingress.stopped()

    uvloop.run(main())


def test_idle_connections_are_closed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that said nothing, those of HTTP/1.1 and of HTTP/2; not one that waits for an answer."""
    monkeypatch.setattr("partitiond.ingress.http_server._KEEP_ALIVE_S", 0.2)

    async def main() -> None:
        async with Ingress(tmp_path, answer=lambda request: None) as ingress:
            port = ingress.settings.ingress_port
            silent, silent_writer = await asyncio.open_connection("127.0.0.1", port)
            async with Http2Client(port) as idle, Http2Client(port) as waiting:
                stream = waiting.open("GET", "/Greeter/none")
                assert (await idle.request("GET", "/restate/health")).status == 200
                await idle.until_closed()
                assert idle.goaways == [f.NO_ERROR]
                assert await _ends(silent)
                silent_writer.close()
                assert not waiting.closed.is_set()
                assert not waiting.answers[stream].status
                assert not ingress.worker.forgotten()

    uvloop.run(main())


async def _ends(reader: asyncio.StreamReader) -> bool:
    try:
        return not await reader.read()
    except ConnectionResetError:
        return True


def test_who_does_not_read_is_not_read_from(tmp_path: Path) -> None:
    """Answers to PING and to requests gather no more than so much, and others are served meanwhile."""

    async def main() -> None:
        async with Ingress(tmp_path, answer=lambda request: ResultReply(0, b"x" * 1_000_000)) as ingress:
            port = ingress.settings.ingress_port
            raw = socket.create_connection(("127.0.0.1", port))
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            raw.setblocking(False)
            loop = asyncio.get_running_loop()
            settings = f.settings({4: 0x7FFFFFFF}) + f.window_update(0, 0x7FFF0000)
            await loop.sock_sendall(raw, f.PREFACE + settings)
            pings = f.frame(f.PING, 0, 0, bytes(8)) * 20_000

            async def flood() -> None:
                while True:
                    await loop.sock_sendall(raw, pings)

            flooding = asyncio.create_task(flood())
            async with Http2Client(port) as client:
                for _ in range(3):
                    assert (await client.request("GET", "/Greeter/none")).status == 200
            flooding.cancel()
            await asyncio.gather(flooding, return_exceptions=True)
            raw.close()

    uvloop.run(main())


def test_load_is_shed_in_both_versions(tmp_path: Path) -> None:
    async def main() -> None:
        async with (
            Ingress(tmp_path, answer=lambda request: None, ingress_requests_limit=2) as ingress,
            Http2Client(ingress.settings.ingress_port) as client,
        ):
            waiting = client.open("GET", "/Greeter/none")
            also = asyncio.create_task(ingress.request("GET", "/Greeter/none"))
            requests = await until(lambda: len(_invokes(ingress)) == 2 and _invokes(ingress))
            for shed in (
                await client.request("GET", "/Greeter/none"),
                await ingress.request("GET", "/Greeter/none"),
            ):
                assert (shed.status, shed.headers["retry-after"]) == (429, "1")
                assert json.loads(shed.body)["source"] == "ingress"
            assert (await ingress.request("OPTIONS", "/Greeter/none")).status == 200
            for request in requests:
                ingress.worker.connections[0].send(ResultReply(request.request_id, b'"late"'))
            assert (await client.answer(waiting)).status == (await also).status == 200
            ingress.worker.answer = lambda request: ResultReply(0, b'"again"')
            assert (await ingress.request("GET", "/Greeter/none")).status == 200

    uvloop.run(main())
