"""Runs sdk_services.py under hypercorn in a process of its own, which a test can kill."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

from tests.conftest import eventually, free_ports

__all__ = ["SdkServer"]

_FOLDER = Path(__file__).parent


class SdkServer:
    """HTTP/1.1 and h2c on one port. `traces`: what handlers note there outlives the process."""

    def __init__(self, traces: Path, **options: object) -> None:
        """`options`: hypercorn's configuration."""
        self.traces = traces
        self._file = traces / "hypercorn.toml"
        self._file.write_text("".join(f"{name} = {value}\n" for name, value in options.items()))
        (self.port,) = free_ports(1)
        self._process: subprocess.Popen[bytes] | None = None
        self.start()

    @property
    def uri(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        command = [sys.executable, "-m", "hypercorn", "--bind", f"127.0.0.1:{self.port}", "--workers", "0"]
        with (self.traces / "hypercorn.log").open("ab") as log:
            self._process = subprocess.Popen(
                [*command, "--config", str(self._file), "sdk_services:app"],
                cwd=_FOLDER,
                env=os.environ | {"TRACES": str(self.traces)},
                stderr=log,
                stdout=subprocess.DEVNULL,
            )
        eventually(self._answers, 20.0, what="hypercorn answers")

    def kill(self) -> None:
        """As the kernel does it."""
        assert self._process is not None
        self._process.send_signal(signal.SIGKILL)
        self._process.wait(10)
        self._process = None

    def close(self) -> None:
        if self._process is not None:
            self.kill()

    def count(self, name: str) -> int:
        """How often a handler noted this."""
        path = self.traces / name
        return path.stat().st_size if path.exists() else 0

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.uri}/health", timeout=1):
                return True
        except OSError:
            return False
