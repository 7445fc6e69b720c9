"""The services, and either runtime, started for one play and stopped with it. Owns: their processes."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import urllib.error
from collections.abc import Iterator, Mapping
from pathlib import Path

from tests.compat.official_cli.play import Play
from tests.compat.official_cli.steps import Step
from tests.conftest import eventually, free_ports
from tests.fakes.private_oracle import PrivateOracle, cli_binary, private_oracle
from tests.processes.node import running_node

__all__ = ["play_on_everlog", "play_on_oracle"]

_ROOT = Path(__file__).resolve().parents[3]
_START_S = 30.0

#: As it is installed: what it shows with virtual queues on is in `tests/compat`.
_PLAIN = {
    "RESTATE_EXPERIMENTAL_ENABLE_VQUEUES": "false",
    "RESTATE_EXPERIMENTAL_ENABLE_SCOPED_VIRTUAL_OBJECTS": "false",
    "RESTATE_EXPERIMENTAL_ENABLE_PROTOCOL_V7": "false",
}


def play_on_everlog(
    folder: Path, chapters: Mapping[str, tuple[Step, ...]], *, seldom: bool
) -> dict[str, dict[str, str]]:
    """-> by chapter, by command: what was printed. Skips the test, saying why, when there is no command line."""
    binary = cli_binary()
    with _services(folder) as services, running_node(partitions=2, workers=1) as node:
        play = Play(
            binary, folder, ingress=node.ingress, admin=node.admin, services=services, nobody=_nobody(), seldom=seldom
        )
        return {name: play.chapter(steps) for name, steps in chapters.items()}


def play_on_oracle(folder: Path, chapters: Mapping[str, tuple[Step, ...]]) -> dict[str, dict[str, str]]:
    """The same of the real Restate. Skips the test, saying why, when it cannot be had."""
    binary = cli_binary()
    with _services(folder) as services, private_oracle(folder, **_PLAIN) as oracle:
        # It is ready before its partitions can be asked.
        eventually(lambda: _can_be_asked(oracle), _START_S, what="the oracle answers queries")
        play = Play(binary, folder, ingress=oracle.ingress, admin=oracle.admin, services=services, nobody=_nobody())
        return {name: play.chapter(steps) for name, steps in chapters.items()}


def _can_be_asked(oracle: PrivateOracle) -> bool:
    try:
        oracle.query("SELECT id FROM sys_invocation")
    except urllib.error.HTTPError:
        return False
    return True


def _nobody() -> str:
    return f"http://127.0.0.1:{free_ports(1)[0]}"


@contextlib.contextmanager
def _services(folder: Path) -> Iterator[str]:
    """Their base URL."""
    (port,) = free_ports(1)
    command = [sys.executable, "-m", "tests.compat.official_cli.services", str(port)]
    environment = os.environ | {"PYTHONPATH": str(_ROOT), "RESTATE_LOGGING": "ERROR"}
    with (
        (folder / "services.log").open("wb") as log,
        subprocess.Popen(command, stdout=log, stderr=log, env=environment) as process,
    ):
        try:
            eventually(lambda: _listens(port), _START_S, what=f"the services of {folder / 'services.log'} listen")
            yield f"http://127.0.0.1:{port}"
        finally:
            process.kill()


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
