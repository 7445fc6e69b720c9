"""An ingress in this process between a fake worker and a fake metad."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any

import aiohttp
from yarl import URL

from partitiond.ingress.service import serve
from shared.catalog.catalog import Catalog
from shared.config import Settings
from tests.conftest import free_ports
from tests.fakes.meta_push import MetaPush
from tests.fakes.partition_worker import FakeWorker, canned_result
from tests.partitiond.ingress.catalogs import example

__all__ = ["DEADLINE_S", "Ingress", "Reply", "until"]

DEADLINE_S = 10.0


class Reply:
    """What came back."""

    def __init__(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.status = status
        self.headers = headers
        self.body = body

    def __repr__(self) -> str:
        return f"{self.status} {self.headers} {self.body[:300]!r}"


async def until(condition: Callable[[], Any]) -> Any:
    """The first true value of `condition`."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + DEADLINE_S
    while not (value := condition()):
        assert loop.time() < deadline, f"not within {DEADLINE_S} s: {condition}"
        await asyncio.sleep(0.005)
    return value


class Ingress:
    """`async with Ingress(tmp_path) as ingress`: started, ready, and closed at the end."""

    def __init__(
        self,
        path: Path,
        *,
        catalog: Catalog | None = None,
        answer: Callable[[Any], Any] | None = None,
        metad: bool = True,
        worker: bool = True,
        **settings: Any,
    ) -> None:
        self.settings = Settings(data_dir=str(path), ingress_port=free_ports(1)[0], workers=1, **settings)
        self.settings.run_path.mkdir()
        self.metad = MetaPush(self.settings.socket("metad"), catalog or example())
        self.worker = FakeWorker(self.settings.socket("partitiond-0"), answer or canned_result())
        self.stopping = asyncio.Event()
        self._with_metad = metad
        self._with_worker = worker

    async def __aenter__(self) -> Ingress:
        if self._with_metad:
            await self.metad.start()
        if self._with_worker:
            await self.worker.start()
        self._serving = asyncio.create_task(serve(self.settings, self.stopping))
        self.client = aiohttp.ClientSession(
            auto_decompress=False, skip_auto_headers=["content-type", "user-agent", "accept", "accept-encoding"]
        )
        wanted = 200 if self._with_metad else 503
        async with asyncio.timeout(DEADLINE_S):
            while True:
                try:
                    if (await self.request("GET", "/restate/health")).status == wanted:
                        return self
                except aiohttp.ClientConnectionError:
                    await asyncio.sleep(0.005)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.client.close()
        self.stopping.set()
        await self._serving
        if self._with_worker:
            await self.worker.stop()
        if self._with_metad:
            await self.metad.close()

    async def stopped(self) -> None:
        """Wait until it has ended."""
        await self._serving

    async def refuses_connections(self) -> None:
        """Wait until it drains."""
        async with asyncio.timeout(DEADLINE_S):
            while True:
                try:
                    _, writer = await asyncio.open_connection("127.0.0.1", self.settings.ingress_port)
                except ConnectionError:
                    return
                writer.close()
                await asyncio.sleep(0.005)

    async def request(self, method: str, path: str, headers: dict[str, str] | None = None, body: Any = None) -> Reply:
        """Over TCP; `path` goes out as it is."""
        return await fetch(self.client, f"http://127.0.0.1:{self.settings.ingress_port}", method, path, headers, body)

    async def post_json(self, path: str, body: bytes = b'"x"', **headers: str) -> Reply:
        """Header names with `_` for `-`."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return await self.request("POST", path, {"content-type": "application/json", **named}, body)


async def fetch(
    client: aiohttp.ClientSession,
    base: str,
    method: str,
    path: str,
    headers: dict[str, str] | None = None,
    body: Any = None,
) -> Reply:
    """One request, nothing added and nothing decoded."""
    timeout = aiohttp.ClientTimeout(total=DEADLINE_S)
    async with client.request(
        method, URL(base + path, encoded=True), headers=headers, data=body, allow_redirects=False, timeout=timeout
    ) as response:
        received = {name.lower(): value for name, value in response.headers.items()}
        return Reply(response.status, received, await response.read())
