"""Calls to the supervisord of a running node, over its Unix socket."""

from __future__ import annotations

import http.client
import socket
import xmlrpc.client
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from shared.errors import UnavailableError

__all__ = ["ProgramStatus", "program_statuses", "restart_program"]

_TIMEOUT_S = 5.0


@dataclass(frozen=True, slots=True)
class ProgramStatus:
    """One program, as supervisord sees it."""

    name: str
    #: starting, running, backoff (died early, is tried again soon), stopping, stopped, exited
    state: str
    #: 0 while there is no process.
    pid: int
    uptime_s: float
    restarts: int
    #: Starts in a row that ended within a second.
    failed_starts: int
    #: How the last process ended: `SIGKILL`, `exit status 1`; empty: none has.
    last_exit: str


class _Connection(http.client.HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=_TIMEOUT_S)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(_TIMEOUT_S)
        self.sock.connect(str(self._path))


class _Transport(xmlrpc.client.Transport):
    def __init__(self, path: Path) -> None:
        super().__init__()
        self._path = path

    def make_connection(self, host: Any) -> http.client.HTTPConnection:
        return _Connection(self._path)


def _call(run_path: Path, method: str, *arguments: Any) -> Any:
    transport = _Transport(run_path / "supervisor.sock")
    with xmlrpc.client.ServerProxy("http://localhost/RPC2", transport=transport, allow_none=True) as proxy:
        try:
            return getattr(proxy, f"everlog.{method}")(*arguments)
        except (OSError, http.client.HTTPException, xmlrpc.client.Error) as error:
            raise UnavailableError(f"supervisord does not answer on {run_path / 'supervisor.sock'}: {error}") from error


def program_statuses(run_path: Path) -> list[ProgramStatus]:
    """Every program of the node. Raises UnavailableError when supervisord does not answer."""
    return [ProgramStatus(**row) for row in cast(list[dict[str, Any]], _call(run_path, "programs"))]


def restart_program(run_path: Path, name: str) -> bool:
    """Ask for one program's restart; False when there is none of this name. Returns before it is done."""
    return bool(_call(run_path, "restart", name))
