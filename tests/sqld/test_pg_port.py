"""The PostgreSQL port while sqld starts: who comes early is served, and what is wrong is said before anything runs."""

from __future__ import annotations

import asyncio
import socket
import struct
import subprocess
import sys
from pathlib import Path

import pytest

from shared.config import Settings
from sqld.pgwire.port import PgPort
from sqld.workers.pool import WorkerPool
from tests.conftest import free_ports

#: What sqld imports before its sockets answer.
_IMPORTS = """
import sys
import sqld.service
sys.exit(any(name.split(".")[0] == "pygwire" for name in sys.modules))
"""


def test_the_start_of_sqld_imports_nothing_that_speaks_with_clients() -> None:
    """It takes two thirds of all imports of sqld, for which `everlog up` waited."""
    assert subprocess.run([sys.executable, "-P", "-c", _IMPORTS], timeout=30).returncode == 0


def test_who_comes_before_the_port_is_prepared_is_served(tmp_path: Path) -> None:
    settings = Settings(data_dir=str(tmp_path), sql_port=free_ports(1)[0])

    async def scenario() -> None:
        pool = WorkerPool(settings)
        port = PgPort(settings, pool)
        await port.start()
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", settings.sql_port)
            # For TLS, which there is none of: the answer is one letter.
            writer.write(struct.pack(">ii", 8, 80877103))
            assert await asyncio.wait_for(reader.readexactly(1), 20.0) == b"N"
            assert port.prepare() is port.prepare(), "those who came are its clients"
            await port.drain(0.1)
            writer.close()
        finally:
            await port.close()
            await pool.close()

    asyncio.run(scenario())


@pytest.mark.parametrize("started", [False, True])
def test_a_port_that_nobody_came_to_is_closed(tmp_path: Path, started: bool) -> None:
    settings = Settings(data_dir=str(tmp_path), sql_port=free_ports(1)[0])

    async def scenario() -> None:
        pool = WorkerPool(settings)
        port = PgPort(settings, pool)
        if started:
            await port.start()
        await port.close()
        await pool.close()

    asyncio.run(scenario())
    with socket.socket() as free:
        free.bind(("127.0.0.1", settings.sql_port))
