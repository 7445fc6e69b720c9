"""A node whose disks are slow, full, or cannot be written, under load: it says so, loses nothing, goes on by itself."""

from __future__ import annotations

import asyncio
import json
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.processes.adders import Adders
from tests.processes.disk import Disk, read_only, small_disk
from tests.processes.endpoint import running_endpoint
from tests.processes.node import Node
from tests.processes.test_kills import read_counters

MIB = 1024 * 1024
_RESERVE_BYTES = 16 * MIB
_DISK_BYTES = 96 * MIB
_WITHIN_S = 30.0


def greet(node: Node) -> tuple[int, dict[str, str], Any]:
    """(status, headers, decoded body) of a call; status 0: it was taken and waits."""
    request = urllib.request.Request(
        f"{node.ingress}/Greeter/greet", data=b'"Ada"', headers={"content-type": "application/json"}
    )
    try:
        with urllib.request.urlopen(request, timeout=2) as answer:
            return answer.status, dict(answer.headers), json.loads(answer.read())
    except TimeoutError:
        return 0, {}, None
    except urllib.error.HTTPError as error:
        return error.code, dict(error.headers), json.loads(error.read())


def health(node: Node) -> list[str]:
    """What /health misses; empty: nothing."""
    try:
        with urllib.request.urlopen(f"{node.admin}/health", timeout=5):
            return []
    except urllib.error.HTTPError as error:
        return list(json.loads(error.read())["not_ready"])


async def until(condition: Callable[[], bool], *, what: str) -> None:
    deadline = time.monotonic() + _WITHIN_S
    while not await asyncio.to_thread(condition):
        assert time.monotonic() < deadline, f"not within {_WITHIN_S} s: {what}"
        await asyncio.sleep(0.05)


async def goes_on(node: Node, adders: Adders) -> None:
    """All that waited is answered, and new work is taken."""
    before = adders.acknowledged
    await until(lambda: adders.acknowledged > before + 100, what="adds are acknowledged again")
    await until(lambda: not health(node), what="the node is ready again")
    assert greet(node)[0] == 200


async def fill(node: Node, disk: Disk, path: Path) -> None:
    """To the last byte. New work is refused with the reason until there is room."""
    await asyncio.to_thread(disk.fill)
    wanted = f"disk full: {path}, free "
    await until(lambda: any(wanted in text for text in health(node)), what="/health says that the disk is full")
    await until(lambda: greet(node)[0] == 503, what="new work is refused")
    _, headers, body = greet(node)
    assert headers["retry-after"] == "5"
    assert body["source"] == "ingress"
    assert wanted in body["message"]
    # What comes now meets the full disk for a while.
    await asyncio.sleep(1.0)
    disk.clear()


def send(node: Node, path: str) -> int:
    """The status of a one-way call of `path`."""
    request = urllib.request.Request(f"{node.ingress}/{path}", data=b"1", headers={"content-type": "application/json"})
    with urllib.request.urlopen(request, timeout=20) as answer:
        return int(answer.status)


async def slow_down(node: Node, adders: Adders) -> None:
    """Each sync takes over a second. All wait, nobody loses the lead, and timers fire, if late."""
    led = node.logs("partitiond").count(" leads epoch=")
    sync_s = node.data_dir / "sync_s"
    sync_s.write_text("1.1")
    began, before = time.monotonic(), adders.acknowledged
    assert await asyncio.to_thread(send, node, "Counter/delayed/add/send?delay=100ms") == 202
    assert time.monotonic() - began >= 1.0, "it is not acknowledged before the sync"
    await until(lambda: asyncio.run(read_counters(node, ["delayed"])) == {"delayed": 1}, what="the timer has fired")
    await until(lambda: adders.acknowledged > before, what="adds are acknowledged, slowly")
    await until(lambda: "a sync of the log took 1." in node.logs("logd"), what="logd says that the disk is slow")
    assert not health(node)
    sync_s.unlink()
    assert node.logs("logd").count("a sync of the log took") <= 3
    assert node.logs("partitiond").count(" leads epoch=") == led


async def break_and_mend(node: Node, adders: Adders, disk: Disk, stores: Disk) -> None:
    await goes_on(node, adders)
    await slow_down(node, adders)
    await goes_on(node, adders)
    await fill(node, disk, node.data_dir)
    await goes_on(node, adders)
    await fill(node, stores, node.data_dir / "partitions")
    await goes_on(node, adders)
    log, partition = node.data_dir / "log", node.data_dir / "partitions" / "0"
    with read_only(log):
        await asyncio.to_thread(node.kill, "logd")
        await until(lambda: f"read-only: {log} " in node.logs("logd"), what="logd says that it cannot write")
        await until(lambda: any("read-only" in text for text in health(node)), what="/health says so")
    await goes_on(node, adders)
    with read_only(partition):
        await asyncio.to_thread(node.kill, "worker-0")
        wanted = f"partition 0: read-only: {partition} "
        await until(lambda: any(wanted in text for text in health(node)), what="/health names the partition")
        await until(lambda: not any("partition 1" in text for text in health(node)), what="the other one is served")
    await goes_on(node, adders)


@pytest.mark.slow
@pytest.mark.processes
@pytest.mark.timeout(180)
def test_disks_that_fail_for_a_while_lose_nothing(tmp_path: Path) -> None:
    """The log's disk is slow; that of everything is full, then that of the stores alone; then the log cannot be
    written, then one store."""

    async def scenario(node: Node, disk: Disk, stores: Disk) -> None:
        adders = Adders(node.ingress, clients=8, keys=20, seed=1)
        load = asyncio.create_task(adders.run())
        breaking = asyncio.create_task(break_and_mend(node, adders, disk, stores))
        await asyncio.wait({load, breaking}, return_when=asyncio.FIRST_COMPLETED)
        adders.stop()
        await breaking
        await asyncio.wait_for(load, 60)
        adders.check(await read_counters(node, list(adders.sums)))

    # Not below `tmp_path`, whose name is too long for sockets.
    with (
        tempfile.TemporaryDirectory(prefix="everlog-") as place,
        small_disk(Path(place) / "disk", size_bytes=_DISK_BYTES) as disk,
    ):
        data = disk.path / "data"
        data.mkdir()
        (data / "FORMAT").write_text('{"format": 1}')
        node = Node(
            data, command="tests.processes.slow_node", partitions=2, workers=1, disk_reserve_bytes=_RESERVE_BYTES
        )
        with small_disk(data / "partitions", size_bytes=_DISK_BYTES) as stores:
            try:
                node.up()
                with running_endpoint("scripts.examples.app:app", tmp_path) as endpoint:
                    endpoint.register(node)
                    asyncio.run(scenario(node, disk, stores))
                programs = {row["name"]: row for row in node.status()["programs"]}
                assert programs["metad"]["restarts"] == programs["ingress"]["restarts"] == 0
                assert programs["partitiond"]["restarts"] == 0
                assert programs["logd"]["restarts"] <= 3, "it waits for room, and is not started again and again"
                node.down()
                disk.fill()
                refused = node.everlog("up", "--detach")
                assert refused.returncode == 1
                assert f"{data}: No space left on device" in refused.stderr
            finally:
                for name in ("logd", "partitiond", "metad", "supervisord"):
                    print(f"--- {name}\n{node.logs(name)[-3000:]}")
                node.everlog("down")
