"""A whole node of real programs: `everlog up --detach` on free ports and a directory of its own."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from scripts.node.procfs import process_age_s
from tests import twice
from tests.conftest import eventually, free_ports

__all__ = ["Node", "running_node"]

_ROOT = Path(__file__).resolve().parents[2]


class Node:
    """One node. `settings` become EVERLOG_* variables (partitions=2, workers=1, log_level="DEBUG").

    `command`: the module that is `everlog`.
    """

    def __init__(self, data_dir: Path, *, command: str = "scripts.cli.main", **settings: object) -> None:
        self._command = command
        self.data_dir = data_dir
        self.ingress_port, self.admin_port, self.sql_port = free_ports(3)
        self.ingress = f"http://127.0.0.1:{self.ingress_port}"
        self.admin = f"http://127.0.0.1:{self.admin_port}"
        ports = {"ingress_port": self.ingress_port, "admin_port": self.admin_port, "sql_port": self.sql_port}
        clean = {name: value for name, value in os.environ.items() if not name.startswith("EVERLOG_")}
        chosen = {f"EVERLOG_{name.upper()}": str(value) for name, value in {**ports, **settings}.items()}
        self._environ = {**clean, **chosen, "PYTHONPATH": str(_ROOT)}

    def everlog(self, verb: str, *words: str, timeout: float = 60.0) -> subprocess.CompletedProcess[str]:
        """Run one verb of the command line on this node."""
        command = [sys.executable, "-P", "-m", self._command, verb, *words, "--data-dir", str(self.data_dir)]
        return subprocess.run(command, env=self._environ, capture_output=True, text=True, timeout=timeout)

    def up(self) -> None:
        """Start, also after everything was killed; ready when it returns."""
        done = self.everlog("up", "--detach")
        assert done.returncode == 0, f"{done.stdout}{done.stderr}"

    def down(self) -> None:
        """Stop; nothing of it runs when it returns."""
        done = self.everlog("down")
        assert done.returncode == 0, f"{done.stdout}{done.stderr}"

    def status(self) -> dict[str, Any]:
        """What `everlog status --json` says."""
        report: dict[str, Any] = json.loads(self.everlog("status", "--json").stdout)
        return report

    def pid(self, program: str) -> int:
        """The process of `logd`, `metad`, `partitiond`, `sqld`, `ingress`, `worker-<n>` or `supervisord`."""
        report = self.status()
        if program == "supervisord":
            return int(report["pid"])
        if program.startswith("worker-"):
            number = int(program.removeprefix("worker-"))
            return int(next(row["pid"] for row in report["workers"] if row["worker"] == number) or 0)
        return int(next(row["pid"] for row in report["programs"] if row["name"] == program) or 0)

    def kill(self, program: str, number: signal.Signals = signal.SIGKILL) -> int:
        """Kill it as soon as it has a process; returns the killed pid. supervisord starts it again."""
        pid = eventually(lambda: self.pid(program), what=f"{program} has a process")
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)
        return pid

    def kill_all(self) -> None:
        """Every process of the node at once, supervisord first, as at a power cut. Start it again with `up`."""
        pids = self.processes()
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        eventually(lambda: not self.processes(), what="all processes are gone")

    def wait_ready(self, timeout: float = 30.0) -> None:
        """Until the admin API says that the node can serve."""
        eventually(lambda: self.status().get("ready"), timeout, what="the node is ready")

    def processes(self) -> list[int]:
        """Every living process of the node, supervisord first."""
        found: list[int] = []
        mark = os.fsencode(self.data_dir)
        for entry in Path("/proc").iterdir():
            with contextlib.suppress(OSError):
                if entry.name.isdigit() and mark in (entry / "cmdline").read_bytes():
                    found.append(int(entry.name))
        # Workers carry no data directory in their command line; they are children of one that does.
        for pid in list(found):
            with contextlib.suppress(OSError):
                children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
                found += [int(child) for child in children if int(child) not in found]
        # By age, for pids begin anew: a supervisord that lives on starts again what is killed before it.
        return sorted(found, key=lambda pid: (-(process_age_s(pid) or 0.0), pid))

    def logs(self, program: str) -> str:
        """All that a program has said."""
        with contextlib.suppress(FileNotFoundError):
            return (self.data_dir / "logs" / f"{program}.log").read_text()
        return ""


@contextlib.contextmanager
def running_node(*, replayed: bool = True, **settings: object) -> Iterator[Node]:
    """A started node, stopped at the end; its logs are printed when the test fails.

    `replayed`: its logs must give its stores, see `tests.twice`. False for a test that damages them.
    """
    folder = Path(tempfile.mkdtemp(prefix="everlog-"))
    node = Node(folder / "data", **settings)
    passed = False
    try:
        node.up()
        yield node
        passed = True
    except BaseException:
        for file in sorted((node.data_dir / "logs").glob("*.log")):
            print(f"--- {file.name}\n{file.read_text()[-4000:]}")
        raise
    finally:
        node.everlog("down")
        if passed and replayed:
            twice.gather(node.data_dir)
        shutil.rmtree(folder, ignore_errors=True)
