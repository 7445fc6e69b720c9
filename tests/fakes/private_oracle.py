"""A Restate server of a test's own, with flow control, scopes and service protocol v7 switched on.

Not the one on the fixed ports: whatever others do to that one, a poisoned partition for one, would fail us here.
Found by EVERLOG_ORACLE, at `../shared/oracle/restate` beside the repository, or in npm's registry. Owns: the cache
that npm fills.
"""

from __future__ import annotations

import contextlib
import json
import os
import platform
import shutil
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from scripts.benchmark.owned import CommandError, run_command
from tests.conftest import eventually, free_ports

__all__ = ["PrivateOracle", "cli_binary", "oracle_binary", "private_oracle"]

_ROOT = Path(__file__).resolve().parents[2]
_VERSION = "1.7.12"
_INSTALL_S = 240.0
_START_S = 30.0


class PrivateOracle(NamedTuple):
    """`ingress`, `admin`: base URLs."""

    ingress: str
    admin: str

    def call(self, method: str, path: str, body: Any) -> Any:
        """The admin API's answer to a JSON body. Raises urllib's HTTPError."""
        headers = {"content-type": "application/json", "accept": "application/json"}
        request = urllib.request.Request(self.admin + path, json.dumps(body).encode(), headers, method=method)
        with urllib.request.urlopen(request, timeout=20) as response:
            return json.loads(response.read())

    def query(self, sql: str) -> list[dict[str, Any]]:
        """Rows of its SQL."""
        rows: list[dict[str, Any]] = self.call("POST", "/query", {"query": sql})["rows"]
        return rows

    def register(self, uri: str) -> None:
        """Once the deployment serves."""
        eventually(lambda: self._register(uri), _START_S, what=f"{uri} is registered at the oracle")

    def _register(self, uri: str) -> bool:
        try:
            self.call("POST", "/deployments", {"uri": uri})
        except urllib.error.HTTPError as error:
            error.close()
            return False
        return True


@contextlib.contextmanager
def private_oracle(path: Path, **environment: str) -> Iterator[PrivateOracle]:
    """Started in `path` on free ports, with these variables. Skips the test, saying why, when it cannot be had."""
    binary = oracle_binary()
    ports = free_ports(3)
    ingress, admin = (f"http://127.0.0.1:{port}" for port in ports[:2])
    command = [binary, "--node-name", "oracle", "--base-dir", str(path / "data")]
    with (
        (path / "oracle.log").open("wb") as log,
        subprocess.Popen(command, stdout=log, stderr=log, env=_environment(*ports) | environment) as process,
    ):
        try:
            eventually(lambda: _is_healthy(admin, ingress), _START_S, what=f"the oracle is up: {path / 'oracle.log'}")
            yield PrivateOracle(ingress, admin)
        finally:
            process.kill()


def oracle_binary() -> str:
    """Its path. Skips the test, saying why, when it cannot be had."""
    if Path(_path()).exists():
        return _existing(Path(_script("bin")))
    return _of_npm("restate-server", "restate-server")


def cli_binary() -> str:
    """The path of the official command line. Skips the test, saying why, when it cannot be had."""
    if Path(_path()).exists():
        beside = Path(_script("bin")).parents[2] / "restate-linux-x64" / "bin" / "restate"
        if beside.exists():
            return str(beside)
    return _of_npm("restate", "restate")


def _of_npm(package: str, program: str) -> str:
    machine = {"x86_64": "x64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
    name = f"@restatedev/{package}-{platform.system().lower()}-{machine}"
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    home = cache / f"everlog-oracle-{_VERSION}" / package
    binary = home / "node_modules" / name / "bin" / program
    if not binary.exists():
        _install(home, f"{name}@{_VERSION}")
    return _existing(binary)


def _existing(binary: Path) -> str:
    if not binary.exists():
        pytest.skip(f"NOT COMPARED WITH THE ORACLE: {binary} does not exist")
    return str(binary)


def _path() -> str:
    return os.environ.get("EVERLOG_ORACLE") or str(_ROOT.parent / "shared" / "oracle" / "restate")


def _script(*arguments: str) -> str:
    try:
        done = subprocess.run([_path(), *arguments], capture_output=True, text=True, timeout=_INSTALL_S, check=True)
    except (OSError, subprocess.SubprocessError) as error:
        pytest.skip(f"NOT COMPARED WITH THE ORACLE: {_path()} {arguments}: {error}")
    return done.stdout.strip()


def _install(home: Path, package: str) -> None:
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("NOT COMPARED WITH THE ORACLE: npm is missing")
    making = home.with_name(f"{home.name}.{os.getpid()}")
    making.mkdir(parents=True)
    try:
        command = [npm, "install", "--prefix", str(making), "--ignore-scripts", "--no-audit", "--no-fund", package]
        run_command(command, within_s=_INSTALL_S, folder=making)
        # Renamed when it is whole: an interrupted install is not taken for one.
        making.rename(home)
    except (OSError, CommandError) as error:
        if home.exists():
            return  # Another worker was faster.
        pytest.skip(f"NOT COMPARED WITH THE ORACLE: {package} cannot be installed: {error}")
    finally:
        shutil.rmtree(making, ignore_errors=True)


def _environment(ingress_port: int, admin_port: int, node_port: int) -> dict[str, str]:
    return os.environ | {
        "DO_NOT_TRACK": "1",
        "RESTATE_DISABLE_TELEMETRY": "true",
        "RESTATE_LOG_FILTER": "warn",
        "RESTATE_DEFAULT_NUM_PARTITIONS": "4",
        "RESTATE_LISTEN_MODE": "tcp",
        "RESTATE_BIND_IP": "127.0.0.1",
        "RESTATE_INGRESS__BIND_PORT": str(ingress_port),
        "RESTATE_ADMIN__BIND_PORT": str(admin_port),
        "RESTATE_BIND_PORT": str(node_port),
        "RESTATE_EXPERIMENTAL_ENABLE_VQUEUES": "true",
        "RESTATE_EXPERIMENTAL_ENABLE_SCOPED_VIRTUAL_OBJECTS": "true",
        "RESTATE_EXPERIMENTAL_ENABLE_PROTOCOL_V7": "true",
        "RESTATE_WORKER__RULE_BOOK_POLL_INTERVAL": "1s",
    }


def _is_healthy(admin: str, ingress: str) -> bool:
    try:
        for url in (f"{admin}/health", f"{ingress}/restate/health"):
            with urllib.request.urlopen(url, timeout=2):
                pass
    except OSError:
        return False
    return True
