"""What all tests share: free ports and a wait with a deadline."""

from __future__ import annotations

import random
import socket
import sys
import time
from collections.abc import Callable, Iterator
from typing import TypeVar

import pytest

__all__ = ["eventually", "free_ports"]

#: What a test says that is skipped, and that should not be anywhere but where the program cannot be had.
_LOUD = "NOT COMPARED WITH THE ORACLE"

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


@pytest.fixture(scope="session", autouse=True)
def logs_give_the_same_bytes_twice() -> Iterator[None]:
    """At the end of a worker's session: all logs of its nodes and simulations once more, in two processes."""
    yield
    # Whoever puts a log aside has imported it; the others need not wait for that.
    twice = sys.modules.get("tests.twice")
    found = [] if twice is None else twice.differences()
    assert not found, "\n".join(found)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Comparisons that did not take place are told in red, with what would make them take place."""
    reasons: dict[str, int] = {}
    for report in terminalreporter.getreports("skipped"):
        reason = str(report.longrepr[2]) if isinstance(report.longrepr, tuple) else str(report.longrepr)
        if _LOUD in reason:
            reasons[reason] = reasons.get(reason, 0) + 1
    for reason, count in reasons.items():
        terminalreporter.write_line(f"{count} tests skipped: {reason}", red=True, bold=True)
    if reasons:
        terminalreporter.write_line(
            "To compare: install Node 20 and npm, by which the Restate server 1.7.12 is installed; or name a script in "
            "EVERLOG_ORACLE, or put it at ../shared/oracle/restate, that prints the path when called with `bin`.",
            red=True,
        )
