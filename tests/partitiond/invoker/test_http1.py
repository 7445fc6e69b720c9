"""HTTP/1.1: connections kept, limited, closed when idle, and lost at the wrong moment."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import uvloop

from partitiond.invoker.http1 import Http1Endpoint, Http1Settings
from partitiond.invoker.http2.errors import ErrorKind
from partitiond.invoker.http2.request import RequestHead
from partitiond.invoker.ports import Endpoint
from tests.conftest import free_ports
from tests.fakes.recording_service import recording_service
from tests.partitiond.invoker.http2.recorder import Recorder

_TYPE = "application/vnd.restate.invocation.v6"
_HEAD = RequestHead("POST", "/invoke/Rec/plain", (("content-type", _TYPE), ("accept", _TYPE)))


@asynccontextmanager
async def _http1(port: int, **settings: float) -> AsyncIterator[Http1Endpoint]:
    endpoint = Http1Endpoint(f"http://127.0.0.1:{port}", settings=Http1Settings(**settings))  # type: ignore[arg-type]
    try:
        yield endpoint
    finally:
        await endpoint.close()


async def _ask(endpoint: Endpoint) -> Recorder:
    told = Recorder()
    endpoint.request(_HEAD, told, b"body", end=True)
    await told.done()
    return told


def test_no_more_connections_than_the_limit() -> None:
    with recording_service(bidi=False) as service:

        async def scene() -> None:
            async with _http1(service.port, connections_max=3) as endpoint:
                told = [Recorder() for _ in range(50)]
                for recorder in told:
                    endpoint.request(_HEAD, recorder, b"x" * 1000, end=True)
                for recorder in told:
                    await recorder.done()
                    assert recorder.error is None

        uvloop.run(scene())
        assert len(service.requests) == 50
        assert service.connections == 3


def test_an_idle_connection_is_closed() -> None:
    with recording_service(bidi=False) as service:

        async def scene() -> None:
            async with _http1(service.port, idle_close_s=0.05) as endpoint:
                assert (await _ask(endpoint)).error is None
                while service.open:  # noqa: ASYNC110
                    await asyncio.sleep(0.005)
                assert (await _ask(endpoint)).error is None

        uvloop.run(scene())
        assert service.connections == 2


class _ClosesWhenAsked(asyncio.Protocol):
    """Answers the first request of a connection, and closes it when the second comes: it lost the race."""

    requests = 0
    connections = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        type(self).connections += 1
        self._transport: asyncio.Transport = transport  # type: ignore[assignment]
        self._asked = 0

    def data_received(self, data: bytes) -> None:
        self._asked += data.count(b"POST ")
        type(self).requests += data.count(b"POST ")
        if self._asked > 1:
            self._transport.close()
        elif data.endswith(b"body"):
            self._transport.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")


def test_a_kept_connection_that_the_service_closes_costs_no_attempt() -> None:
    """Servers close what was idle for some seconds, maybe at the moment when the next request is on its way."""
    (port,) = free_ports(1)

    async def scene() -> None:
        kind = type("Counting", (_ClosesWhenAsked,), {})
        server = await asyncio.get_running_loop().create_server(kind, "127.0.0.1", port)
        async with server, _http1(port) as endpoint:
            for _ in range(2):
                told = await _ask(endpoint)
                assert (told.error, told.body) == (None, b"ok")
            assert kind.connections == 2  # type: ignore[attr-defined]

    uvloop.run(scene())


class _ClosesAlways(asyncio.Protocol):
    connections = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        type(self).connections += 1
        self._transport: asyncio.Transport = transport  # type: ignore[assignment]

    def data_received(self, data: bytes) -> None:
        self._transport.close()


def test_a_fresh_connection_that_the_service_closes_is_a_failure() -> None:
    """It may have begun with the request: the policy of retries is asked."""
    (port,) = free_ports(1)

    async def scene() -> None:
        kind = type("Counting", (_ClosesAlways,), {})
        server = await asyncio.get_running_loop().create_server(kind, "127.0.0.1", port)
        async with server, _http1(port) as endpoint:
            error = (await _ask(endpoint)).error
            assert error is not None
            assert (error.kind, error.sent) == (ErrorKind.CLOSED, True)
            assert kind.connections == 1  # type: ignore[attr-defined]

    uvloop.run(scene())


def test_an_answer_that_is_no_http_is_a_breach() -> None:
    async def garbage(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1000)
        writer.write(b"\0\1\2 nothing\r\n\r\n")
        writer.close()

    (port,) = free_ports(1)

    async def scene() -> None:
        async with await asyncio.start_server(garbage, "127.0.0.1", port), _http1(port) as endpoint:
            error = (await _ask(endpoint)).error
            assert error is not None
            assert error.kind is ErrorKind.PROTOCOL
            assert "no HTTP/1.1" in error.message

    uvloop.run(scene())


def test_no_encoding_is_asked_for_that_we_do_not_undo() -> None:
    """We read frames, and would take what gzip makes of them for some."""
    with recording_service(bidi=False) as service:

        async def scene() -> None:
            async with _http1(service.port) as endpoint:
                await _ask(endpoint)

        uvloop.run(scene())
        assert service.requests[0].names == ["host", "content-type", "accept", "content-length"]
