"""HTTP/1.1: a body that is asked for piece by piece, and a response that is read as it is dealt with."""

from __future__ import annotations

import asyncio

from aiohttp import web

from partitiond.invoker.http1 import Http1Endpoint
from partitiond.invoker.http2.errors import StreamError
from partitiond.invoker.http2.message import Headers
from partitiond.invoker.http2.request import RequestHead
from tests.conftest import free_ports

HEAD = RequestHead("POST", "/invoke", (("content-type", "x/y"),))


class _Handler:
    """Sends `pieces`, and deals with what comes when the test says so."""

    def __init__(self, pieces: int = 0) -> None:
        self.left = pieces
        self.stream = None
        self.received = 0
        self.over = asyncio.Event()
        self.error: StreamError | None = None
        self.asked = 0

    def on_response(self, status: int, headers: Headers) -> None:
        assert status == 200

    def on_data(self, data: bytes) -> None:
        self.received += len(data)

    def on_end(self) -> None:
        self.over.set()

    def on_error(self, error: StreamError) -> None:
        self.error = error
        self.over.set()

    def on_writable(self) -> None:
        self.asked += 1
        if self.left:
            self.left -= 1
            assert not self.stream.send(b"p" * 65_536), "one at a time"  # type: ignore[attr-defined]
        else:
            self.stream.close_request()  # type: ignore[attr-defined]


async def _with_server(serve, scene) -> None:  # type: ignore[no-untyped-def]
    (port,) = free_ports(1)
    runner = web.ServerRunner(web.Server(serve))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    endpoint = Http1Endpoint(f"http://127.0.0.1:{port}")
    try:
        async with asyncio.timeout(20):
            await scene(endpoint)
    finally:
        await endpoint.close()
        await runner.cleanup()


def test_a_long_body_is_asked_for_as_the_service_reads_it() -> None:
    async def main() -> None:
        reading = asyncio.Event()
        sizes: list[int] = []

        async def serve(request: web.BaseRequest) -> web.Response:
            assert request.headers.get("transfer-encoding") == "chunked"
            await reading.wait()
            total = 0
            while chunk := await request.content.readany():
                total += len(chunk)
            sizes.append(total)
            return web.Response()

        async def scene(endpoint: Http1Endpoint) -> None:
            handler = _Handler(pieces=500)
            handler.stream = endpoint.request(HEAD, handler, b"first")  # type: ignore[assignment]
            for _ in range(50):
                await asyncio.sleep(0.01)
            assert handler.left > 100, "32 MB are not read ahead for a service that does not read"
            reading.set()
            await handler.over.wait()
            assert handler.error is None
            assert sizes == [5 + 500 * 65_536]

        await _with_server(serve, scene)

    asyncio.run(main())


def test_a_short_body_has_a_length() -> None:
    async def main() -> None:
        async def serve(request: web.BaseRequest) -> web.Response:
            return web.Response(text=f"{request.headers['content-length']} {await request.text()}")

        async def scene(endpoint: Http1Endpoint) -> None:
            handler = _Handler()
            stream = endpoint.request(HEAD, handler, b"all", end=True)
            assert stream.writable
            await handler.over.wait()
            assert handler.received == len("3 all")

        await _with_server(serve, scene)

    asyncio.run(main())


def test_a_response_is_read_as_it_is_consumed() -> None:
    async def main() -> None:
        async def serve(request: web.BaseRequest) -> web.Response:
            return web.Response(body=b"r" * 8_000_000)

        async def scene(endpoint: Http1Endpoint) -> None:
            handler = _Handler()
            stream = endpoint.request(HEAD, handler, b"", end=True)
            stream.auto_consume = False
            before = -1
            while handler.received != before or not before:
                before = handler.received
                await asyncio.sleep(0.1)
            assert handler.received < 1_000_000
            consumed = 0
            while not handler.over.is_set():
                stream.consumed(handler.received - consumed)
                consumed = handler.received
                await asyncio.sleep(0)
            assert handler.received == 8_000_000

        await _with_server(serve, scene)

    asyncio.run(main())
