"""File descriptors that run out: who is told, and what is left for whom."""

from __future__ import annotations

import asyncio
import logging
import sys
import time
from pathlib import Path

import pytest
import uvloop

from shared import descriptors
from shared.descriptors import DescriptorWatch, store_files_max
from shared.rpc.connection import Connection
from shared.rpc.server import RpcServer
from tests.fakes.descriptors import no_descriptors


def test_that_none_is_left_is_told_once_in_a_while_and_that_there_are_some_again(
    caplog: pytest.LogCaptureFixture,
) -> None:
    watch = DescriptorWatch()
    with caplog.at_level(logging.INFO):
        watch.look()
        assert caplog.messages == []
        with no_descriptors():
            for _ in range(5):
                watch.look()
            assert watch.exhausted
        watch.look()
    first, second = caplog.messages
    assert first.startswith("out of file descriptors: all ")
    assert "ulimit -n" in first
    assert second == "there are file descriptors again"


@pytest.mark.parametrize(
    ("limit", "stores", "expected"),
    [(65536, 1, -1), (65536, 4, -1), (65536, 100, 327), (1024, 1, 512), (1024, 4, 128), (256, 16, 16), (64, 0, 32)],
)
def test_half_of_them_is_for_stores(monkeypatch: pytest.MonkeyPatch, limit: int, stores: int, expected: int) -> None:
    monkeypatch.setattr(descriptors, "descriptors_max", lambda: limit)
    assert store_files_max(stores) == expected


def test_a_server_without_descriptors_does_not_spin_and_serves_again(tmp_path: Path) -> None:
    """Who cannot be accepted is cut off; the loop must not be woken for it over and over."""

    class Nobody:
        def on_messages(self, connection: Connection, messages: list[object]) -> None: ...

        def on_closed(self, connection: Connection) -> None: ...

    async def main() -> None:
        server = RpcServer(tmp_path / "sock", bytes, Nobody(), name="client")
        await server.start()
        client = await asyncio.create_subprocess_exec(
            sys.executable, "-c", _CLIENT, str(tmp_path / "sock"), stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )  # fmt: skip
        assert client.stdin is not None
        assert client.stdout is not None
        await client.stdout.readline()
        with no_descriptors():
            client.stdin.write(b"\n")
            assert await client.stdout.readline() == b"closed\n"
            busy_s = time.process_time()
            await asyncio.sleep(0.3)
            assert time.process_time() - busy_s < 0.1
        client.stdin.write(b"\n")
        assert await client.stdout.readline() == b"open\n"
        assert await client.wait() == 0
        await server.close()

    uvloop.run(main())


_CLIENT = """
import socket, sys
def ask():
    sys.stdin.readline()
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(sys.argv[1])
        connection.settimeout(0.3)
        try:
            print("closed" if connection.recv(1) == b"" else "data", flush=True)
        except TimeoutError:
            print("open", flush=True)
        except ConnectionError:
            print("closed", flush=True)
print("ready", flush=True)
ask()
ask()
"""
