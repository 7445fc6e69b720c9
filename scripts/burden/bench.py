"""What a load needs: calls to the node, a trickle of unrelated calls beside it, memory. Owns: an HTTP session."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from scripts.burden.service import SIGNAL
from shared.ids import awakeable_id, decode_invocation_id

__all__ = ["Bench", "Measured", "open_bench"]

_SAMPLE_S = 0.1
_TRICKLE_S = 0.1
_AT_ONCE = 64


@dataclass(slots=True)
class Measured:
    """One load. Memory by process in MB: resident before, the most while it ran, and after it."""

    name: str
    seconds: float
    before: dict[str, float]
    peak: dict[str, float]
    after: dict[str, float]
    #: The slowest of the unrelated calls that ran all along, and how many there were.
    slowest_ms: float
    calls: int

    def growth(self, part: str) -> float:
        """MB at the peak over those before, of all processes whose name begins so."""
        return max((self.peak[name] - self.before[name] for name in self.peak if name.startswith(part)), default=0.0)


class Bench:
    """A node by its ports and the processes that are watched: name -> pid."""

    def __init__(self, session: aiohttp.ClientSession, ingress: str, admin: str, pids: Mapping[str, int]) -> None:
        self._session = session
        self._ingress = ingress
        self._admin = admin
        self._pids = dict(pids)
        self._key = 0

    async def register(self, uri: str) -> None:
        async with self._session.post(f"{self._admin}/deployments", json={"uri": uri}) as response:
            assert response.status in (200, 201), await response.text()

    async def ready(self) -> None:
        """Wait until the services are known, and all is loaded that a first call loads."""
        await self.until(self._answers, within_s=30.0)
        await self.many(lambda _: self.call("Burden/echo"), 500)

    async def _answers(self) -> bool:
        async with self._session.post(f"{self._ingress}/Burden/echo", json={}) as response:
            return response.status == 200

    async def call(self, path: str, *, within_s: float = 600.0, **argument: int) -> Any:
        """The answer of a handler."""
        timeout = aiohttp.ClientTimeout(total=within_s)
        async with self._session.post(f"{self._ingress}/{path}", json=argument, timeout=timeout) as response:
            assert response.status == 200, f"{path}: {response.status} {(await response.text())[:300]}"
            return await response.json(content_type=None)

    async def send(self, path: str, *, padding: str = "", **argument: int) -> str:
        """One-way; the invocation's id."""
        body: dict[str, object] = dict(argument)
        if padding:
            body["padding"] = padding
        data = io.BytesIO(json.dumps(body).encode())
        headers = {"content-type": "application/json"}
        async with self._session.post(f"{self._ingress}/{path}/send", data=data, headers=headers) as response:
            assert response.status == 202, f"{path}: {response.status} {await response.text()}"
            return str((await response.json())["invocationId"])

    async def wake(self, invocation: str) -> None:
        """Resolve its awakeable."""
        token = awakeable_id(decode_invocation_id(invocation), SIGNAL)
        async with self._session.post(f"{self._ingress}/restate/awakeables/{token}/resolve", json=1) as response:
            assert response.status == 202, await response.text()

    async def result(self, invocation: str) -> Any:
        """Wait for the end."""
        url = f"{self._ingress}/restate/invocation/{invocation}/attach"
        async with self._session.get(url, timeout=aiohttp.ClientTimeout(total=600)) as response:
            assert response.status == 200, f"{response.status} {await response.text()}"
            return await response.json(content_type=None)

    async def operate(self, invocation: str, verb: str) -> None:
        """`kill`, `purge`, … as the admin API has them."""
        async with self._session.patch(f"{self._admin}/invocations/{invocation}/{verb}") as response:
            assert response.status in (200, 202), f"{verb}: {response.status} {await response.text()}"

    async def sql(self, query: str) -> list[dict[str, Any]]:
        headers = {"accept": "application/json"}
        async with self._session.post(f"{self._admin}/query", json={"query": query}, headers=headers) as response:
            assert response.status == 200, await response.text()
            rows: list[dict[str, Any]] = (await response.json())["rows"]
            return rows

    async def count(self, where: str) -> int:
        """Invocations of which this holds."""
        return int((await self.sql(f"SELECT COUNT(*) AS n FROM sys_invocation WHERE {where}"))[0]["n"])

    async def until(self, condition: Callable[[], Awaitable[object]], *, within_s: float = 300.0) -> None:
        """Ask until it is true. Raises TimeoutError."""
        async with asyncio.timeout(within_s):
            while not await condition():  # noqa: ASYNC110  (what is waited for is in another process)
                await asyncio.sleep(0.1)

    async def many(self, work: Callable[[int], Awaitable[Any]], count: int) -> list[Any]:
        """`work(0)` … `work(count - 1)`, some at once."""
        gate = asyncio.Semaphore(_AT_ONCE)

        async def one(number: int) -> Any:
            async with gate:
                return await work(number)

        return await asyncio.gather(*(one(number) for number in range(count)))

    def fresh_key(self) -> str:
        """Of an object that was never called."""
        self._key += 1
        return f"o{time.time_ns()}-{self._key}"

    async def measure(self, name: str, load: Callable[[], Awaitable[None]]) -> Measured:
        """Run the load; beside it, ten unrelated calls a second."""
        before = {part: _rss_mb(pid) for part, pid in self._pids.items()}
        peak = dict(before)
        times: list[float] = []
        watch = asyncio.gather(self._sample(peak), self._trickle(times))
        began = time.monotonic()
        try:
            await load()
            seconds = time.monotonic() - began
            # At least one call has seen the end of the load.
            await asyncio.sleep(2 * _TRICKLE_S)
        finally:
            watch.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await watch
        after = {part: _rss_mb(pid) for part, pid in self._pids.items()}
        return Measured(name, seconds, before, peak, after, max(times, default=0.0) * 1000, len(times))

    async def _sample(self, peak: dict[str, float]) -> None:
        while True:
            for part, pid in self._pids.items():
                peak[part] = max(peak[part], _rss_mb(pid))
            await asyncio.sleep(_SAMPLE_S)

    async def _trickle(self, times: list[float]) -> None:
        running: set[asyncio.Task[None]] = set()
        try:
            while True:
                task = asyncio.create_task(self._timed(times))
                running.add(task)
                task.add_done_callback(running.discard)
                await asyncio.sleep(_TRICKLE_S)
        finally:
            await asyncio.gather(*running, return_exceptions=True)

    async def _timed(self, times: list[float]) -> None:
        began = time.monotonic()
        await self.call("Burden/echo", within_s=60.0)
        times.append(time.monotonic() - began)


def _rss_mb(pid: int) -> float:
    """Resident pages, without those of files that are mapped."""
    fields = Path(f"/proc/{pid}/statm").read_text().split()
    return (int(fields[1]) - int(fields[2])) * 4096 / 1e6


@contextlib.asynccontextmanager
async def open_bench(ingress: str, admin: str, pids: Mapping[str, int]) -> AsyncIterator[Bench]:
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(total=600)) as session:
        yield Bench(session, ingress, admin, pids)
