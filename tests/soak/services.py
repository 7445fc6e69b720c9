"""The soak's service processes. Owns: them."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
from pathlib import Path
from typing import Protocol

from scripts.benchmark.services import installed_sdk
from shared.errors import EverlogError
from tests.conftest import eventually, free_ports
from tests.processes.endpoint import Endpoint

__all__ = ["Service", "python_service", "typescript_service"]


class Service(Protocol):
    """A process that can be killed and started again on its port."""

    name: str
    uri: str

    def start(self) -> None: ...

    def kill(self) -> None: ...


class PythonService(Endpoint):
    """Served by hypercorn."""

    name = "python-service"


def python_service(folder: Path, steps_file: Path) -> Service:
    """`tests/soak/service.py`."""
    return PythonService("tests.soak.service:app", folder, STEPS_FILE=str(steps_file))


class TypescriptService:
    """`tests/soak/service.mjs` on Node."""

    name = "typescript-service"

    def __init__(self, node: str, folder: Path) -> None:
        (self._port,) = free_ports(1)
        self.uri = f"http://127.0.0.1:{self._port}"
        self._command = [node, "service.mjs", str(self._port)]
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with (self._folder / "log").open("ab") as log:
            environment = os.environ | {"RESTATE_LOGGING": "ERROR"}
            self._process = subprocess.Popen(
                self._command, cwd=self._folder, env=environment, stdout=log, stderr=log, start_new_session=True
            )
        eventually(self._listens, 20, what="the TypeScript service listens")

    def kill(self) -> None:
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._process = None

    def _listens(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self._port)) == 0


def typescript_service(folder: Path) -> Service | str:
    """Where Node or the SDK is missing: a sentence that says so."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        return "node or npm is missing: without the TypeScript service"
    try:
        sdk = installed_sdk(npm)
    except (OSError, EverlogError) as error:
        return f"without the TypeScript service, its SDK cannot be installed: {error}"
    folder.mkdir()
    for name in ("node_modules", "polyfill.mjs", "package.json"):
        (folder / name).symlink_to(sdk / name)
    shutil.copy(Path(__file__).with_name("service.mjs"), folder)
    return TypescriptService(node, folder)
