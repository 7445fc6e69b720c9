"""A real logd process: killed, stopped, on a full disk, on data of a newer version, idle."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from shared.api.log import Append, Appended, Committed, LogStatus
from shared.config import Settings, write_settings
from tests.conftest import eventually
from tests.logd.client import LogClient

pytestmark = [pytest.mark.slow, pytest.mark.processes]


@contextmanager
def logd(settings: Settings, *, file_bytes_max: int | None = None) -> Iterator[subprocess.Popen[bytes]]:
    """`python -m logd`, killed at the end if it still runs; its log is in `logd.log` of the data directory."""
    write_settings(settings, settings.run_path / "settings.json")
    settings.socket("logd").unlink(missing_ok=True)
    command = [sys.executable, "-m", "logd", "--data-dir", settings.data_dir]
    if file_bytes_max is not None:
        limit = f"import resource; resource.setrlimit(resource.RLIMIT_FSIZE, ({file_bytes_max},) * 2)"
        command[1:3] = ["-c", f"{limit}; import runpy; runpy.run_module('logd', run_name='__main__')"]
    with (settings.data_path / "logd.log").open("ab") as log, subprocess.Popen(command, stderr=log) as process:
        try:
            yield process
        finally:
            process.kill()


def log_of(settings: Settings) -> str:
    return (settings.data_path / "logd.log").read_text()


async def connect(settings: Settings, process: subprocess.Popen[bytes]) -> LogClient:
    async with asyncio.timeout(10):
        while True:
            with contextlib.suppress(OSError):
                return await LogClient.connect(settings)
            assert process.poll() is None, log_of(settings)
            await asyncio.sleep(0.01)


class Appender:
    """Appends numbers, a few at a time, and remembers what became of each. It never repeats one."""

    def __init__(self) -> None:
        self.next = 0
        self.lsn_of: dict[int, int] = {}
        self.seen: list[Committed] = []

    async def run(self, client: LogClient) -> None:
        """Until the connection is lost."""
        await client.follow("p-1", self.seen[-1].lsn + 1 if self.seen else 1)
        await asyncio.gather(*[self._append(client) for _ in range(16)])

    async def _append(self, client: LogClient) -> None:
        while not client.closed:
            number = self.next
            self.next += 1
            with contextlib.suppress(asyncio.CancelledError):
                reply = await client.send(Append(0, "p-1", b"%d" % number))
                assert isinstance(reply, Appended)
                self.lsn_of[number] = reply.lsn


def test_killed_at_any_moment_it_loses_nothing_acknowledged(settings: Settings) -> None:
    """kill -9 under load, again and again: what was acknowledged is there, once, where it was acknowledged."""
    seed = int.from_bytes(os.urandom(4), "big")
    chance = random.Random(seed)
    appender = Appender()

    async def life(process: subprocess.Popen[bytes]) -> None:
        client = await connect(settings, process)
        asyncio.get_running_loop().call_later(chance.uniform(0.02, 0.4), process.kill)
        with contextlib.suppress(asyncio.CancelledError):
            await appender.run(client)
        await client.until(lambda: client.closed)
        appender.seen += client.committed.get("p-1", [])

    async def last_life(process: subprocess.Popen[bytes]) -> list[Committed]:
        client = await connect(settings, process)
        following = await client.follow("p-1")
        await client.until(lambda: _last(client) == following.tail_lsn)
        await client.close()
        return client.committed["p-1"]

    for _ in range(7):
        with logd(settings) as process:
            asyncio.run(life(process))
    with logd(settings) as process:
        batches = asyncio.run(last_life(process))

    numbers = [int(batch.payload) for batch in batches]
    assert numbers == sorted(set(numbers)), f"seed {seed}: twice or out of order"
    stored = {int(batch.payload): batch.lsn for batch in batches}
    assert len(appender.lsn_of) > 100
    assert {number: stored.get(number) for number in appender.lsn_of} == appender.lsn_of, f"seed {seed}"
    seen = [(batch.lsn, batch.payload) for batch in appender.seen]
    assert seen == [(batch.lsn, batch.payload) for batch in batches][: len(seen)], f"seed {seed}: follow has gaps"


def _last(client: LogClient) -> int:
    batches = client.committed.get("p-1")
    return batches[-1].lsn if batches else 0


def test_sigterm_finishes_what_is_in_flight(settings: Settings) -> None:
    async def scenario(process: subprocess.Popen[bytes]) -> int:
        client = await connect(settings, process)
        await client.follow("p-1")
        replies = [client.send(Append(0, "p-1", b"%d" % number)) for number in range(1000)]
        await client.until(lambda: len(client.replies) > 100)
        process.send_signal(signal.SIGTERM)
        answers = await asyncio.gather(*replies)
        await client.until(lambda: client.closed)
        assert {getattr(answer, "code", "") for answer in answers} <= {"", "stopping"}
        return sum(isinstance(answer, Appended) for answer in answers)

    async def count(process: subprocess.Popen[bytes]) -> int:
        client = await connect(settings, process)
        following = await client.follow("p-1")
        await client.until(lambda: _last(client) == following.tail_lsn)
        await client.close()
        return len(client.committed["p-1"])

    with logd(settings) as process:
        appended = asyncio.run(scenario(process))
        assert process.wait(10) == 0
    assert "logd ends" in log_of(settings)
    with logd(settings) as process:
        assert asyncio.run(count(process)) == appended


def test_a_full_disk_ends_it_with_a_clear_line_and_loses_nothing(settings: Settings) -> None:
    """A file may not grow over 2 MB: the next write fails, as on a full disk."""
    appender = Appender()

    async def fill(process: subprocess.Popen[bytes]) -> None:
        client = await connect(settings, process)
        with contextlib.suppress(asyncio.CancelledError):
            await client.follow("p-1")
            for number in range(10_000):
                reply = await client.call(Append(0, "p-1", b"%06d" % number * 200))
                appender.lsn_of[number] = reply.lsn
        assert client.closed

    async def check(process: subprocess.Popen[bytes]) -> None:
        client = await connect(settings, process)
        following = await client.follow("p-1")
        await client.until(lambda: _last(client) == following.tail_lsn)
        stored = {int(batch.payload[:6]): batch.lsn for batch in client.committed["p-1"]}
        assert appender.lsn_of.items() <= stored.items()
        assert len(stored) <= len(appender.lsn_of) + 1
        assert await client.append("p-1", b"there is room again")
        await client.close()

    with logd(settings, file_bytes_max=2 * 1024 * 1024) as process:
        asyncio.run(fill(process))
        assert process.wait(10) == 1
    assert len(appender.lsn_of) > 1000
    log = log_of(settings)
    assert "CRITICAL logd logd.service: cannot write the log at" in log
    assert "nothing acknowledged is lost" in log
    assert "Traceback" not in log
    with logd(settings) as process:
        asyncio.run(check(process))


def test_data_of_a_newer_version_is_refused(settings: Settings) -> None:
    format_file = settings.data_path / "log" / "FORMAT"
    format_file.parent.mkdir()
    format_file.write_text("7\n")
    with logd(settings) as process:
        assert process.wait(10) == 1
    assert "has format version 7; this build reads 1: use the newer build" in log_of(settings)
    assert [path.name for path in format_file.parent.iterdir()] == ["FORMAT"]


def test_damaged_data_is_refused_and_kept(settings: Settings) -> None:
    async def write(process: subprocess.Popen[bytes]) -> None:
        client = await connect(settings, process)
        await client.follow("p-1")
        for number in range(100):
            await client.append("p-1", b"%d" % number * 100)
        await client.close()

    with logd(settings) as process:
        asyncio.run(write(process))
        process.terminate()
        assert process.wait(10) == 0
    tables = {path: path.read_bytes() for path in (settings.data_path / "log").glob("*.sst")}
    assert tables
    for path, data in tables.items():
        middle = len(data) // 3
        path.write_bytes(data[:middle] + bytes([data[middle] ^ 0xFF]) + data[middle + 1 :])
    with logd(settings) as process:
        assert process.wait(10) == 1
    assert "the log is damaged, its files are kept as they are" in log_of(settings)


def test_idle_it_costs_next_to_nothing(settings: Settings) -> None:
    async def scenario(process: subprocess.Popen[bytes]) -> None:
        client = await connect(settings, process)
        for group in ("meta", "p-0", "p-1", "p-2", "p-3"):
            started = time.perf_counter()
            await client.follow(group)
            assert time.perf_counter() - started < 0.5  # 50 ms on a machine of its own.
            await client.append(group, b"x")
        await asyncio.sleep(1.2)  # Until the commit indexes are stored.
        syncs, cpu_s = (await client.call(LogStatus(0))).syncs, _cpu_s(process.pid)
        await asyncio.sleep(2.5)
        assert _cpu_s(process.pid) - cpu_s <= 0.02
        assert (await client.call(LogStatus(0))).syncs == syncs
        await client.close()

    with logd(settings) as process:
        asyncio.run(scenario(process))


def _cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(") ", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_an_o_flag_is_refused(settings: Settings) -> None:
    """Assertions guard the data."""
    write_settings(settings, settings.run_path / "settings.json")
    command = [sys.executable, "-O", "-m", "logd", "--data-dir", settings.data_dir]
    with subprocess.Popen(command, stderr=subprocess.PIPE) as process:
        eventually(lambda: process.poll() is not None)
        assert process.stderr is not None
        assert b"without -O" in process.stderr.read()
