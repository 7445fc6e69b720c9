"""Clients that wait: connections with a call in flight that is not answered. Owns: them.

Each call is of `Burden/wait`, which suspends until an awakeable is resolved that nobody resolves. So none of them holds
an attempt, as few services' callers do for long: what is asked is what their waiting costs the others.
"""

from __future__ import annotations

import os
import resource
import select
import socket
import sys
from pathlib import Path

from scripts.benchmark.net import call_json, free_ports, wait_for
from scripts.benchmark.owned import Owned
from scripts.node.readiness import port_answers
from shared.errors import UnavailableError

__all__ = ["Waiting", "raise_file_limit", "start_waiting_service"]

_ROOT = Path(__file__).resolve().parents[2]
_REQUEST = (
    b"POST /Burden/wait HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}"
)
_SUSPENDED = "SELECT COUNT(*) AS n FROM sys_invocation_status WHERE status = 'suspended'"
_SUSPENDED_WITHIN_S = 300.0
#: Files of a process that are no waiting client's.
_OTHER_FILES = 1000


def raise_file_limit(clients: int) -> None:
    """So many sockets for us and for what we start. Raises UnavailableError when the system gives fewer."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = clients + _OTHER_FILES
    if most != resource.RLIM_INFINITY and most < wanted:
        raise UnavailableError(f"{clients} waiting clients want {wanted} files a process; `ulimit -Hn` is {most}")
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def start_waiting_service(owned: Owned, folder: Path) -> str:
    """The service that they wait for; its address."""
    (port,) = free_ports(1)
    environment = {**os.environ, "PYTHONPATH": str(_ROOT)}
    command = [sys.executable, "-P", "-m", "scripts.burden.service", str(port)]
    owned.spawn(command, log=folder / "waiting.log", environment=environment, folder=_ROOT)
    wait_for(lambda: "" if port_answers("127.0.0.1", port) else "silent", within_s=10.0, what="the waiting service")
    return f"http://127.0.0.1:{port}"


class Waiting:
    """`count` of them, as a context; `check` says whether any was answered."""

    def __init__(self, ingress_port: int, admin_port: int, count: int) -> None:
        self._address = ("127.0.0.1", ingress_port)
        self._admin_port = admin_port
        self._count = count
        self._sockets: list[socket.socket] = []

    def __enter__(self) -> Waiting:
        try:
            for _ in range(self._count):
                connection = socket.create_connection(self._address, timeout=30.0)
                self._sockets.append(connection)
                connection.sendall(_REQUEST)
        except OSError as error:
            self._close()
            raise UnavailableError(f"client {len(self._sockets)} of {self._count} cannot call: {error}") from error
        try:
            wait_for(self._problem, within_s=_SUSPENDED_WITHIN_S, what="the clients do not all wait")
        except UnavailableError:
            self._close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._close()

    def check(self) -> str:
        """Why the run does not count: some wait no more. '' when all do."""
        poll = select.poll()
        for connection in self._sockets:
            poll.register(connection, select.POLLIN | select.POLLHUP | select.POLLERR)
        ready = {number for number, _ in poll.poll(0)}
        first = next((each for each in self._sockets if each.fileno() in ready), None)
        if first is None:
            return ""
        try:
            said = first.recv(200)
        except OSError as error:
            said = str(error).encode()
        return f"{len(ready)} of the waiting clients were answered: {said!r}"

    def _problem(self) -> str:
        status, text = call_json(self._admin_port, "/query", {"query": _SUSPENDED}, timeout_s=60.0)
        return "" if status == 200 and f'"n":{self._count}}}' in text.replace(" ", "") else f"{status} {text[:200]}"

    def _close(self) -> None:
        for connection in self._sockets:
            connection.close()
        self._sockets.clear()
