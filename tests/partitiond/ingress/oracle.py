"""The oracle whose ingress we match, with our test services registered at it."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from tests.conftest import free_ports
from tests.fakes.private_oracle import PrivateOracle, private_oracle

__all__ = ["Oracle", "running_oracle"]

_SERVICES = Path(__file__).with_name("oracle_services.py")


class Oracle(NamedTuple):
    """`manifest`: what our services say at discovery."""

    server: PrivateOracle
    manifest: bytes

    @property
    def ingress(self) -> str:
        return self.server.ingress

    def query(self, sql: str) -> list[dict[str, Any]]:
        """Rows of its SQL."""
        return self.server.query(sql)


@contextlib.contextmanager
def running_oracle(path: Path) -> Iterator[Oracle]:
    """Started in `path` on free ports. Skips the test, saying why, when it cannot be had."""
    port = free_ports(1)[0]
    command = [sys.executable, str(_SERVICES), str(port)]
    with private_oracle(path) as server, (path / "services.log").open("wb") as log:
        manifest = subprocess.run([*command, "manifest"], check=True, capture_output=True, timeout=20).stdout
        with subprocess.Popen(command, stdout=log, stderr=log) as services:
            try:
                server.register(f"http://127.0.0.1:{port}")
                yield Oracle(server, manifest)
            finally:
                services.kill()
