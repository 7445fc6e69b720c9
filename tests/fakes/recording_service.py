"""A service that keeps the head of every request, over HTTP/1.1, h2c and TLS. Runs in a thread; not for daemons.

Two services: `Rec` with `plain` (answers "ok") and `nested` (one Call and one OneWayCall of `plain`, then "ok"),
and the object `RecObject` with `plain`.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import json
import ssl
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import cast

import h2.config
import h2.connection
import h2.events

from shared.protocol import service_pb2 as pb
from shared.protocol.message_types import MessageType
from tests.conftest import free_ports
from tests.fakes.service_endpoint import join

__all__ = ["RecordedRequest", "RecordingService", "recording_service"]

_OUTPUT = (
    (MessageType.OUTPUT, pb.OutputCommand(value=pb.Value(content=b'"ok"')).SerializeToString()),
    (MessageType.END, b""),
)
_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"


@dataclass
class RecordedRequest:
    """One request. `headers` in order, pseudo-header fields included; `connection` counts those accepted."""

    method: str
    path: str
    http_version: str
    headers: list[tuple[str, str]]
    connection: int
    body: bytearray = field(default_factory=bytearray)

    def header(self, name: str) -> str | None:
        """The first value of `name`."""
        values = [value for each, value in self.headers if each == name]
        return values[0] if values else None

    @property
    def names(self) -> list[str]:
        return [name for name, _ in self.headers]


class RecordingService:
    """What it serves and what it was asked. Read `requests` when the answer has come."""

    def __init__(self, port: int, *, bidi: bool, scheme: str, max_protocol_version: int) -> None:
        self.port = port
        self.bidi = bidi
        self.max_protocol_version = max_protocol_version
        self.uri = f"{scheme}://localhost:{port}"
        self.requests: list[RecordedRequest] = []
        self.connections = 0
        #: Connections that are open now, and the most that ever were.
        self.open = self.open_max = 0

    def of(self, suffix: str) -> list[RecordedRequest]:
        """Requests whose path ends so."""
        return [each for each in self.requests if each.path.endswith(suffix)]

    def answer(self, request: RecordedRequest) -> tuple[int, str, bytes]:
        """Status, content type and body."""
        if request.path.endswith("/discover"):
            return 200, "application/vnd.restate.endpointmanifest.v4+json", self._manifest()
        content_type = request.header("content-type") or ""
        messages = _OUTPUT
        if request.path.endswith("/nested"):
            messages = (*_calls(), *_OUTPUT)
        return 200, content_type, join(*messages)

    def _manifest(self) -> bytes:
        handlers = [{"name": name} for name in ("plain", "nested")]
        services = [
            {"name": "Rec", "ty": "SERVICE", "handlers": handlers},
            {"name": "RecObject", "ty": "VIRTUAL_OBJECT", "handlers": [{"name": "plain", "ty": "EXCLUSIVE"}]},
        ]
        manifest = {
            "protocolMode": "BIDI_STREAM" if self.bidi else "REQUEST_RESPONSE",
            "minProtocolVersion": 5,
            "maxProtocolVersion": self.max_protocol_version,
            "services": services,
        }
        return json.dumps(manifest).encode()


def _calls() -> list[tuple[int, bytes]]:
    call = pb.CallCommand(
        service_name="Rec",
        handler_name="plain",
        parameter=b"1",
        invocation_id_notification_idx=1,
        result_completion_id=2,
    )
    send = pb.OneWayCallCommand(
        service_name="RecObject", handler_name="plain", key="k", parameter=b"1", invocation_id_notification_idx=3
    )
    return [
        (MessageType.CALL, call.SerializeToString()),
        (MessageType.ONE_WAY_CALL, send.SerializeToString()),
    ]


@contextlib.contextmanager
def recording_service(
    *, bidi: bool = True, tls: ssl.SSLContext | None = None, max_protocol_version: int = 6, port: int = 0
) -> Iterator[RecordingService]:
    """Serve on loopback; port 0: a free one. TLS speaks what ALPN chose, else HTTP/1.1 or 2 as the client begins."""
    port = port or free_ports(1)[0]
    service = RecordingService(
        port, bidi=bidi, scheme="https" if tls else "http", max_protocol_version=max_protocol_version
    )
    started: concurrent.futures.Future[Callable[[], object]] = concurrent.futures.Future()
    thread = threading.Thread(target=lambda: asyncio.run(_serve(service, tls, started)), name="recording-service")
    thread.start()
    stop = started.result(timeout=10)
    try:
        yield service
    finally:
        stop()
        thread.join()


async def _serve(
    service: RecordingService,
    tls: ssl.SSLContext | None,
    started: concurrent.futures.Future[Callable[[], object]],
) -> None:
    loop = asyncio.get_running_loop()
    stopping = asyncio.Event()
    made: list[asyncio.Transport] = []
    try:
        server = await loop.create_server(lambda: _Connection(service, made), "127.0.0.1", service.port, ssl=tls)
    except OSError as error:
        started.set_exception(error)
        return
    started.set_result(lambda: loop.call_soon_threadsafe(stopping.set))
    await stopping.wait()
    server.close()
    for transport in made:
        transport.abort()
    # Those in the middle of their handshake have no transport of ours yet.
    shaking = asyncio.all_tasks() - {asyncio.current_task()}
    for task in shaking:
        task.cancel()
    await asyncio.gather(*shaking, return_exceptions=True)
    for _ in range(5):
        await asyncio.sleep(0)


class _Connection(asyncio.Protocol):
    """Finds out which HTTP it is and hands the bytes on."""

    def __init__(self, service: RecordingService, made: list[asyncio.Transport]) -> None:
        self._service = service
        self._made = made
        self._held = b""
        self._speaker: _Http1 | _Http2 | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's is none by inheritance.
        self._transport = transport = cast("asyncio.Transport", transport)
        service = self._service
        self._made.append(transport)
        service.connections += 1
        service.open += 1
        service.open_max = max(service.open_max, service.open)
        self._number = service.connections

    def connection_lost(self, exc: Exception | None) -> None:
        self._service.open -= 1

    def data_received(self, data: bytes) -> None:
        if self._speaker is None:
            self._held += data
            if len(self._held) < 3:
                return
            kind = _Http2 if self._held.startswith(_PREFACE[:3]) else _Http1
            self._speaker = kind(self._service, self._transport, self._number)
            data, self._held = self._held, b""
        self._speaker.receive(data)


class _Http2:
    def __init__(self, service: RecordingService, transport: asyncio.Transport, number: int) -> None:
        self._service = service
        self._transport = transport
        self._number = number
        self._streams: dict[int, RecordedRequest] = {}
        self._answered: set[int] = set()
        self._h2 = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False, header_encoding="utf-8"))
        self._h2.initiate_connection()
        self._flush()

    def receive(self, data: bytes) -> None:
        for event in self._h2.receive_data(data):
            match event:
                case h2.events.RequestReceived():
                    self._begin(event)
                case h2.events.DataReceived():
                    self._streams[event.stream_id].body += event.data
                    self._h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
                    if self._service.bidi:
                        self._answer(event.stream_id)
                case h2.events.StreamEnded():
                    self._answer(event.stream_id)
                case _:
                    pass
        self._flush()

    def _begin(self, event: h2.events.RequestReceived) -> None:
        headers = [(str(name), str(value)) for name, value in event.headers]
        pseudo = dict(headers)
        request = RecordedRequest(pseudo[":method"], pseudo[":path"], "2", headers, self._number)
        self._streams[event.stream_id] = request
        self._service.requests.append(request)

    def _answer(self, stream_id: int) -> None:
        if stream_id in self._answered:
            return
        self._answered.add(stream_id)
        status, content_type, body = self._service.answer(self._streams[stream_id])
        self._h2.send_headers(stream_id, [(":status", str(status)), ("content-type", content_type)])
        self._h2.send_data(stream_id, body, end_stream=True)

    def _flush(self) -> None:
        self._transport.write(self._h2.data_to_send())


class _Http1:
    def __init__(self, service: RecordingService, transport: asyncio.Transport, number: int) -> None:
        self._service = service
        self._transport = transport
        self._number = number
        self._data = bytearray()

    def receive(self, data: bytes) -> None:
        self._data += data
        if self._data[0] == 0x16:
            # TLS where there is none, answered as nginx does it.
            self._transport.write(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n")
            self._transport.close()
            return
        while (end := self._data.find(b"\r\n\r\n")) >= 0:
            first, *lines = self._data[:end].decode().split("\r\n")
            method, path, _ = first.split(" ")
            headers = [(name.lower(), value.strip()) for name, _, value in (line.partition(":") for line in lines)]
            request = RecordedRequest(method, path, "1.1", headers, self._number)
            rest = self._body(request, bytes(self._data[end + 4 :]))
            if rest is None:
                return
            self._data = bytearray(rest)
            self._service.requests.append(request)
            status, content_type, body = self._service.answer(request)
            head = f"HTTP/1.1 {status} OK\r\ncontent-type: {content_type}\r\ncontent-length: {len(body)}\r\n\r\n"
            self._transport.write(head.encode() + body)

    def _body(self, request: RecordedRequest, data: bytes) -> bytes | None:
        """Fill in the body; returns what follows it, None when it is not whole."""
        if request.header("transfer-encoding") == "chunked":
            while True:
                size, found, rest = data.partition(b"\r\n")
                length = int(size, 16) if found else 0
                if not found or len(rest) < length + 2:
                    return None
                request.body += rest[:length]
                data = rest[length + 2 :]
                if not length:
                    return data
        length = int(request.header("content-length") or 0)
        request.body += data[:length]
        return data[length:] if len(data) >= length else None
