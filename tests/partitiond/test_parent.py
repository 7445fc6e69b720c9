"""The parent of the workers as a process: who is killed, who comes back, who ends with whom."""

from __future__ import annotations

import contextlib
import itertools
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from shared.config import Settings, write_settings
from tests.conftest import eventually

pytestmark = [pytest.mark.slow, pytest.mark.processes]
ROOT = Path(__file__).resolve().parents[2]


class Parent:
    """A parent process in a group of its own, as supervisord starts it."""

    def __init__(self, target: str, data_dir: Path, *, workers: int) -> None:
        (data_dir / "run").mkdir()
        write_settings(Settings(data_dir=str(data_dir), workers=workers), data_dir / "run" / "settings.json")
        self.data_dir = data_dir
        self.log = (data_dir / "log").open("w+")
        command = [sys.executable, "-m", "tests.partitiond.parent_process", target, "--data-dir", str(data_dir)]
        self.process = subprocess.Popen(
            command, cwd=ROOT, stdout=self.log, stderr=subprocess.STDOUT, start_new_session=True
        )

    def children(self) -> list[int]:
        pid = self.process.pid
        with contextlib.suppress(OSError):
            return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
        return []

    def ready(self, index: int) -> bool:
        return (self.data_dir / "run" / f"partitiond-{index}.sock").exists()

    def wait_ready(self, workers: int) -> list[int]:
        eventually(lambda: all(self.ready(index) for index in range(workers)), what="workers listen")
        return self.children()

    def said(self) -> str:
        return (self.data_dir / "log").read_text()

    def starts(self) -> list[float]:
        with contextlib.suppress(FileNotFoundError):
            return [float(line) for line in (self.data_dir / "starts-0").read_text().split()]
        return []


@contextlib.contextmanager
def parent(target: str, data_dir: Path, *, workers: int = 1) -> Iterator[Parent]:
    started = Parent(target, data_dir, workers=workers)
    try:
        yield started
    except BaseException:
        print(started.said())
        raise
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(started.process.pid, signal.SIGKILL)
        started.process.wait(10)
        started.log.close()


def alive(pid: int) -> bool:
    """Not gone, and not only waiting to be reaped."""
    with contextlib.suppress(OSError):
        return ") Z " not in Path(f"/proc/{pid}/stat").read_text()
    return False


def test_a_killed_worker_is_replaced_within_a_second_and_the_other_stays(tmp_path: Path) -> None:
    with parent("real", tmp_path, workers=2) as started:
        workers = started.wait_ready(2)
        assert len(workers) == 2, "the workers are its only children: no tracker of shared memory"
        before = time.monotonic()
        os.kill(workers[0], signal.SIGKILL)
        eventually(lambda: len(set(started.children()) - {workers[0]}) == 2, what="a new worker")
        assert time.monotonic() - before < 1.0
        assert workers[1] in started.children()
        assert "died (exit code -9), starting again in 0.1 s" in started.said()


def test_a_worker_that_dies_at_once_is_started_later_and_later(tmp_path: Path) -> None:
    with parent("dies", tmp_path) as started:
        eventually(lambda: len(started.starts()) >= 5, what="five starts")
        times = started.starts()[:5]
        gaps = [b - a for a, b in itertools.pairwise(times)]
        assert all(gap >= wanted for gap, wanted in zip(gaps, (0.1, 0.2, 0.4, 0.8), strict=True)), gaps
        started.process.terminate()
        assert started.process.wait(5) == 0, "it ends also while it waits to start one"


def test_a_worker_that_cannot_run_with_this_data_ends_all_with_status_1(tmp_path: Path) -> None:
    """A store of a newer format: no start in a row would mend it, and `everlog up` should say so soon."""
    with parent("refuses", tmp_path, workers=2) as started:
        assert started.process.wait(10) == 1
        said = started.said()
        assert "worker 1 cannot run" in said
        assert "starting again" not in said
        assert "Traceback" not in said
        assert not any(alive(pid) for pid in started.children())


def test_workers_end_by_themselves_when_their_parent_is_killed(tmp_path: Path) -> None:
    with parent("real", tmp_path, workers=2) as started:
        workers = started.wait_ready(2)
        started.process.kill()
        eventually(lambda: not any(alive(pid) for pid in workers), 2.0, what="the workers are gone")


@pytest.mark.parametrize("whole_group", [False, True])
def test_sigterm_drains_the_workers(tmp_path: Path, whole_group: bool) -> None:
    """supervisord tells the whole group, and the parent its workers: they must not take that for a second SIGTERM."""
    with parent("real", tmp_path, workers=2) as started:
        workers = started.wait_ready(2)
        if whole_group:
            os.killpg(started.process.pid, signal.SIGTERM)
        else:
            started.process.terminate()
        assert started.process.wait(10) == 0
        assert not any(alive(pid) for pid in workers)
        said = started.said()
        assert "worker 0 ends" in said
        assert "worker 1 ends" in said
        assert "partitiond ends" in said


def test_a_second_sigterm_ends_everything_at_once(tmp_path: Path) -> None:
    with parent("stuck", tmp_path) as started:
        eventually(started.starts, what="the worker runs")
        (worker,) = started.children()
        started.process.terminate()
        eventually(lambda: "partitiond drains" in started.said(), what="it drains")
        assert started.process.poll() is None
        started.process.terminate()
        assert started.process.wait(2) == 1
        assert alive(worker), "it hears nothing: supervisord kills what is left of the group"
