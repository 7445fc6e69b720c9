"""Rows about invocations that sleep: how soon many wake, what memory many take. Owns: connections to the ingress."""

from __future__ import annotations

import asyncio
import json
import time
import uuid
from itertools import count
from typing import Any

import aiohttp

from scripts.benchmark.load import LoadResult
from scripts.benchmark.net import call_json, wait_for
from scripts.benchmark.rows import Kind, Row
from scripts.benchmark.targets import Running
from scripts.benchmark.usage import cpu_seconds
from shared.errors import UnavailableError

__all__ = ["Sleepers", "sleeper_problem"]

#: Between the last send and the first waking, and the slowest pace of sending that still leaves it.
_LEAD_S = 5.0
_SENDS_A_SECOND_MIN = 500
_WOKEN_WITHIN_S = 120.0
#: Until when those of the other row sleep: longer than any run.
_LONG_S = 6 * 3600.0
#: All are suspended when the runtime uses less than this of a core, for so long.
_QUIET_CORES = 0.1
_QUIET_S = 4.0
_QUIET_WITHIN_S = 600.0


class Sleepers:
    """The invocations of one run."""

    def __init__(self, row: Row) -> None:
        self._row = row
        self._batch = uuid.uuid4().hex
        #: From when the first was due until the last one ran, seconds.
        self.wake_s: float | None = None

    def run(self, running: Running) -> LoadResult:
        """Send them, and wait for what the row is about. Raises UnavailableError when it does not come."""
        began = time.monotonic()
        problem = self._wake(running) if self._row.kind is Kind.WAKE else self._suspend(running)
        errors = {problem: 1} if problem else {}
        return LoadResult(self._row.count, time.monotonic() - began, None, None, None, errors)

    def _wake(self, running: Running) -> str:
        due = time.time() + _LEAD_S + self._row.count / _SENDS_A_SECOND_MIN
        asyncio.run(self._send(running, due, spread_s=1.0))
        if time.time() > due - 1.0:
            return "sends that took until the first was due"
        time.sleep(due - time.time())
        wait_for(
            lambda: "" if self._report(running)["count"] >= self._row.count else "not all ran",
            within_s=_WOKEN_WITHIN_S,
            what="the sleepers do not wake",
        )
        report = self._report(running)
        self.wake_s = report["last"] / 1000 - due
        ran: int = report["count"]
        return f"runs for {self._row.count} sleepers: {ran}" if ran != self._row.count else ""

    def _suspend(self, running: Running) -> str:
        asyncio.run(self._send(running, time.time() + _LONG_S, spread_s=0.0))
        _wait_until_quiet(running)
        status, text = call_json(
            running.admin_port,
            "/query",
            {"query": "SELECT COUNT(*) AS n FROM sys_invocation_status WHERE status = 'suspended'"},
            timeout_s=60.0,
        )
        found = json.loads(text)["rows"][0]["n"] if status == 200 else text[:200]
        return "" if found == self._row.count else f"answer to how many are suspended: {found}"

    async def _send(self, running: Running, due: float, *, spread_s: float) -> None:
        """Each waits for its 202. Raises UnavailableError."""
        numbers = count()
        url = f"http://127.0.0.1:{running.ingress_port}{self._row.path}"
        timeout = aiohttp.ClientTimeout(total=60.0)
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0), timeout=timeout) as session:

            async def client() -> None:
                while (number := next(numbers)) < self._row.count:
                    until = round((due + spread_s * number / self._row.count) * 1000)
                    async with session.post(url, json={"batch": self._batch, "until": until}) as response:
                        if response.status != 202:
                            raise UnavailableError(f"{self._row.path}: {response.status} {await response.text()}")

            try:
                await asyncio.gather(*(client() for _ in range(self._row.clients)))
            except (aiohttp.ClientError, TimeoutError) as error:
                raise UnavailableError(f"{self._row.path}: {error}") from error

    def _report(self, running: Running) -> dict[str, Any]:
        return _report(running, self._batch)


def sleeper_problem(running: Running) -> str:
    """What is wrong with the answer of the service that counts who woke; '' when it is right."""
    return "" if _report(running, "none") == {"count": 0, "last": 0} else "the sleepers' service counts wrong"


def _report(running: Running, batch: str) -> dict[str, Any]:
    status, text = call_json(running.ingress_port, "/BenchSleeper/report", batch, timeout_s=30.0)
    if status != 200:
        raise UnavailableError(f"/BenchSleeper/report: {status} {text[:200]}")
    found: dict[str, Any] = json.loads(text)
    return found


def _wait_until_quiet(running: Running) -> None:
    """Raises UnavailableError when the runtime does not come to rest."""
    deadline = time.monotonic() + _QUIET_WITHIN_S
    while time.monotonic() < deadline:
        before = cpu_seconds(running.pid)
        time.sleep(_QUIET_S)
        if cpu_seconds(running.pid) - before < _QUIET_CORES * _QUIET_S:
            return
    raise UnavailableError(f"the runtime is still busy {_QUIET_WITHIN_S:.0f} s after the last send")
