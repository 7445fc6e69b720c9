"""When there is room: hysteresis, read-only file systems, and what cannot be asked."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from types import SimpleNamespace

import pytest

from shared import disk
from shared.config import Settings
from shared.disk import DiskGuard, node_guard, store_guard, wait_for_room

MIB = 1024 * 1024


class Disk:
    """What statvfs says of all paths."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.free = 1000 * MIB
        self.flags = 0
        self.files_free = 1000
        monkeypatch.setattr(os, "statvfs", self.statvfs)

    def statvfs(self, path: Path) -> SimpleNamespace:
        return SimpleNamespace(
            f_bavail=self.free // 4096, f_frsize=4096, f_flag=self.flags, f_files=1000, f_favail=self.files_free
        )


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch) -> Disk:
    return Disk(monkeypatch)


def test_room_that_was_short_must_come_back_with_a_quarter_more(host: Disk, tmp_path: Path) -> None:
    guard = node_guard(Settings(data_dir=str(tmp_path), disk_reserve_bytes=64 * MIB))
    for free, short in ((64, False), (63, True), (64, True), (79, True), (80, False), (64, False), (0, True)):
        host.free = free * MIB
        trouble = guard.look()
        assert (trouble is not None) == short, free
        if short:
            assert trouble is not None
            assert trouble.startswith(f"disk full: {tmp_path}, free {free * MIB} bytes, want ")
            assert "disk_reserve_bytes" in trouble


def test_stores_may_have_what_new_work_may_not(host: Disk, tmp_path: Path) -> None:
    guard = store_guard(Settings(data_dir=str(tmp_path), disk_reserve_bytes=64 * MIB), tmp_path / "log")
    host.free = 16 * MIB
    assert guard.look() is None
    host.free -= MIB
    assert guard.look() is not None


def test_a_reserve_of_nothing_means_that_nobody_looks(host: Disk, tmp_path: Path) -> None:
    host.free = 0
    assert node_guard(Settings(data_dir=str(tmp_path), disk_reserve_bytes=0)).look() is None


def test_read_only_and_out_of_inodes_are_told_apart(host: Disk, tmp_path: Path) -> None:
    guard = DiskGuard(lambda: [tmp_path], reserve_bytes=MIB)
    host.flags = os.ST_RDONLY
    assert str(guard.look()).startswith(f"read-only: {tmp_path}")
    host.flags, host.files_free = 0, 0
    assert "inodes" in str(guard.look())
    host.files_free = 1
    assert guard.look() is None


def test_what_only_a_write_can_tell_is_told_by_a_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The owner's permissions, quotas, immutable directories: root passes all checks but the real one."""
    guard = store_guard(Settings(data_dir=str(tmp_path), disk_reserve_bytes=4096), tmp_path)
    assert guard.look() is None
    assert list(tmp_path.iterdir()) == []

    def refuse(*_: object) -> int:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(disk.os, "open", refuse)
    assert guard.look() == f"cannot write {tmp_path}: Operation not permitted; make it writable"


def test_two_processes_may_probe_one_place_at_one_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Found in a quick start: two workers whose directories were not there yet. One waited for a second."""
    really_open = os.open

    def open_and_lose(path: Path, flags: int, mode: int) -> int:
        descriptor = really_open(path, flags, mode)
        os.unlink(path)
        return descriptor

    guard = DiskGuard(lambda: [tmp_path / "partitions" / "1"], reserve_bytes=1, probe=True)
    monkeypatch.setattr(os, "open", open_and_lose)
    assert guard.look() is None


def test_who_waits_for_room_goes_on_when_it_is_there_or_when_told_to_stop(
    host: Disk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(disk, "_LOOK_EVERY_S", 0.001)
    guard = DiskGuard(lambda: [tmp_path], reserve_bytes=MIB)

    async def scene() -> None:
        host.free = 0
        waiting = asyncio.create_task(wait_for_room(guard, asyncio.Event(), what="a test"))
        await asyncio.sleep(0.02)
        assert not waiting.done()
        host.free = 2 * MIB
        assert await asyncio.wait_for(waiting, 5)
        host.free = 0
        stopping = asyncio.Event()
        waiting = asyncio.create_task(wait_for_room(guard, stopping, what="a test"))
        await asyncio.sleep(0.02)
        stopping.set()
        assert not await asyncio.wait_for(waiting, 5)

    asyncio.run(scene())
