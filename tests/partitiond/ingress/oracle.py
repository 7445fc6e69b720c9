"""An oracle of our own: the real server whose ingress we match, with our test services registered at it.

Not the one on the fixed ports: whatever others do to that one, a poisoned partition for one, would fail us here.
Found by EVERLOG_ORACLE or at `../shared/oracle/restate` beside the repository.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.conftest import eventually, free_ports

__all__ = ["Oracle", "child", "environment", "oracle_binary", "running_oracle", "wait_healthy"]

_ROOT = Path(__file__).resolve().parents[3]
_SERVICES = Path(__file__).with_name("oracle_services.py")
_INSTALL_S = 60.0
_START_S = 30.0


class Oracle(NamedTuple):
    """`ingress`, `admin`: base URLs. `manifest`: what our services say at discovery."""

    ingress: str
    admin: str
    manifest: bytes

    def query(self, sql: str) -> list[dict[str, Any]]:
        """Rows of its SQL."""
        rows: list[dict[str, Any]] = _call(f"{self.admin}/query", {"query": sql})["rows"]
        return rows


@contextlib.contextmanager
def running_oracle(path: Path) -> Iterator[Oracle]:
    """Started in `path` on free ports. Skips the test, saying why, when it cannot be had."""
    binary = oracle_binary()
    ports = free_ports(4)
    ingress, admin, services = (f"http://127.0.0.1:{port}" for port in (ports[0], ports[1], ports[3]))
    command = [sys.executable, str(_SERVICES), str(ports[3])]
    manifest = subprocess.run([*command, "manifest"], check=True, capture_output=True, timeout=20).stdout
    with (
        (path / "oracle.log").open("wb") as log,
        child([binary, "--node-name", "oracle", "--base-dir", str(path)], log, environment(*ports[:3])),
        child(command, log, dict(os.environ)),
    ):
        wait_healthy(admin, ingress)
        eventually(lambda: _register(admin, services), _START_S, what="the services are registered")
        yield Oracle(ingress, admin, manifest)


def oracle_binary() -> str:
    """Where the server is. Skips the test, saying why, when it cannot be had."""
    script = os.environ.get("EVERLOG_ORACLE") or str(_ROOT.parent / "shared" / "oracle" / "restate")
    try:
        done = subprocess.run([script, "bin"], capture_output=True, text=True, timeout=_INSTALL_S, check=True)
    except (OSError, subprocess.SubprocessError) as error:
        pytest.skip(f"NOT COMPARED WITH THE ORACLE: {script} bin: {error}")
    binary = done.stdout.strip()
    if not Path(binary).exists():
        pytest.skip(f"NOT COMPARED WITH THE ORACLE: {script} bin names {binary!r}, which does not exist")
    return binary


def environment(ingress_port: int, admin_port: int, node_port: int) -> dict[str, str]:
    """What makes it a quiet server of four partitions on these ports."""
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
    }


@contextlib.contextmanager
def child(command: list[str], log: Any, environ: dict[str, str]) -> Iterator[None]:
    """A process that is killed at the end."""
    with subprocess.Popen(command, stdout=log, stderr=log, env=environ) as process:
        try:
            yield
        finally:
            process.kill()


def wait_healthy(admin: str, ingress: str) -> None:
    """Until it serves."""
    eventually(lambda: _is_healthy(admin, ingress), _START_S, what="the oracle is up")


def _is_healthy(admin: str, ingress: str) -> bool:
    try:
        for url in (f"{admin}/health", f"{ingress}/restate/health"):
            with urllib.request.urlopen(url, timeout=2):
                pass
    except OSError:
        return False
    return True


def _register(admin: str, services: str) -> bool:
    """False: they do not serve yet."""
    try:
        _call(f"{admin}/deployments", {"uri": services})
    except urllib.error.HTTPError as error:
        error.close()
        return False
    return True


def _call(url: str, body: Any) -> Any:
    headers = {"content-type": "application/json", "accept": "application/json"}
    request = urllib.request.Request(url, json.dumps(body).encode(), headers)
    with urllib.request.urlopen(request, timeout=20) as response:
        return json.loads(response.read())
