"""The real server on ports and in a folder of its own, with the settings that a test wants.

Found by EVERLOG_ORACLE or at `../shared/oracle/restate` beside the repository.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.conftest import eventually, free_ports

__all__ = ["PrivateOracle", "private_oracle"]

_ROOT = Path(__file__).resolve().parents[2]
_INSTALL_S = 120.0
_START_S = 30.0


class PrivateOracle(NamedTuple):
    """Base URLs, named as in `Node`."""

    ingress: str
    admin: str


@contextlib.contextmanager
def private_oracle(folder: Path, **environment: str) -> Iterator[PrivateOracle]:
    """Run it in `folder` with these RESTATE_… and other variables. Skips, saying why, when it cannot be had."""
    binary = _binary()
    ingress, admin, node = free_ports(3)
    own = {
        "DO_NOT_TRACK": "1",
        "RESTATE_DISABLE_TELEMETRY": "true",
        "RESTATE_LOG_FILTER": "warn",
        "RESTATE_DEFAULT_NUM_PARTITIONS": "2",
        "RESTATE_LISTEN_MODE": "tcp",
        "RESTATE_BIND_IP": "127.0.0.1",
        "RESTATE_INGRESS__BIND_PORT": str(ingress),
        "RESTATE_ADMIN__BIND_PORT": str(admin),
        "RESTATE_BIND_PORT": str(node),
    }
    oracle = PrivateOracle(f"http://127.0.0.1:{ingress}", f"http://127.0.0.1:{admin}")
    command = [binary, "--node-name", "oracle", "--base-dir", str(folder / "data")]
    with (
        (folder / "log").open("wb") as log,
        subprocess.Popen(command, stdout=log, stderr=log, env=os.environ | own | environment) as process,
    ):
        try:
            eventually(lambda: _is_healthy(oracle), _START_S, what=f"the oracle is up: {folder / 'log'}")
            yield oracle
        finally:
            process.kill()


def _binary() -> str:
    script = os.environ.get("EVERLOG_ORACLE") or str(_ROOT.parent / "shared" / "oracle" / "restate")
    try:
        done = subprocess.run([script, "bin"], capture_output=True, text=True, timeout=_INSTALL_S, check=True)
    except (OSError, subprocess.SubprocessError) as error:
        pytest.skip(f"NOT COMPARED WITH THE ORACLE: {script} bin: {error}")
    binary = done.stdout.strip()
    if not Path(binary).exists():
        pytest.skip(f"NOT COMPARED WITH THE ORACLE: {script} bin names {binary!r}, which does not exist")
    return binary


def _is_healthy(oracle: PrivateOracle) -> bool:
    try:
        for url in (f"{oracle.admin}/health", f"{oracle.ingress}/restate/health"):
            with urllib.request.urlopen(url, timeout=2):
                pass
    except OSError:
        return False
    return True
