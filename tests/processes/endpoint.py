"""A service endpoint of the official Python SDK under hypercorn, that can be killed and started again."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from tests.conftest import eventually, free_ports
from tests.processes.node import Node

__all__ = ["Endpoint", "running_endpoint"]

_ROOT = Path(__file__).resolve().parents[2]


class Endpoint:
    """`application` is what hypercorn serves, `module:name`. Its output goes to `log`.

    `certificate`, (certificate file, key file), makes it serve TLS.
    """

    def __init__(
        self, application: str, folder: Path, *, certificate: tuple[Path, Path] | None = None, **environ: str
    ) -> None:
        (self.port,) = free_ports(1)
        self.uri = f"{'https' if certificate else 'http'}://127.0.0.1:{self.port}"
        self._tls = [f"--certfile={certificate[0]}", f"--keyfile={certificate[1]}"] if certificate else []
        self.log = folder / f"endpoint-{self.port}.log"
        self._application = application
        self._environ = {**os.environ, "PYTHONPATH": str(_ROOT), **environ}
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Returns once it listens."""
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [
                    sys.executable,
                    "-m",
                    "hypercorn",
                    "--workers",
                    "0",
                    "--bind",
                    f"127.0.0.1:{self.port}",
                    *self._tls,
                    self._application,
                ],
                env=self._environ,
                cwd=_ROOT,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        eventually(self._listens, 20, what=f"{self._application} listens")

    def kill(self) -> None:
        """kill -9 of all its processes."""
        if self._process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._process = None

    def register(self, node: Node) -> None:
        """Make the node know its services."""
        request = urllib.request.Request(
            f"{node.admin}/deployments",
            data=json.dumps({"uri": self.uri}).encode(),
            headers={"content-type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=30) as response:
            assert response.status in (200, 201)

    def _listens(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0


@contextlib.contextmanager
def running_endpoint(application: str, folder: Path, **environ: str) -> Iterator[Endpoint]:
    """A started endpoint, killed at the end."""
    endpoint = Endpoint(application, folder, **environ)
    endpoint.start()
    try:
        yield endpoint
    finally:
        endpoint.kill()
