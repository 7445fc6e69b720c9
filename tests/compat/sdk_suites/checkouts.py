"""A checkout of an SDK's repository: its test services, installed outside of both trees, started and killed.

Known are the Python SDK (`test-services/`) and the TypeScript SDK (`packages/tests/restate-e2e-services/`). The SDK
itself comes from PyPI or npm, in the checkout's version or the one that EVERLOG_SDK_VERSION names; building it from
the checkout would take a Rust compiler.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import eventually, free_ports

__all__ = ["Checkout", "TestServices", "find_checkouts", "running_services"]

_INSTALL_S = 600.0
_LISTEN_S = 60.0
_TYPESCRIPT = Path("packages/tests/restate-e2e-services")
#: Node 20 lacks what the SDK uses; the services of the suites need no heap dumps.
_POLYFILL = Path(__file__).resolve().parents[3] / "scripts" / "benchmark" / "node" / "polyfill.mjs"


class Checkout:
    """`sdk`: "python" or "typescript"."""

    def __init__(self, path: Path) -> None:
        self.path = path
        if (path / "test-services" / "testservices.py").is_file():
            self.sdk = "python"
            found = re.search(r'^version = "(.*)"', (path / "Cargo.toml").read_text(), re.MULTILINE)
            self.version = found[1] if found else ""
        elif (path / _TYPESCRIPT / "src" / "app.ts").is_file():
            self.sdk = "typescript"
            self.version = json.loads((path / "packages/libs/restate-sdk/package.json").read_text())["version"]
        else:
            raise ValueError(f"{path} is no checkout of the Python or the TypeScript SDK")
        self.version = os.environ.get("EVERLOG_SDK_VERSION", self.version)

    def install(self) -> Path:
        """A folder with the SDK, made once a version. Skips the test, saying why, when it cannot be had."""
        digest = hashlib.sha256(f"{self.sdk}{self.version}{sys.version}".encode()).hexdigest()[:16]
        cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "everlog-sdk-suites"
        home = cache / digest
        if home.is_dir():
            return home
        making = cache / f"{digest}.{os.getpid()}"
        making.mkdir(parents=True)
        try:
            for command in self._install_commands(home if self.sdk == "python" else making):
                subprocess.run(command, cwd=making, check=True, capture_output=True, text=True, timeout=_INSTALL_S)
            if self.sdk == "typescript":
                (making / "node_modules" / "heapdump").mkdir()
                (making / "node_modules" / "heapdump" / "index.js").write_text("exports.writeSnapshot = () => {};\n")
                making.rename(home)
        except (OSError, subprocess.SubprocessError) as error:
            shutil.rmtree(home, ignore_errors=True)
            text = getattr(error, "stderr", "") or ""
            pytest.skip(f"{self.sdk} SDK {self.version} cannot be installed and is NOT tested: {error} {text[-400:]}")
        finally:
            shutil.rmtree(making, ignore_errors=True)
        return home

    def _install_commands(self, home: Path) -> list[list[str]]:
        if self.sdk == "python":
            packages = [f"restate-sdk[serde]=={self.version}", "hypercorn"]
            # A virtual environment cannot be moved, so it is made where it stays.
            return [
                [sys.executable, "-m", "venv", str(home)],
                [str(home / "bin" / "python"), "-m", "pip", "install", "-q", *packages],
            ]
        names = ["restate-sdk", "restate-sdk-clients"]
        packages = [f"@restatedev/{name}@{self.version}" for name in names]
        npm = shutil.which("npm") or "npm"
        return [
            [npm, "init", "-y"],
            [npm, "pkg", "set", "type=module"],
            [npm, "install", "--ignore-scripts", "--no-audit", "--no-fund", *packages, "uuid@9", "tsx", "vitest"],
        ]


class TestServices:
    """The test services in a process of their own, on a port that stays."""

    __test__ = False

    def __init__(self, checkout: Checkout, folder: Path, environ: dict[str, str]) -> None:
        (self.port,) = free_ports(1)
        self.uri = f"http://127.0.0.1:{self.port}"
        self.log = folder / "services.log"
        self.folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        self._environ = {**os.environ, "PORT": str(self.port), "RESTATE_LOGGING": "ERROR", **environ}
        self._command = self._prepare(checkout, checkout.install())

    def start(self) -> None:
        """Returns once they listen."""
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command, cwd=self.folder, env=self._environ, stdout=log, stderr=log, start_new_session=True
            )
        eventually(self._listens, _LISTEN_S, what=f"the test services listen; see {self.log}")

    def stop(self, number: signal.Signals = signal.SIGKILL) -> None:
        """All its processes are gone when it returns."""
        if self._process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, number)
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        self._process = None

    def _prepare(self, checkout: Checkout, home: Path) -> list[str]:
        """Copy the services beside the SDK that they import; -> what starts them."""
        if checkout.sdk == "python":
            services = checkout.path / "test-services"
            shutil.copytree(services, self.folder, dirs_exist_ok=True)
            # One process, unlike in the checkout: the services count attempts in memory.
            options = ["--config", "hypercorn-config.toml", "--workers", "0", "--bind", f"127.0.0.1:{self.port}"]
            return [str(home / "bin" / "python"), "-m", "hypercorn", "testservices:app", *options]
        shutil.copytree(checkout.path / _TYPESCRIPT / "src", self.folder / "src")
        shutil.copytree(checkout.path / _TYPESCRIPT / "test", self.folder / "test")
        (self.folder / "node_modules").symlink_to(home / "node_modules")
        shutil.copy(home / "package.json", self.folder)
        shutil.copy(_POLYFILL, self.folder)
        node = shutil.which("node") or "node"
        return [node, "--expose-gc", "--import", "./polyfill.mjs", "--import", "tsx", "src/app.ts"]

    def _listens(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, f"the test services ended: {self.log.read_text()[-2000:]}"
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0


def find_checkouts() -> list[Checkout]:
    """Those that EVERLOG_SDK_CHECKOUTS names, separated by colons."""
    names = os.environ.get("EVERLOG_SDK_CHECKOUTS", "")
    return [Checkout(Path(name).resolve()) for name in names.split(os.pathsep) if name]


@contextlib.contextmanager
def running_services(checkout: Checkout, folder: Path, environ: dict[str, str]) -> Iterator[TestServices]:
    """Started in `folder`, killed at the end."""
    services = TestServices(checkout, folder, environ)
    try:
        services.start()
        yield services
    finally:
        services.stop()
