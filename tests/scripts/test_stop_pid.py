"""How a node is ended, when whom the lock names is not who holds it."""

from __future__ import annotations

import fcntl
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from scripts.node.launch import stop_pid
from scripts.node.layout import NodeLock, lock_holder
from tests.conftest import eventually

pytestmark = [pytest.mark.processes, pytest.mark.slow]


def test_down_in_the_midst_of_a_start_ends_the_node_that_starts(tmp_path: Path) -> None:
    """`up` has the lock, and its supervisord has not yet written its pid over that of the node before."""
    (tmp_path / "run").mkdir()
    with (tmp_path / "run" / "lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        lock = NodeLock(file.fileno())
        before = subprocess.Popen([sys.executable, "-c", ""])
        before.wait()
        lock.name_holder(before.pid)
        command = [sys.executable, "-c", "import time; time.sleep(60)", "scripts.node"]
        supervisord = subprocess.Popen(command, pass_fds=[file.fileno()])
        stopping = threading.Thread(target=stop_pid, args=(before.pid, tmp_path))
        stopping.start()
        lock.name_holder(supervisord.pid)
    try:
        eventually(lambda: not lock_holder(tmp_path)[0], 10.0, what="who holds the lock has ended")
    finally:
        supervisord.kill()
        supervisord.wait()
        stopping.join()
