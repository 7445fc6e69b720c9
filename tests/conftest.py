"""What all tests share: free ports and a wait with a deadline."""

from __future__ import annotations

import random
import socket
import time
from collections.abc import Callable
from typing import TypeVar

__all__ = ["eventually", "free_ports"]

T = TypeVar("T")


def free_ports(count: int) -> list[int]:
    """Ports on loopback that nobody listens on now, all different.

    Below the range that the kernel gives to outgoing connections, so that none of those takes one meanwhile.
    """
    first, last = 20000, 32000
    ports: list[int] = []
    while len(ports) < count:
        port = random.SystemRandom().randrange(first, last)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        if port not in ports:
            ports.append(port)
    return ports


def eventually(condition: Callable[[], T], timeout: float = 10.0, *, what: str = "") -> T:
    """The first true value of `condition`, asked again every 10 ms; AssertionError after `timeout` seconds."""
    deadline = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < deadline, f"not within {timeout} s: {what or condition}"
        time.sleep(0.01)
