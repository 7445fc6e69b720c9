"""`everlog status` asks the workers how their partitions stand."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from scripts.cli import status
from scripts.console.screen import Screen
from scripts.node.partitions import partition_statuses
from shared.api.partition import PartitionStatus, WorkerStatusReply
from shared.config import Settings
from tests.fakes.partition_worker import FakeWorker


def test_partitions_are_shown_by_their_number_with_what_they_do(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = Settings(data_dir=str(tmp_path), workers=3, partitions=4)
    settings.run_path.mkdir()
    rows = {
        0: [PartitionStatus(0, 0, 9, True, 12, 40, 30, 41, 2)],
        1: [PartitionStatus(1, 10, 19, False, 0, 500, 7, 900, 0, 42, 12.3)],
    }

    def worker(number: int) -> FakeWorker:
        def answer(request: Any) -> Any:
            return WorkerStatusReply(0, rows[number])

        return FakeWorker(settings.socket(f"partitiond-{number}"), answer)

    async def ask() -> tuple[list[tuple[int, PartitionStatus]], list[dict[str, Any]]]:
        workers = [worker(number) for number in rows]
        for each in workers:
            await each.start()
        try:
            return (
                await asyncio.to_thread(partition_statuses, settings),
                await asyncio.to_thread(status._partitions, settings),
            )
        finally:
            async with asyncio.timeout(10):
                while not all(peer.closed for each in workers for peer in each.connections):  # noqa: ASYNC110
                    await asyncio.sleep(0.002)
            for each in workers:
                await each.stop()

    found, report = asyncio.run(ask())
    assert found == [(0, rows[0][0]), (1, rows[1][0])]
    status._show_partitions(Screen(), report)
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert lines[0][:4] == ["PARTITION", "WORKER", "LEADER", "EPOCH"]
    assert lines[1] == ["0", "0", "node-1", "12", "40", "30", "41", "1", "2"]
    assert " ".join(lines[2]) == "1 1 - 0 500 7 900 400 0 replays, 42 %, 12 s left"
    assert report[1]["replayed_percent"] == 42
