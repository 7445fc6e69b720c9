"""Servers for the tests: a real HTTP/2 peer on the `h2` library, one that plays back bytes, and TLS for both."""

import asyncio
import ssl
import subprocess
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import Event, RemoteSettingsChanged, WindowUpdated
from h2.settings import SettingCodes, Settings

from partitiond.invoker.http2.pool import Pool
from partitiond.invoker.http2.request import Origin
from partitiond.invoker.http2.settings import PoolSettings

OnEvent = Callable[["Peer", Event], None]


class Peer(asyncio.Protocol):
    """One accepted connection; `on_event` decides what to do, `h2` checks that the client obeys the RFC."""

    #: Every connection accepted by the server it belongs to, in order.
    accepted: list["Peer"]

    def __init__(self, accepted: list["Peer"], on_event: OnEvent, settings: dict[int, int]) -> None:
        self.accepted = accepted
        self.on_event = on_event
        self.settings = settings
        config = H2Configuration(client_side=False, header_encoding="utf-8")
        self.h2 = H2Connection(config)
        self.events: list[Event] = []
        self.bodies: dict[int, bytearray] = {}
        self._unsent: dict[int, tuple[bytes, bool]] = {}
        self.lost = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport: asyncio.Transport = transport  # type: ignore[assignment]
        self.accepted.append(self)
        # `local_settings.update` would be in force only after the client's answer, and not be sent at first.
        values = {SettingCodes.MAX_CONCURRENT_STREAMS: 100, SettingCodes.MAX_HEADER_LIST_SIZE: 65_536}
        self.h2.local_settings = Settings(client=False, initial_values={**values, **self.settings})
        self.h2.initiate_connection()
        self.flush()

    def data_received(self, data: bytes) -> None:
        for event in self.h2.receive_data(data):
            self.events.append(event)
            if isinstance(event, (WindowUpdated, RemoteSettingsChanged)):
                self._resume()
            self.on_event(self, event)
        self.flush()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.lost.done():
            self.lost.set_result(exc)

    def flush(self) -> None:
        if data := self.h2.data_to_send():
            self.transport.write(data)

    def respond(self, stream_id: int, *, status: int = 200, end: bool = False, **fields: str) -> None:
        headers = [(":status", str(status)), *((k.replace("_", "-"), v) for k, v in fields.items())]
        self.h2.send_headers(stream_id, headers, end_stream=end)

    def write(self, stream_id: int, data: bytes, *, end: bool = False) -> None:
        """Send a body as the client's windows allow."""
        before, _ = self._unsent.pop(stream_id, (b"", False))
        self._unsent[stream_id] = (before + data, end)
        self._resume()

    def _resume(self) -> None:
        for stream_id, (data, end) in list(self._unsent.items()):
            while data and (room := self.h2.local_flow_control_window(stream_id)) > 0:
                size = min(room, self.h2.max_outbound_frame_size)
                piece, data = data[:size], data[size:]
                self.h2.send_data(stream_id, piece, end_stream=end and not data)
            if data:
                self._unsent[stream_id] = (data, end)
            else:
                del self._unsent[stream_id]
        self.flush()

    def unsent(self, stream_id: int) -> int:
        return len(self._unsent.get(stream_id, (b"", False))[0])


@asynccontextmanager
async def serving(
    on_event: OnEvent, settings: dict[int, int] | None = None, tls: ssl.SSLContext | None = None
) -> AsyncIterator[tuple[int, list[Peer]]]:
    """An h2 server on a free port: its port and the connections it accepted."""
    accepted: list[Peer] = []
    async with listening(lambda: Peer(accepted, on_event, settings or {}), tls) as port:
        yield port, accepted


@asynccontextmanager
async def listening(factory: Callable[[], asyncio.Protocol], tls: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    """Any server on a free port; closes what it accepted at the end."""
    made: list[asyncio.BaseTransport] = []

    def make() -> asyncio.Protocol:
        protocol = factory()
        inner = protocol.connection_made

        def connection_made(transport: asyncio.BaseTransport) -> None:
            made.append(transport)
            inner(transport)

        protocol.connection_made = connection_made  # type: ignore[method-assign]
        return protocol

    server = await asyncio.get_running_loop().create_server(make, "127.0.0.1", 0, ssl=tls)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        for transport in made:
            if isinstance(transport, asyncio.Transport) or hasattr(transport, "abort"):
                transport.abort()
        server.close()
        await server.wait_closed()


async def eventually(condition: Callable[[], object]) -> None:
    """Wait for a state that has no event of its own; the test's deadline bounds it."""
    while not condition():  # noqa: ASYNC110
        await asyncio.sleep(0.001)


class Script(asyncio.Protocol):
    """Plays back bytes: one answer for each piece of input that holds `trigger`."""

    def __init__(self, greeting: bytes, *answers: tuple[bytes, bytes], close: bool = False) -> None:
        self._greeting = greeting
        self._answers = list(answers)
        self._close = close
        self.input = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport: asyncio.Transport = transport  # type: ignore[assignment]
        if self._greeting:
            self.transport.write(self._greeting)

    def data_received(self, data: bytes) -> None:
        self.input += data
        while self._answers and self._answers[0][0] in self.input:
            self.transport.write(self._answers.pop(0)[1])
            if self._close and not self._answers:
                self.transport.close()


@asynccontextmanager
async def pool_for(
    port: int, *, tls: ssl.SSLContext | None = None, host: str = "127.0.0.1", **settings: float
) -> AsyncIterator[Pool]:
    """A pool for a server on this machine, closed at the end."""
    origin = Origin("https" if tls else "http", host, port)
    pool = Pool(origin, settings=PoolSettings(**settings), ssl_context=tls)  # type: ignore[arg-type]
    try:
        yield pool
    finally:
        await pool.close()


def certificate(folder: Path) -> tuple[Path, Path]:
    """A self-signed certificate for localhost, and its key."""
    cert, key = folder / "cert.pem", folder / "key.pem"
    names = "subjectAltName=DNS:localhost,IP:127.0.0.1"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    command += ["-keyout", str(key), "-out", str(cert), "-days", "2", "-subj", "/CN=localhost", "-addext", names]
    subprocess.run(command, check=True, capture_output=True)
    return cert, key


def server_tls(folder: Path, *alpn: str) -> tuple[ssl.SSLContext, Path]:
    """A server context offering these protocols, and the certificate a client must trust."""
    cert, key = certificate(folder)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    if alpn:
        context.set_alpn_protocols(list(alpn))
    return context, cert
