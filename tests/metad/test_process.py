"""The daemon as a process: killed, drained, refused; over the fake logd and over the real one."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
import uvloop

from shared.config import Settings
from tests.fakes.log_server import FakeLogServer
from tests.metad.harness import DEADLINE_S, Deployments, manifest, new_settings, service, until

pytestmark = [pytest.mark.slow, pytest.mark.processes]

_ROOT = Path(__file__).parents[2]


@contextlib.asynccontextmanager
async def daemon(name: str, settings: Settings) -> AsyncIterator[asyncio.subprocess.Process]:
    with (settings.data_path / f"{name}.log").open("ab") as log:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", name, "--data-dir", settings.data_dir, cwd=_ROOT, stdout=log, stderr=log
        )
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


class Client:
    """The admin API, asked again until somebody listens."""

    def __init__(self, settings: Settings, session: aiohttp.ClientSession) -> None:
        self._base = f"http://127.0.0.1:{settings.admin_port}"
        self._session = session

    async def call(self, method: str, path: str, **kwargs: object) -> tuple[int, bytes]:
        async with asyncio.timeout(3 * DEADLINE_S):
            while True:
                try:
                    async with self._session.request(method, self._base + path, **kwargs) as reply:  # type: ignore[arg-type]
                        return reply.status, await reply.read()
                except aiohttp.ClientConnectionError:
                    await asyncio.sleep(0.02)

    async def register(self, uri: str) -> int:
        status, body = await self.call("POST", "/deployments", json={"uri": uri})
        assert status in (200, 201), body
        return status


def test_kill_9_loses_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    async def main() -> None:
        settings = new_settings(tmp_path)
        logd = FakeLogServer(settings.socket("logd"))
        await logd.start()
        deployments = Deployments()
        async with deployments.serving(), aiohttp.ClientSession() as session:
            client = Client(settings, session)
            for number in range(3):
                uri = deployments.put(f"d{number}", manifest(service(f"S{number}"), service("Common")))
                async with daemon("metad", settings) as process:
                    assert await client.register(uri) == 201
                    shown = await client.call("GET", "/deployments")
                    process.kill()
            async with daemon("metad", settings):
                assert await client.call("GET", "/deployments") == shown
                assert (await client.call("GET", "/services/S0"))[0] == 200
                assert b'"revision":3' in (await client.call("GET", "/services/Common"))[1]
        await logd.close()

    uvloop.run(main())


def test_sigterm_lets_a_registration_finish(tmp_path: Path) -> None:
    async def main() -> None:
        settings = new_settings(tmp_path)
        logd = FakeLogServer(settings.socket("logd"))
        await logd.start()
        deployments = Deployments()
        async with deployments.serving(), aiohttp.ClientSession() as session, daemon("metad", settings) as process:
            client = Client(settings, session)
            await client.call("GET", "/services")
            logd.hold_appends = True
            registering = asyncio.create_task(client.register(deployments.put("a", manifest(service("S")))))
            # The first append made the partition table.
            await until(lambda: logd.appends == 2)
            process.send_signal(signal.SIGTERM)
            log = settings.data_path / "metad.log"
            await until(lambda: b"drains" in log.read_bytes())
            logd.release()
            assert await registering == 201
            async with asyncio.timeout(DEADLINE_S):
                assert await process.wait() == 0
        await logd.close()

    uvloop.run(main())


def test_a_taken_port_ends_it_with_status_1_and_no_traceback(tmp_path: Path) -> None:
    async def main() -> None:
        settings = new_settings(tmp_path)
        taken = await asyncio.start_server(lambda reader, writer: writer.close(), "127.0.0.1", settings.admin_port)
        async with daemon("metad", settings) as process, asyncio.timeout(DEADLINE_S):
            assert await process.wait() == 1
        taken.close()
        text = (settings.data_path / "metad.log").read_text()
        assert f"admin_port {settings.admin_port}" in text
        assert "Traceback" not in text

    uvloop.run(main())


def test_with_the_real_logd_registrations_survive_both_being_killed(tmp_path: Path) -> None:
    async def main() -> None:
        settings = new_settings(tmp_path)
        deployments = Deployments()
        uri = deployments.put("a", manifest(service("S")))
        async with deployments.serving(), aiohttp.ClientSession() as session:
            client = Client(settings, session)
            async with daemon("metad", settings) as metad:
                async with daemon("logd", settings) as logd:
                    assert await client.register(uri) == 201
                    shown = await client.call("GET", "/services")
                    logd.kill()
                # metad goes on with what it knows, and finds logd again.
                assert await client.call("GET", "/services") == shown
                async with daemon("logd", settings):
                    assert await client.register(deployments.put("b", manifest(service("S")))) == 201
                    shown = await client.call("GET", "/services")
                    metad.kill()
                    async with daemon("metad", settings):
                        assert await client.call("GET", "/services") == shown
                        assert await client.register(uri) == 200

    uvloop.run(main())
