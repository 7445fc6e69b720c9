"""GET /health: what is missing, by its name."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import msgspec
import uvloop

from metad.cluster.readiness import Readiness
from shared.api.partition import PartitionRequest, PartitionStatus, WorkerStatusReply
from shared.api.sql import SqlRequest
from tests.metad.harness import DEADLINE_S, FakePeer, Node, new_settings


def _worker(
    *ready: int, behind: tuple[int, ...] = (), replaying: tuple[int, ...] = ()
) -> Callable[[Any], list[msgspec.Struct]]:
    def answer(request: Any) -> list[msgspec.Struct]:
        rows = [PartitionStatus(each, 0, 0, each in ready, 1, 1, 1, 1, 0) for each in (*ready, *behind)]
        rows += [PartitionStatus(each, 0, 0, False, 0, 50, 0, 90, 0, 42, 12.3) for each in replaying]
        return [WorkerStatusReply(request.request_id, rows)]

    return answer


def _nothing(request: Any) -> list[msgspec.Struct]:
    return []


def test_health_is_200_when_all_are_there_and_names_what_is_not(tmp_path: Path) -> None:
    async def main() -> None:
        settings = new_settings(tmp_path, partitions=4)
        async with Node(settings) as node, AsyncExitStack() as stack:

            async def start(name: str, requests: Any, answer: Callable[[Any], list[msgspec.Struct]]) -> FakePeer:
                return await stack.enter_async_context(FakePeer(settings.socket(name), requests, answer))

            async def missing(*, without: str = "") -> list[str]:
                """What is not ready, asked again while it names `without`: an answer holds for a while."""
                deadline = asyncio.get_running_loop().time() + DEADLINE_S
                while True:
                    reply = await node.call("GET", "/v3/health")
                    assert reply.status == (503 if reply.body else 200)
                    found: list[str] = reply.json["not_ready"] if reply.body else []
                    if not without or not any(without in each for each in found):
                        return found
                    assert asyncio.get_running_loop().time() < deadline, found

            first = " ".join(await missing())
            for name in ("partitiond-0", "partitiond-1", "partition 0", "partition 3", "ingress", "sqld"):
                assert name in first
            assert "logd" not in first
            await start("partitiond-0", PartitionRequest, _worker(0, 2))
            await start("ingress", PartitionRequest, _nothing)
            await start("sqld", SqlRequest, _nothing)
            second = " ".join(await missing(without="sqld"))
            assert "partitiond-1" in second
            assert "partition 1" in second
            assert "partition 2" not in second
            behind = await start("partitiond-1", PartitionRequest, _worker(1, behind=(3,)))
            assert await missing(without="partition 1") == ["partition 3: no ready leader"]
            await behind.__aexit__()
            late = await start("partitiond-1", PartitionRequest, _worker(1, replaying=(3,)))
            assert await missing(without="no ready leader") == ["partition 3: replays, 42 %, 12 s left"]
            await late.__aexit__()
            await start("partitiond-1", PartitionRequest, _worker(1, 3))
            assert await missing(without="partition") == []
            await node.logd.close()
            while not any("logd" in each for each in await missing()):
                pass

    uvloop.run(main())


def test_what_no_waiting_mends_is_told_apart(tmp_path: Path) -> None:
    """So that a start need not wait for it."""

    def damaged(request: Any) -> list[msgspec.Struct]:
        rows = [PartitionStatus(each, 0, 0, each == 0, 1, 1, 1, 1, 0) for each in (0, 1)]
        return [WorkerStatusReply(request.request_id, rows, 7, [], [(1, "its log is gone")])]

    async def main() -> None:
        settings = new_settings(tmp_path, partitions=2)
        async with Node(settings) as node, FakePeer(settings.socket("partitiond-0"), PartitionRequest, damaged):
            deadline = asyncio.get_running_loop().time() + DEADLINE_S
            while True:
                body = (await node.call("GET", "/v3/health")).json
                if "damaged" in body:
                    break
                assert asyncio.get_running_loop().time() < deadline, body
            assert body["damaged"] == ["partition 1: its log is gone"]
            assert [each for each in body["not_ready"] if each.startswith("partition ")] == body["damaged"]

    uvloop.run(main())


def test_many_probes_ask_the_workers_once(tmp_path: Path) -> None:
    async def main() -> None:
        settings = new_settings(tmp_path, partitions=1)
        async with (
            Node(settings) as node,
            FakePeer(settings.socket("partitiond-0"), PartitionRequest, _worker(0)) as worker,
        ):
            await asyncio.gather(*(node.call("GET", "/health") for _ in range(20)))
            assert len(worker.requests) <= 2

    uvloop.run(main())


def test_a_worker_that_hangs_is_not_ready(tmp_path: Path) -> None:
    async def main() -> None:
        settings = new_settings(tmp_path, partitions=1)
        async with Node(settings) as node, FakePeer(settings.socket("partitiond-0"), PartitionRequest, _nothing):
            reply = await node.call("GET", "/health")
            assert reply.status == 503
            assert any("partitiond-0" in each and "did not answer" in each for each in reply.json["not_ready"])

    uvloop.run(main())


def test_what_was_missing_a_moment_ago_is_looked_for_again(tmp_path: Path) -> None:
    """Whoever starts a node asks all the time, and is to hear at once that it is ready."""

    class Looks(Readiness):
        looks = 0

        async def _look(self) -> list[str]:
            self.looks += 1
            return ["nothing is there"]

    async def main() -> None:
        readiness = Looks(new_settings(tmp_path), None)  # type: ignore[arg-type]
        await readiness.missing()
        assert readiness._last_at is not None
        readiness._last_at -= 0.02
        await readiness.missing()
        assert readiness.looks == 2

    asyncio.run(main())
