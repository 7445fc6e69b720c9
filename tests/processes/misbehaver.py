"""A service endpoint that misbehaves on demand, over HTTP/2 and HTTP/1.1: what it says is bytes, chosen by the test.

At its first attempt an invocation of handler `x` is what `acts["x"]` makes of it; at each later one it is answered
properly. `Neighbour…/hold` is answered when the test lets go: an invocation that shares the connection and must not
suffer.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import struct
import threading
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Mapping
from typing import Any

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import DataReceived, RequestReceived, StreamEnded, StreamReset
from h2.settings import SettingCodes, Settings

from tests.fakes.service_endpoint import join
from tests.partitiond.invoker.builders import END, OUTPUT

__all__ = ["Act", "Exchange", "Misbehaver", "misbehaving"]

_MANIFEST_TYPE = "application/vnd.restate.endpointmanifest.v4+json"
#: Of a handler that is not told otherwise: long enough to look at the failure, short enough to wait for the retry.
RETRY_MS = 2500


class Exchange:
    """One attempt: what the runtime sent, and the means to answer it."""

    def __init__(self, wire: _Wire, stream_id: int, headers: dict[str, str]) -> None:
        self.wire = wire
        self.stream_id = stream_id
        self.headers = headers
        self.path = headers.get(":path", "")
        self.received = bytearray()
        self.heard = asyncio.Event()
        self.ended = asyncio.Event()

    @property
    def invocation(self) -> str:
        return self.headers.get("x-restate-invocation-id", "")

    def head(self, status: int | str = 200, *, end: bool = False, **fields: str) -> None:
        """The response head; by default the right content type. `content_type=""`: none."""
        wanted = {"content_type": self.headers.get("accept", "")} | fields
        found = [(name.replace("_", "-"), value) for name, value in wanted.items() if value]
        self.wire.head(self.stream_id, str(status), found, end=end)

    def say(self, *messages: tuple[int, bytes]) -> None:
        self.raw(join(*messages))

    def raw(self, data: bytes) -> None:
        """Bytes of the body."""
        self.wire.body(self.stream_id, data)

    def end(self, **trailers: str) -> None:
        self.wire.end(self.stream_id, [(name.replace("_", "-"), value) for name, value in trailers.items()])

    async def answer(self) -> None:
        """As a good service does."""
        self.head()
        self.say(OUTPUT, END)
        await self.ended.wait()
        self.end()

    async def hang(self) -> None:
        await asyncio.Event().wait()


Act = Callable[[Exchange], Awaitable[None]]


class _Wire(asyncio.Protocol):
    """One accepted connection."""

    transport: asyncio.Transport

    def __init__(self, owner: Misbehaver) -> None:
        self.owner = owner

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.owner.wires.append(self)

    def socket(self, data: bytes) -> None:
        """Bytes as they are, past all rules."""
        self.transport.write(data)

    def drop(self) -> None:
        """A TCP reset: what was on its way is lost."""
        raw = self.transport.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.transport.abort()

    def head(self, stream_id: int, status: str, fields: list[tuple[str, str]], *, end: bool) -> None:
        raise NotImplementedError

    def body(self, stream_id: int, data: bytes) -> None:
        raise NotImplementedError

    def end(self, stream_id: int, trailers: list[tuple[str, str]]) -> None:
        raise NotImplementedError


class _Http2(_Wire):
    def __init__(self, owner: Misbehaver) -> None:
        super().__init__(owner)
        config = H2Configuration(
            client_side=False, header_encoding="utf-8", validate_outbound_headers=False,
            normalize_outbound_headers=False,
        )  # fmt: skip
        self.h2 = H2Connection(config)
        self._exchanges: dict[int, Exchange] = {}

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        values = {SettingCodes.MAX_CONCURRENT_STREAMS: 200} | self.owner.settings
        self.h2.local_settings = Settings(client=False, initial_values=values)
        self.h2.initiate_connection()
        self._flush()

    def data_received(self, data: bytes) -> None:
        for event in self.h2.receive_data(data):
            if isinstance(event, RequestReceived):
                assert event.headers is not None
                fields = {str(name): str(value) for name, value in event.headers}
                made = self._exchanges[event.stream_id or 0] = Exchange(self, event.stream_id or 0, fields)
                self.owner.begin(made)
            elif isinstance(event, DataReceived):
                assert event.stream_id is not None
                exchange = self._exchanges[event.stream_id]
                exchange.received += event.data or b""
                self.h2.acknowledge_received_data(event.flow_controlled_length or 0, event.stream_id)
                exchange.heard.set()
            elif isinstance(event, StreamEnded | StreamReset):
                self._exchanges[event.stream_id or 0].ended.set()
        self._flush()

    def head(self, stream_id: int, status: str, fields: list[tuple[str, str]], *, end: bool) -> None:
        self.h2.send_headers(stream_id, [(":status", status), *fields], end_stream=end)
        self._flush()

    def body(self, stream_id: int, data: bytes) -> None:
        for at in range(0, len(data), 16_384):
            self.h2.send_data(stream_id, data[at : at + 16_384])
        self._flush()

    def end(self, stream_id: int, trailers: list[tuple[str, str]]) -> None:
        if trailers:
            self.h2.send_headers(stream_id, trailers, end_stream=True)
        else:
            self.h2.end_stream(stream_id)
        self._flush()

    def reset(self, stream_id: int, code: int) -> None:
        self.h2.reset_stream(stream_id, code)
        self._flush()

    def _flush(self) -> None:
        if data := self.h2.data_to_send():
            self.transport.write(data)


class _Http1(_Wire):
    """One request a connection is enough: it closes at the end of each response."""

    def __init__(self, owner: Misbehaver) -> None:
        super().__init__(owner)
        self._input = b""
        self._exchange: Exchange | None = None

    def data_received(self, data: bytes) -> None:
        self._input += data
        if self._exchange is None and b"\r\n\r\n" in self._input:
            head, _, self._input = self._input.partition(b"\r\n\r\n")
            first, *lines = head.decode("latin-1").split("\r\n")
            fields = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
            fields |= {":method": first.split()[0], ":path": first.split()[1]}
            self._exchange = Exchange(self, 1, fields)
            self.owner.begin(self._exchange)
        if self._exchange is not None:
            self._exchange.heard.set()
            self._exchange.ended.set()

    def head(self, stream_id: int, status: str, fields: list[tuple[str, str]], *, end: bool) -> None:
        lines = [f"HTTP/1.1 {status} Whatever", "connection: close", *(f"{name}: {value}" for name, value in fields)]
        self.transport.write("\r\n".join([*lines, "", ""]).encode("latin-1"))
        if end:
            self.transport.close()

    def body(self, stream_id: int, data: bytes) -> None:
        self.transport.write(data)

    def end(self, stream_id: int, trailers: list[tuple[str, str]]) -> None:
        self.transport.close()


class Misbehaver:
    """The endpoint. Its services are `services`: name -> (type, {handler: type}); `options` are those of handlers."""

    def __init__(
        self,
        services: Mapping[str, tuple[str, Mapping[str, str | None]]],
        acts: Mapping[str, Act],
        *,
        options: Mapping[str, Mapping[str, Any]] | None = None,
        http1: bool = False,
        settings: Mapping[int, int] | None = None,
    ) -> None:
        self.services = services
        self.acts = acts
        self.options = options or {}
        self.http1 = http1
        self.settings = dict(settings or {})
        self.port = 0
        self.wires: list[_Wire] = []
        #: Invocation -> how many attempts there were.
        self.attempts: Counter[str] = Counter()
        #: Which neighbours are being held.
        self.held: set[str] = set()
        self.errors: list[BaseException] = []
        self._let_go = asyncio.Event()
        self._stop = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._loop: asyncio.AbstractEventLoop | None = None

    @property
    def uri(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def let_go(self) -> None:
        """Answer all neighbours, from any thread."""
        assert self._loop is not None
        self._loop.call_soon_threadsafe(self._let_go.set)

    def begin(self, exchange: Exchange) -> None:
        task = asyncio.get_running_loop().create_task(self._serve(exchange))
        self._tasks.add(task)
        task.add_done_callback(lambda task: self._finished(exchange, task))

    def _finished(self, exchange: Exchange, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        # An answer to a connection that is gone goes nowhere.
        if error is not None and not exchange.wire.transport.is_closing():
            self.errors.append(error)

    async def _serve(self, exchange: Exchange) -> None:
        if exchange.path == "/discover":
            exchange.head(content_type=_MANIFEST_TYPE)
            exchange.raw(json.dumps(self._manifest()).encode())
            exchange.end()
            return
        handler = exchange.path.rpartition("/")[2]
        self.attempts[exchange.invocation] += 1
        if handler == "hold":
            self.held.add(exchange.invocation)
            await self._let_go.wait()
            await exchange.answer()
        elif self.attempts[exchange.invocation] > 1:
            await exchange.answer()
        else:
            await self.acts[handler](exchange)

    def _manifest(self) -> dict[str, Any]:
        def described(name: str, kind: str | None) -> dict[str, Any]:
            return {"name": name, "ty": kind} | self.options.get(name, {})

        services = [
            {
                "name": name,
                "ty": ty,
                "handlers": [described(each, kind) for each, kind in handlers.items()],
                "retryPolicyInitialInterval": RETRY_MS,
                "retryPolicyExponentiationFactor": 1.0,
            }
            for name, (ty, handlers) in self.services.items()
        ]
        return {
            "protocolMode": "REQUEST_RESPONSE" if self.http1 else "BIDI_STREAM",
            "minProtocolVersion": 5,
            "maxProtocolVersion": 7,
            "services": services,
        }

    def close(self) -> None:
        """From any thread."""
        assert self._loop is not None
        self._loop.call_soon_threadsafe(self._stop.set)

    async def run(self, ready: threading.Event) -> None:
        """Serve until `close`."""
        self._loop = asyncio.get_running_loop()
        made = _Http1 if self.http1 else _Http2
        server = await self._loop.create_server(lambda: made(self), "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        ready.set()
        await self._stop.wait()
        server.close()
        for task in list(self._tasks):
            task.cancel()
        for wire in self.wires:
            wire.transport.abort()
        # What was aborted is closed with the loop's next turn.
        await asyncio.sleep(0)


@contextlib.contextmanager
def misbehaving(*servers: Misbehaver) -> Iterator[None]:
    """All of them listen, in a thread of their own."""
    ready = [threading.Event() for _ in servers]

    async def run() -> None:
        await asyncio.gather(*(server.run(event) for server, event in zip(servers, ready, strict=True)))

    thread = threading.Thread(target=lambda: asyncio.run(run()))
    thread.start()
    try:
        for event in ready:
            assert event.wait(10)
        yield
    finally:
        for server in servers:
            server.close()
        thread.join(10)
