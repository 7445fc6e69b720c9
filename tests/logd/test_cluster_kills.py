"""Three real processes, killed one after the other under load."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

from shared.api.log import Append, Appended, Follow, Following
from shared.config import Settings
from tests.conftest import free_ports
from tests.logd.client import LogClient, eventually, make_settings

pytestmark = [pytest.mark.slow, pytest.mark.processes]

NAMES = ("a", "b", "c")
KILLS = 8


class Nodes:
    """The processes, and appends to whichever of them leads."""

    def __init__(self, directory: Path) -> None:
        members = {name: ("127.0.0.1", port) for name, port in zip(NAMES, free_ports(3), strict=True)}
        self._members = json.dumps(members)
        self.settings: dict[str, Settings] = {name: make_settings(directory / name, node_name=name) for name in NAMES}
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self._log = (directory / "log").open("ab")
        self.log_path = directory / "log"
        self.clients: dict[str, LogClient] = {}
        self.next = 0
        self.lsn_of: dict[int, int] = {}
        self.done = False

    def start(self, name: str) -> None:
        data_dir = self.settings[name].data_dir
        self.settings[name].socket("logd").unlink(missing_ok=True)
        command = [sys.executable, "-m", "tests.logd.cluster_node", data_dir, name, self._members]
        self.processes[name] = subprocess.Popen(command, stderr=self._log)

    def kill(self, name: str) -> None:
        process = self.processes.pop(name)
        process.kill()
        process.wait()

    def close(self) -> None:
        for name in list(self.processes):
            self.kill(name)
        self._log.close()

    async def client(self, name: str, *, from_lsn: int) -> LogClient:
        while True:
            assert self.processes[name].poll() is None, self.log_path.read_text()
            with contextlib.suppress(OSError, asyncio.CancelledError):
                client = await LogClient.connect(self.settings[name])
                reply = await client.call(Follow(0, "p-1", from_lsn))
                assert isinstance(reply, Following), reply
                return client
            await asyncio.sleep(0.02)

    async def watch(self, name: str) -> None:
        """Keep a connection to this node."""
        while not self.done:
            if name in self.processes and (name not in self.clients or self.clients[name].closed):
                with contextlib.suppress(KeyError):
                    self.clients[name] = await self.client(name, from_lsn=1)
            await asyncio.sleep(0.02)

    async def append(self) -> None:
        """Append new numbers wherever there is a leader; a number is never repeated."""
        while not self.done:
            leading = [client for client in self.clients.values() if not client.closed and _leads(client)]
            if not leading:
                await asyncio.sleep(0.01)
                continue
            number = self.next
            self.next += 1
            with contextlib.suppress(asyncio.CancelledError, TimeoutError):
                async with asyncio.timeout(2):
                    reply = await random.choice(leading).send(Append(0, "p-1", b"%d" % number))
                if isinstance(reply, Appended):
                    self.lsn_of[number] = reply.lsn


def _leads(client: LogClient) -> bool:
    known = client.leadership.get("p-1")
    return bool(known and known[-1].is_leader)


async def _kill_and_check(nodes: Nodes, seed: int) -> None:
    chance = random.Random(seed)
    for name in NAMES:
        nodes.start(name)
    loop = asyncio.get_running_loop()
    watchers = [loop.create_task(nodes.watch(name)) for name in NAMES]
    appenders = [loop.create_task(nodes.append()) for _ in range(8)]
    await eventually(lambda: nodes.lsn_of)
    for _ in range(KILLS):
        await asyncio.sleep(chance.uniform(0.1, 0.6))
        name = chance.choice(NAMES)
        nodes.kill(name)
        await asyncio.sleep(chance.uniform(0.0, 0.3))
        nodes.start(name)
    before = len(nodes.lsn_of)
    await eventually(lambda: len(nodes.lsn_of) >= before + 100)
    nodes.done = True
    await asyncio.gather(*appenders, *watchers)
    await _check(nodes, seed)


async def _check(nodes: Nodes, seed: int) -> None:
    logs = []
    last = max(nodes.lsn_of.values())
    for name in NAMES:
        client = await nodes.client(name, from_lsn=1)
        batches = client.committed.setdefault("p-1", [])
        await client.until(lambda batches=batches: batches and batches[-1].lsn >= last)
        logs.append([(batch.lsn, batch.payload) for batch in batches if batch.lsn <= last])
        await client.close()
    for client in nodes.clients.values():
        if not client.closed:
            await client.close()
    assert logs[0] == logs[1] == logs[2], f"seed {seed}"
    numbers = [int(payload) for _, payload in logs[0]]
    assert len(numbers) == len(set(numbers)), f"seed {seed}: appended twice"
    stored = {int(payload): lsn for lsn, payload in logs[0]}
    assert {number: stored.get(number) for number in nodes.lsn_of} == nodes.lsn_of, f"seed {seed}: acknowledged, lost"


def test_kills_under_load_lose_nothing_acknowledged(tmp_path_factory: pytest.TempPathFactory) -> None:
    nodes = Nodes(tmp_path_factory.mktemp("k"))
    try:
        asyncio.run(_kill_and_check(nodes, int.from_bytes(os.urandom(4), "big")))
    finally:
        nodes.close()
    log = nodes.log_path.read_text()
    assert "Traceback" not in log
    assert "truncating already-applied" not in log
