"""The real Restate server, from its script beside the repository or from npm. Owns: the cache that npm fills."""

from __future__ import annotations

import os
import platform
import shutil
from pathlib import Path

import pytest

from scripts.benchmark.owned import CommandError, run_command
from tests.partitiond.ingress.oracle import oracle_binary, oracle_script

__all__ = ["server_binary"]

_VERSION = "1.7.12"
_INSTALL_WITHIN_S = 240.0


def server_binary() -> str:
    """Its path. Skips the test, saying why, when it cannot be had."""
    if oracle_script().exists():
        return oracle_binary()
    machine = {"x86_64": "x64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
    package = f"@restatedev/restate-server-{platform.system().lower()}-{machine}"
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    home = cache / f"everlog-oracle-{_VERSION}"
    binary = home / "node_modules" / package / "bin" / "restate-server"
    if not binary.exists():
        _install(home, f"{package}@{_VERSION}")
    if not binary.exists():
        pytest.skip(f"NOT COMPARED WITH THE ORACLE: {package} of npm has no {binary}")
    return str(binary)


def _install(home: Path, package: str) -> None:
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("NOT COMPARED WITH THE ORACLE: npm is missing")
    making = home.with_name(f"{home.name}.{os.getpid()}")
    making.mkdir(parents=True)
    try:
        command = [npm, "install", "--prefix", str(making), "--ignore-scripts", "--no-audit", "--no-fund", package]
        run_command(command, within_s=_INSTALL_WITHIN_S, folder=making)
        # Renamed when it is whole: an interrupted install is not taken for one.
        if not home.exists():
            making.rename(home)
    except (OSError, CommandError) as error:
        pytest.skip(f"NOT COMPARED WITH THE ORACLE: {package} cannot be installed: {error}")
    finally:
        shutil.rmtree(making, ignore_errors=True)
