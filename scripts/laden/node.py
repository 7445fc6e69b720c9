"""A node that is started, killed and looked at. Owns: its processes, by the `Owned` it was given."""

from __future__ import annotations

import contextlib
import http.client
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from scripts.benchmark.net import free_ports, wait_for
from scripts.benchmark.owned import Owned, run_command
from scripts.benchmark.usage import Process, tree_of
from scripts.node.layout import lock_holder
from scripts.node.procfs import command_line
from scripts.node.readiness import socket_peer
from shared.config import Settings, read_settings
from shared.errors import UnavailableError

__all__ = ["Node", "Start"]

_ROOT = Path(__file__).resolve().parents[2]
_TICKS_A_SECOND = os.sysconf("SC_CLK_TCK")
_PROGRAMS = ("logd", "metad", "sqld", "partitiond.ingress", "partitiond")


@dataclass(slots=True)
class Start:
    """One start: seconds until `everlog up` said ready; by process CPU seconds then, and memory, MB (PSS)."""

    ready_s: float
    cpu_s: dict[str, float] = field(default_factory=dict)
    pss_mb: dict[str, float] = field(default_factory=dict)
    #: Load average of the machine, one minute.
    load: float = 0.0


class Node:
    """On `data`, with ports of its own, started as often as one likes."""

    def __init__(self, owned: Owned, data: Path, arguments: Sequence[str]) -> None:
        self._owned = owned
        self.data = data
        self.ingress_port, self.admin_port, self._sql_port = free_ports(3)
        self._arguments = list(arguments)

    @property
    def settings(self) -> Settings:
        """Of the node as it was started last."""
        return read_settings(self.data / "run" / "settings.json")

    def start(self, *, within_s: float) -> Start:
        """Start and wait until it is ready."""
        ports = zip(("ingress", "admin", "sql"), (self.ingress_port, self.admin_port, self._sql_port), strict=True)
        flags = [text for name, port in ports for text in (f"--{name}-port", str(port))]
        up = [sys.executable, "-P", "-m", "scripts.cli.main", "up", "--detach", "--data-dir", str(self.data)]
        environment = {name: value for name, value in os.environ.items() if not name.startswith("EVERLOG_")}
        began = time.monotonic()
        try:
            run_command([*up, *flags, *self._arguments], within_s=within_s, environment=environment)
        finally:
            ready_s = time.monotonic() - began
            pid = lock_holder(self.data)[1]
            if pid is not None:
                self._owned.adopt(pid)
        processes = self.processes()
        return Start(
            ready_s,
            {name: process.ticks / _TICKS_A_SECOND for name, process in processes.items()},
            self.memory(),
            os.getloadavg()[0],
        )

    def kill(self) -> None:
        """SIGKILL to everything of it at once."""
        pid = lock_holder(self.data)[1]
        assert pid is not None, "no node runs"
        for process in tree_of(pid):
            # The supervisor's death ends others before their turn.
            with contextlib.suppress(ProcessLookupError):
                os.kill(process.pid, signal.SIGKILL)
        wait_for(lambda: "its lock is held" if lock_holder(self.data)[0] else "", within_s=10.0, what="killed")

    def chill(self) -> None:
        """The data is on the disk alone, as after the machine was started: none of it is in the page cache."""
        for path in self.data.rglob("*"):
            if path.is_file():
                with path.open("rb") as file:
                    os.fsync(file.fileno())
                    os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)

    def stop(self) -> None:
        """As `everlog down`."""
        run_command(
            [sys.executable, "-P", "-m", "scripts.cli.main", "down", "--data-dir", str(self.data)], within_s=60.0
        )

    def start_logd(self) -> subprocess.Popen[bytes]:
        """logd alone, on the data of a node that is down; the caller kills it."""
        log = (self.data / "logs" / "logd.log").open("ab")
        command = [sys.executable, "-P", "-m", "logd", "--data-dir", str(self.data)]
        process = subprocess.Popen(command, stdout=log, stderr=log, cwd=_ROOT)
        self._owned.adopt(process.pid)
        path = self.data / "run" / "logd.sock"
        wait_for(lambda: "" if socket_peer(path) else "silent", within_s=60.0, what="logd")
        return process

    def processes(self) -> dict[str, Process]:
        """By name: the programs, and the workers of partitiond and sqld."""
        pid = lock_holder(self.data)[1]
        found = {} if pid is None else {process.pid: process for process in tree_of(pid)}
        named: dict[str, Process] = {}
        counts: dict[str, int] = {}
        workers = {socket_peer(path): path.stem for path in (self.data / "run").glob("partitiond-*.sock")}
        for process in found.values():
            name = workers.get(process.pid) or _name(process, found)
            counts[name] = counts.get(name, 0) + 1
            named[name if counts[name] == 1 else f"{name} {counts[name]}"] = process
        return named

    def memory(self) -> dict[str, float]:
        """PSS of each process, MB, without pages of mapped files."""
        return {name: _pss_mb(process.pid) for name, process in self.processes().items()}

    def call(self, path: str, *, key: str = "", within_s: float = 30.0) -> float:
        """Seconds until a call of the ingress is answered with 200."""
        began = time.monotonic()
        connection = http.client.HTTPConnection("127.0.0.1", self.ingress_port, timeout=within_s)
        headers = {"content-type": "application/json"} | ({"idempotency-key": key} if key else {})
        try:
            connection.request("POST", path, body="{}", headers=headers)
            response = connection.getresponse()
            text = response.read().decode(errors="replace")
        except OSError as error:
            raise UnavailableError(f"the ingress does not answer {path}: {error}") from error
        finally:
            connection.close()
        if response.status != 200:
            raise UnavailableError(f"{path} answered {response.status}: {text[:300]}")
        return time.monotonic() - began


def _name(process: Process, found: dict[int, Process]) -> str:
    words = command_line(process.pid).split()
    for name in _PROGRAMS:
        if name in words:
            return name.removeprefix("partitiond.") + (" worker" if "query" in words else "")
    parent = found.get(process.parent)
    return "supervisord" if parent is None else f"{_name(parent, found)} worker"


def _pss_mb(pid: int) -> float:
    """0 for a process that is gone."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0.0
    sizes = {words[0]: int(words[1]) for words in map(str.split, lines) if len(words) == 3 and words[2] == "kB"}
    return sizes.get("Pss_Anon:", sizes.get("Pss:", 0)) / 1024
