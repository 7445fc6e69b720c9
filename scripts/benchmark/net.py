"""Loopback: free ports and small HTTP calls. Owns: one connection a call."""

from __future__ import annotations

import http.client
import json
import random
import socket
import time
from collections.abc import Callable
from typing import Any

from shared.errors import UnavailableError

__all__ = ["call", "call_json", "free_ports", "patch_json", "wait_for"]

#: Below what the kernel gives to outgoing connections (32768 up), so that none of those takes a port meanwhile.
_FIRST_PORT, _LAST_PORT = 20000, 32000
_POLL_S = 0.02


def free_ports(count: int) -> list[int]:
    """Ports on loopback that nobody listens on now, all different."""
    ports: list[int] = []
    while len(ports) < count:
        port = random.SystemRandom().randrange(_FIRST_PORT, _LAST_PORT)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        if port not in ports:
            ports.append(port)
    return ports


def call(port: int, path: str, *, body: str | None = None, timeout_s: float = 5.0, method: str = "") -> tuple[int, str]:
    """GET, or POST of a JSON body: (status, answer). Raises UnavailableError when nobody answers in time."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout_s)
    headers = {"accept": "application/json"} | ({} if body is None else {"content-type": "application/json"})
    try:
        connection.request(method or ("GET" if body is None else "POST"), path, body=body, headers=headers)
        response = connection.getresponse()
        return response.status, response.read().decode(errors="replace")
    except (OSError, http.client.HTTPException) as error:
        raise UnavailableError(f"port {port} does not answer {path}: {error}") from error
    finally:
        connection.close()


def call_json(port: int, path: str, body: Any, *, timeout_s: float) -> tuple[int, str]:
    """POST a value as JSON."""
    return call(port, path, body=json.dumps(body), timeout_s=timeout_s)


def patch_json(port: int, path: str, body: Any, *, timeout_s: float) -> tuple[int, str]:
    """PATCH with a value as JSON."""
    return call(port, path, body=json.dumps(body), timeout_s=timeout_s, method="PATCH")


def wait_for(
    attempt: Callable[[], str], *, within_s: float, what: str, alive: Callable[[], bool] = lambda: True
) -> None:
    """Repeat `attempt` until it returns '' (else it says why not yet). Raises UnavailableError when time is over.

    Or at once when `alive` says that the process it is about has ended.
    """
    deadline = time.monotonic() + within_s
    while True:
        try:
            reason = attempt()
        except UnavailableError as error:
            reason = str(error)
        if not reason:
            return
        if not alive():
            raise UnavailableError(f"{what}: it has ended ({reason})")
        if time.monotonic() > deadline:
            raise UnavailableError(f"{what} within {within_s:.0f} s: {reason}")
        time.sleep(_POLL_S)
