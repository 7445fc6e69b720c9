"""The parent of the partition workers with the workers of a test.

    python -m tests.partitiond.parent_process TARGET --data-dir D

TARGET: `real`, `dies` (at once, after it wrote down the time), `stuck` (does not drain), `refuses`
(worker 1 cannot run with this data).
"""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

from partitiond import worker
from partitiond.parent import WorkerTarget, serve
from shared.daemon import run_blocking


def dies(index: int, data_dir: str) -> None:
    """A worker that cannot start."""
    with (Path(data_dir) / f"starts-{index}").open("a") as file:
        file.write(f"{time.monotonic()}\n")
    os._exit(3)


def stuck(index: int, data_dir: str) -> None:
    """A worker that hears no signal but SIGKILL."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    (Path(data_dir) / f"starts-{index}").write_text("0\n")
    time.sleep(60)


def refuses(index: int, data_dir: str) -> None:
    """Worker 1 finds a store of a newer format; the others run."""
    if index == 1:
        os._exit(worker.EXIT_CONFIG)
    worker.main(index, data_dir)


TARGETS: dict[str, WorkerTarget] = {"real": worker.main, "dies": dies, "stuck": stuck, "refuses": refuses}


if __name__ == "__main__":
    _name = sys.argv.pop(1)
    run_blocking("partitiond", lambda settings: serve(settings, TARGETS[_name]))
