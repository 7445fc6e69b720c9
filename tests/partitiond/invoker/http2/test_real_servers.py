"""Servers that others wrote: nginx and Hypercorn, in the clear and over TLS."""

import asyncio
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from partitiond.invoker.http2.errors import ErrorKind
from partitiond.invoker.http2.pool import Pool
from partitiond.invoker.http2.request import RequestHead
from shared.transport.tls import client_tls

from .peer import certificate, pool_for
from .recorder import HEAD, Recorder

Run = Callable[[Callable[[], Coroutine[Any, Any, None]]], None]

NGINX = shutil.which("nginx", path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin")
pytestmark = [pytest.mark.slow, pytest.mark.processes]
needs_nginx = pytest.mark.skipif(NGINX is None, reason="nginx is not installed")

NGINX_CONF = """
daemon off; master_process off; pid {folder}/pid; error_log {folder}/error.log;
events {{}}
http {{
  access_log off; default_type text/plain; client_max_body_size 0; client_body_buffer_size 64k; root {folder};
  client_body_temp_path {folder}/1; proxy_temp_path {folder}/2; fastcgi_temp_path {folder}/3;
  uwsgi_temp_path {folder}/4; scgi_temp_path {folder}/5;
  http2_max_concurrent_streams 16;
  keepalive_requests 100;
  server {{
    listen 127.0.0.1:{port} http2;
    listen 127.0.0.1:{tls_port} ssl http2;
    ssl_certificate {folder}/cert.pem; ssl_certificate_key {folder}/key.pem;
    location /small {{ return 404 "nothing of that name\\n"; }}
    location /big {{ }}
    location /take {{ proxy_pass http://127.0.0.1:{port_http1}/; }}
  }}
  server {{ listen 127.0.0.1:{port_http1}; location / {{ return 200 "taken\\n"; }} }}
}}
"""

ASGI_APP = """
async def app(scope, receive, send):
    if scope["type"] != "http":
        return
    fields = [(b"x-version", scope["http_version"].encode())]
    await send({"type": "http.response.start", "status": 200, "headers": fields})
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return
        if message.get("body"):
            await send({"type": "http.response.body", "body": message["body"], "more_body": True})
        if not message.get("more_body"):
            break
    await send({"type": "http.response.body", "body": b""})
"""


def free_port() -> int:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        port: int = bound.getsockname()[1]
        return port


@asynccontextmanager
async def process(command: list[str], folder: Path, port: int) -> AsyncIterator[None]:
    """A server process, from when it accepts connections to its end."""
    with (folder / "output").open("wb") as output:
        server = subprocess.Popen(command, cwd=folder, stdout=output, stderr=output)  # noqa: ASYNC220
    try:
        while True:
            assert server.poll() is None, (folder / "output").read_text()
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                await asyncio.sleep(0.02)
            else:
                writer.close()
                break
        yield
    finally:
        server.kill()
        server.wait()


@asynccontextmanager
async def nginx(folder: Path) -> AsyncIterator[tuple[int, int]]:
    certificate(folder)
    port, tls_port, port_http1 = free_port(), free_port(), free_port()
    conf = folder / "nginx.conf"
    conf.write_text(NGINX_CONF.format(folder=folder, port=port, tls_port=tls_port, port_http1=port_http1))
    (folder / "big").write_bytes(bytes(range(256)) * 20_000)
    async with process([str(NGINX), "-c", str(conf), "-p", str(folder)], folder, port):
        yield port, tls_port


@asynccontextmanager
async def hypercorn(folder: Path, *, tls: bool = False) -> AsyncIterator[int]:
    (folder / "echoing.py").write_text(ASGI_APP)
    port = free_port()
    command = [sys.executable, "-m", "hypercorn", "--workers", "0", "--bind", f"127.0.0.1:{port}", "echoing:app"]
    if tls:
        cert, key = certificate(folder)
        command += ["--certfile", str(cert), "--keyfile", str(key)]
    async with process(command, folder, port):
        yield port


async def many(pool: Pool, head: RequestHead, body: bytes, count: int, *, refusable: bool = False) -> list[Recorder]:
    """Requests all at once; an owner may send again what was refused, and only that."""
    told = [Recorder() for _ in range(count)]
    for recorder in told:
        pool.request(head, recorder, body, end=True)
    for recorder in told:
        await recorder.done()
        refused = recorder.error is not None and recorder.error.kind is ErrorKind.REFUSED
        assert recorder.error is None or (refused and refusable)
    return told


@needs_nginx
def test_nginx_answers_many_requests_over_connections_it_drains(run: Run, tmp_path: Path) -> None:
    """It allows 16 streams at once and says GOAWAY after 100 requests: neither may lose or repeat any."""

    async def main() -> None:
        async with nginx(tmp_path) as (port, _), pool_for(port, connections_max=2) as pool:
            answered = refused = 0
            while answered < 600:
                for recorder in await many(pool, HEAD.with_path("/small"), b"x" * 60, 600 - answered, refusable=True):
                    if recorder.error is None:
                        assert (recorder.status, recorder.body) == (404, b"nothing of that name\n")
                        answered += 1
                    refused += recorder.error is not None
            assert refused <= 6 * 16  # Only what was open when a connection was drained.

    run(main)


@needs_nginx
@pytest.mark.parametrize("tls", [False, True])
def test_nginx_sends_and_takes_big_bodies(run: Run, tmp_path: Path, tls: bool) -> None:
    async def main() -> None:
        async with nginx(tmp_path) as (plain_port, tls_port):
            context = client_tls(str(tmp_path / "cert.pem"), "h2") if tls else None
            port = tls_port if tls else plain_port
            async with pool_for(port, tls=context, host="localhost", stream_window_bytes=100_000) as pool:
                for recorder in await many(pool, RequestHead("GET", "/big"), b"", 3):
                    assert recorder.body == bytes(range(256)) * 20_000
                for recorder in await many(pool, HEAD.with_path("/take"), bytes(3_000_000), 3):
                    assert (recorder.status, recorder.body) == (200, b"taken\n")
                (head,) = await many(pool, RequestHead("HEAD", "/big"), b"", 1)
                assert (head.headers["content-length"], head.body) == ("5120000", b"")

    run(main)


@pytest.mark.parametrize("tls", [False, True])
def test_hypercorn_echoes_while_the_request_is_open(run: Run, tmp_path: Path, tls: bool) -> None:
    async def main() -> None:
        async with hypercorn(tmp_path, tls=tls) as port:
            context = client_tls(str(tmp_path / "cert.pem"), "h2") if tls else None
            async with pool_for(port, tls=context, host="localhost") as pool:
                told = Recorder()
                stream = pool.request(HEAD, told)
                expected = b""
                for n in range(5):
                    piece = b"piece %d;" % n
                    stream.send(piece)
                    expected += piece
                    await told.until_body(expected)
                stream.close_request()
                await told.done()
                assert told.error is None
                assert (told.body, told.headers["x-version"]) == (expected, "2")
                big = bytes(range(256)) * 4000
                for recorder in await many(pool, HEAD, big, 4):
                    assert recorder.body == big

    run(main)
