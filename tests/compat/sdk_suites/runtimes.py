"""The runtime under test: a fresh Everlog node, or the oracle with the same settings, to see what is right.

The oracle is found by EVERLOG_ORACLE or at `../shared/oracle/restate` beside the repository.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import pytest

from tests.compat.sdk_suites.configurations import Configuration
from tests.conftest import eventually, free_ports
from tests.processes.node import Node, running_node

__all__ = ["Runtime", "running_runtime"]

_ROOT = Path(__file__).resolve().parents[3]
_START_S = 60.0


class Runtime(Protocol):
    """What a test may do to it."""

    name: str
    ingress: str
    admin: str

    def stop_and_start(self) -> None:
        """As an operator does."""

    def kill_and_start(self) -> None:
        """All of it with SIGKILL, as at a power cut."""


@contextlib.contextmanager
def running_runtime(name: str, configuration: Configuration) -> Iterator[Runtime]:
    """`name`: "everlog" or "oracle"; stopped at the end."""
    if name == "everlog":
        settings: dict[str, object] = {"partitions": 4, "workers": 2, "cleanup_interval_s": 1}
        with running_node(**{**settings, **configuration.everlog}) as node:
            yield _Everlog(node)
    else:
        folder = Path(tempfile.mkdtemp(prefix="oracle-"))
        oracle = _Oracle(folder, configuration.oracle)
        try:
            oracle.start()
            yield oracle
        finally:
            oracle.stop(signal.SIGKILL)
            shutil.rmtree(folder, ignore_errors=True)


class _Everlog:
    name = "everlog"

    def __init__(self, node: Node) -> None:
        self._node = node
        self.ingress, self.admin = node.ingress, node.admin

    def stop_and_start(self) -> None:
        self._node.down()
        self._node.up()

    def kill_and_start(self) -> None:
        self._node.kill_all()
        self._node.up()


class _Oracle:
    name = "oracle"

    def __init__(self, folder: Path, environ: dict[str, str]) -> None:
        ingress, admin, node = free_ports(3)
        self.ingress, self.admin = f"http://127.0.0.1:{ingress}", f"http://127.0.0.1:{admin}"
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        self._environ = {
            **os.environ,
            "DO_NOT_TRACK": "1",
            "RESTATE_DISABLE_TELEMETRY": "true",
            "RESTATE_LOG_FILTER": "warn",
            "RESTATE_DEFAULT_NUM_PARTITIONS": "4",
            "RESTATE_LISTEN_MODE": "tcp",
            "RESTATE_BIND_IP": "127.0.0.1",
            "RESTATE_WORKER__CLEANUP_INTERVAL": "1s",
            "RESTATE_EXPERIMENTAL_ENABLE_VQUEUES": "true",
            "RESTATE_EXPERIMENTAL_ENABLE_PROTOCOL_V7": "true",
            **environ,
            "RESTATE_INGRESS__BIND_PORT": str(ingress),
            "RESTATE_ADMIN__BIND_PORT": str(admin),
            "RESTATE_BIND_PORT": str(node),
        }

    def start(self) -> None:
        command = [_oracle_binary(), "--node-name", "oracle", "--base-dir", str(self._folder)]
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(command, env=self._environ, stdout=log, stderr=log)
        eventually(self._is_healthy, _START_S, what="the oracle is up")

    def stop(self, number: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(number)
            self._process.wait(_START_S)
            self._process = None

    def stop_and_start(self) -> None:
        self.stop(signal.SIGTERM)
        self.start()

    def kill_and_start(self) -> None:
        self.stop(signal.SIGKILL)
        self.start()

    def _is_healthy(self) -> bool:
        try:
            for url in (f"{self.admin}/health", f"{self.ingress}/restate/health"):
                with urllib.request.urlopen(url, timeout=2):
                    pass
        except OSError:
            return False
        return True


def _oracle_binary() -> str:
    script = os.environ.get("EVERLOG_ORACLE") or str(_ROOT.parent / "shared" / "oracle" / "restate")
    try:
        done = subprocess.run([script, "bin"], capture_output=True, text=True, timeout=_START_S, check=True)
    except (OSError, subprocess.SubprocessError) as error:
        pytest.skip(f"NOT RUN ON THE ORACLE: {script} bin: {error}")
    return done.stdout.strip()
