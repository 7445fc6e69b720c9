"""Measures appends through the socket of a real logd: not a test.

python -m tests.logd.bench_append [--bytes 600] [--in-flight 1,32,64] [--seconds 3]
"""

from __future__ import annotations

import argparse
import asyncio
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import msgspec
import uvloop

from shared.api.log import Append, Appended, Follow, LogReply, LogStatus, LogStatusReply
from shared.config import Settings, write_settings
from shared.rpc.client import RpcClient
from shared.rpc.connection import Connection

_decode = msgspec.msgpack.Decoder(LogReply).decode


class _Load:
    """Keeps `in_flight` appends on their way until told to stop."""

    def __init__(self, payload: bytes) -> None:
        self._payload = payload
        self._sent: dict[int, float] = {}
        self._next = 0
        self.latencies: list[float] = []
        self.committed = 0
        self.running = False
        self.leads = asyncio.Event()
        self.status: asyncio.Future[LogStatusReply] | None = None

    def on_connected(self, connection: Connection) -> None: ...

    def on_closed(self, connection: Connection) -> None: ...

    def append(self, connection: Connection) -> None:
        self._next += 1
        self._sent[self._next] = time.perf_counter()
        connection.send(Append(self._next, "p-1", self._payload))

    def on_messages(self, connection: Connection, messages: list[Any]) -> None:
        now = time.perf_counter()
        for message in messages:
            if type(message) is Appended:
                self.latencies.append(now - self._sent.pop(message.request_id))
                if self.running:
                    self.append(connection)
            elif type(message) is LogStatusReply:
                assert self.status is not None
                self.status.set_result(message)
            elif getattr(message, "is_leader", False):
                self.leads.set()
            else:
                self.committed += 1


def _cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(") ", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def _measure(settings: Settings, pid: int, arguments: argparse.Namespace) -> None:
    load = _Load(os.urandom(arguments.bytes))
    client = RpcClient(settings.socket("logd"), _decode, load, name="logd")
    client.start()
    await client.connected()
    connection = client.connection
    assert connection is not None
    connection.send(Follow(0, "p-1", 1))
    await load.leads.wait()

    async def syncs() -> int:
        load.status = asyncio.get_running_loop().create_future()
        connection.send(LogStatus(0))
        return (await load.status).syncs

    for in_flight in [int(text) for text in arguments.in_flight.split(",")]:
        load.latencies.clear()
        load.running = True
        cpu_s, started, syncs_before = _cpu_s(pid), time.perf_counter(), await syncs()
        for _ in range(in_flight):
            load.append(connection)
        await asyncio.sleep(arguments.seconds)
        cpu_s, took_s = _cpu_s(pid) - cpu_s, time.perf_counter() - started
        load.running = False
        latencies = sorted(load.latencies)
        count = len(latencies)
        per_sync = count / max(1, await syncs() - syncs_before)
        print(
            f"in flight {in_flight:4d}: {count / took_s:8.0f} appends/s"
            f"  p50 {latencies[count // 2] * 1e3:6.2f} ms  p99 {latencies[count * 99 // 100] * 1e3:6.2f} ms"
            f"  logd cpu {cpu_s / count * 1e6:6.1f} us/append  {per_sync:5.1f} appends/sync",
            flush=True,
        )
        await asyncio.sleep(0.2)
    await client.close()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--bytes", type=int, default=600)
    parser.add_argument("--in-flight", default="1,32,64")
    parser.add_argument("--seconds", type=float, default=3.0)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=".") as directory:
        settings = Settings(data_dir=directory)
        settings.run_path.mkdir()
        write_settings(settings, settings.run_path / "settings.json")
        with subprocess.Popen([sys.executable, "-m", "logd", "--data-dir", directory]) as process:
            try:
                uvloop.run(_measure(settings, process.pid, arguments))
            finally:
                process.terminate()
                process.wait()
        peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
        print(f"logd peak memory {peak / 1024:.0f} MB")


if __name__ == "__main__":
    main()
