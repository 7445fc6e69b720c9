"""Peers that are absent, silent, cut off, of another protocol, or not to be trusted."""

import asyncio
import gc
import socket
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from partitiond.invoker.http2 import frames as f
from partitiond.invoker.http2.connection import Connection
from partitiond.invoker.http2.errors import ErrorKind, StreamError
from shared.transport.tls import client_tls

from .peer import Script, eventually, listening, pool_for, server_tls, serving
from .recorder import HEAD, Recorder, response
from .test_pool import echo

Run = Callable[[Callable[[], Coroutine[Any, Any, None]]], None]

SETTINGS = f.settings({})
HEADERS_SENT = b"/invoke/Greeter/greet"


async def failure_of(port: int, *, count: int = 1, **options: Any) -> StreamError:
    """The error of a request, or of several, which must be the same."""
    async with pool_for(port, **options) as pool:
        told = [Recorder() for _ in range(count)]
        for recorder in told:
            pool.request(HEAD, recorder, b"body", end=True)
        for recorder in told:
            await recorder.done()
            assert recorder.calls[-1] == "error"
            assert str(recorder.error) == str(told[0].error)
    assert told[0].error is not None
    return told[0].error


def test_nobody_listens(run: Run) -> None:
    async def main() -> None:
        with socket.socket() as bound:
            bound.bind(("127.0.0.1", 0))  # Bound, not listening: refused, and nobody else can take the port.
            port = bound.getsockname()[1]
            error = await failure_of(port, count=5)
        assert (error.kind, error.sent) == (ErrorKind.CONNECT, False)
        assert f"127.0.0.1:{port}" in error.message

    run(main)


def test_the_host_has_no_address(run: Run) -> None:
    async def main() -> None:
        error = await failure_of(9, host="no-such-host.invalid")
        assert (error.kind, error.sent) == (ErrorKind.CONNECT, False)
        error = await failure_of(9, host="x" * 80 + ".invalid")
        assert error.kind is ErrorKind.CONNECT

    run(main)


def test_a_connection_is_given_up_in_the_moment_in_which_it_is_made(run: Run) -> None:
    """uvloop closes its socket then and tells nobody: what it was about to write raised, and its timer stayed. The
    moment is some turn of the loop near that in which the server has it."""

    def living() -> list[Connection]:
        gc.collect()
        return [found for found in gc.get_objects() if isinstance(found, Connection)]

    async def attempt(turns: int) -> None:
        accepted: list[Script] = []

        def accept() -> Script:
            accepted.append(Script(b""))
            return accepted[-1]

        async with listening(accept) as port, pool_for(port) as pool:
            told = Recorder()
            pool.request(HEAD, told, b"body", end=True)
            while not accepted:  # noqa: ASYNC110  (it counts turns)
                await asyncio.sleep(0)
            for _ in range(turns):
                await asyncio.sleep(0)
            await pool.close()
            assert told.calls == ["error"]

    async def main() -> None:
        others = living()  # Of tests before; held, so that none of ours can be taken for one of them.
        for turns in range(10):
            await attempt(turns)
        await eventually(lambda: all(found in others for found in living()))

    run(main)


def test_a_server_that_never_sends_settings(run: Run) -> None:
    async def main() -> None:
        async with listening(lambda: Script(b"")) as port:
            error = await failure_of(port, count=3, connect_timeout_s=0.05)
        assert (error.kind, error.sent) == (ErrorKind.CONNECT, False)
        assert "no SETTINGS from the peer within 0.05 s" in error.message

    run(main)


def test_a_server_that_closes_at_once(run: Run) -> None:
    async def main() -> None:
        async with listening(lambda: Script(b"", (b"PRI", b""), close=True)) as port:
            error = await failure_of(port)
        assert (error.kind, error.sent) == (ErrorKind.CONNECT, False)
        assert "closed by the peer" in error.message

    run(main)


def test_a_server_of_http1(run: Run) -> None:
    async def main() -> None:
        answer = b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n"
        async with listening(lambda: Script(b"", (b"PRI", answer), close=True)) as port:
            error = await failure_of(port)
        assert (error.kind, error.sent) == (ErrorKind.CONNECT, False)
        assert "HTTP/1.x" in error.message

    run(main)


def test_a_server_that_breaks_the_protocol_before_settings(run: Run) -> None:
    async def main() -> None:
        async with listening(lambda: Script(f.frame(f.PING, 0, 0, bytes(8)))) as port:
            error = await failure_of(port)
        assert (error.kind, error.sent) == (ErrorKind.CONNECT, False)
        assert "not SETTINGS" in error.message

    run(main)


@pytest.mark.parametrize("cut", [3, 9, 10])
def test_a_connection_lost_in_the_middle_of_a_frame(run: Run, cut: int) -> None:
    async def main() -> None:
        wire = response(1).serialize()
        async with listening(lambda: Script(SETTINGS, (HEADERS_SENT, wire[:cut]), close=True)) as port:
            error = await failure_of(port, count=2)
        assert (error.kind, error.sent) == (ErrorKind.CLOSED, True)
        assert "in the middle of a frame" in error.message

    run(main)


def test_a_peer_that_stops_answering(run: Run) -> None:
    async def main() -> None:
        async with listening(lambda: Script(SETTINGS)) as port:
            error = await failure_of(port, count=2, ping_after_s=0.05, ping_timeout_s=0.05)
        assert (error.kind, error.sent) == (ErrorKind.TIMEOUT, True)
        assert "0.05 s" in error.message

    run(main)


def test_garbage_after_settings(run: Run) -> None:
    async def main() -> None:
        async with listening(lambda: Script(SETTINGS, (HEADERS_SENT, b"\xff" * 40))) as port:
            error = await failure_of(port, count=2)
        assert (error.kind, error.code) == (ErrorKind.PROTOCOL, f.FRAME_SIZE_ERROR)

    run(main)


def test_the_peer_hears_why_we_go(run: Run) -> None:
    async def main() -> None:
        scripts: list[Script] = []

        def make() -> Script:
            scripts.append(Script(SETTINGS, (HEADERS_SENT, f.frame(f.PUSH_PROMISE, 4, 1, bytes(4)))))
            return scripts[-1]

        async with listening(make) as port:
            await failure_of(port)
            goaway = f.goaway(f.PROTOCOL_ERROR)[3:17]
            await eventually(lambda: goaway in scripts[0].input)

    run(main)


def test_cancelling_while_connecting_leaves_nothing(run: Run) -> None:
    async def main() -> None:
        async with listening(lambda: Script(b"")) as port, pool_for(port) as pool:
            told = Recorder()
            pool.request(HEAD, told)
            await asyncio.sleep(0)
            await pool.close()
            assert told.error is not None
            assert (told.error.kind, told.error.sent) == (ErrorKind.CLOSED, False)

    run(main)


# ---- TLS


def test_tls_with_alpn(run: Run, tmp_path: Path) -> None:
    server, trusted = server_tls(tmp_path, "h2", "http/1.1")

    async def main() -> None:
        async with (
            serving(echo, tls=server) as (port, _),
            pool_for(port, tls=client_tls(str(trusted), "h2"), host="localhost") as pool,
        ):
            told = [Recorder() for _ in range(20)]
            for n, recorder in enumerate(told):
                pool.request(HEAD, recorder, b"%d" % n * 10_000, end=True)
            for n, recorder in enumerate(told):
                await recorder.done()
                assert recorder.body == b"%d" % n * 10_000

    run(main)


@pytest.mark.parametrize("alpn", [(), ("http/1.1",)])
def test_tls_without_h2(run: Run, tmp_path: Path, alpn: tuple[str, ...]) -> None:
    server, trusted = server_tls(tmp_path, *alpn)

    async def main() -> None:
        async with listening(lambda: Script(b""), server) as port:
            error = await failure_of(port, tls=client_tls(str(trusted), "h2"), host="localhost")
        assert (error.kind, error.sent) == (ErrorKind.CONNECT, False)
        assert "ALPN" in error.message or "alert" in error.message.lower()

    run(main)


def test_tls_of_an_unknown_authority(run: Run, tmp_path: Path) -> None:
    server, _ = server_tls(tmp_path, "h2")

    async def main() -> None:
        async with serving(echo, tls=server) as (port, _):
            error = await failure_of(port, tls=client_tls("", "h2"), host="localhost")
        assert (error.kind, error.sent) == (ErrorKind.CONNECT, False)
        assert "certificate" in error.message.lower()

    run(main)


def test_tls_against_a_plain_server(run: Run) -> None:
    async def main() -> None:
        async with listening(lambda: Script(b"", (b"\x16\x03", b"what?"), close=True)) as port:
            error = await failure_of(port, tls=client_tls("", "h2"), host="localhost")
        assert (error.kind, error.sent) == (ErrorKind.CONNECT, False)

    run(main)
