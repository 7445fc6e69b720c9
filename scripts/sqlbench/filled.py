"""A runtime with so many completed invocations. Owns: it, by the `Owned` it was given."""

from __future__ import annotations

import asyncio
import signal
import time
from dataclasses import dataclass
from pathlib import Path

from scripts.benchmark.load import find_wrk
from scripts.benchmark.net import call_json, wait_for
from scripts.benchmark.owned import Owned, run_command
from scripts.benchmark.targets import Oracle
from scripts.laden.batches import Load
from scripts.laden.fill import fill
from scripts.laden.node import Node
from scripts.sqlbench.questions import count_of
from shared.errors import UnavailableError

__all__ = ["Filled", "filled_everlog", "filled_oracle"]

_FILL = Path(__file__).with_name("fill.lua")
_REPLAY_WITHIN_S = 3600.0
_FILL_SLICE_S = 5


@dataclass(frozen=True, slots=True)
class Filled:
    """Where it answers. `sql_port` 0: it has no PostgreSQL wire protocol."""

    side: str
    count: int
    ingress_port: int
    admin_port: int
    sql_port: int = 0


def filled_everlog(owned: Owned, folder: Path, uri: str, count: int, arguments: list[str]) -> Filled:
    """The commands are written to the log of a node that is down; its processors make rows of them as of any."""
    node = Node(owned, folder / "data", arguments)
    node.start(within_s=60.0)
    deployment = _register(node.admin_port, uri)
    node.stop()
    logd = node.start_logd()
    try:
        asyncio.run(fill(node.settings, Load(count), deployment, commands_of_a_record=128))
    finally:
        logd.send_signal(signal.SIGKILL)
        logd.wait()
    node.start(within_s=_REPLAY_WITHIN_S)
    return Filled("everlog", count, node.ingress_port, node.admin_port, node.settings.sql_port)


def filled_oracle(owned: Owned, folder: Path, uri: str, count: int, oracle: Oracle) -> Filled:
    """By calls, for there is no other way: some thousand a second."""
    running = oracle.start(owned, folder)
    _register(running.admin_port, uri)
    wait_for(lambda: _unasked(running.admin_port), within_s=60.0, what="the oracle takes no query")
    deadline = time.monotonic() + _REPLAY_WITHIN_S
    first = 0
    while (have := count_of(running.admin_port)) < count:
        if time.monotonic() > deadline:
            raise UnavailableError(f"the oracle has {have} of {count} invocations")
        seconds = min(_FILL_SLICE_S, 1 + (count - have) // 2000)
        command = [find_wrk(), "--threads", "1", "--connections", "64", "--duration", f"{seconds}s"]
        command += [
            "--script",
            str(_FILL),
            f"http://127.0.0.1:{running.ingress_port}",
            "--",
            "/Cheap/greet",
            str(first),
        ]
        run_command(command, within_s=seconds + 60.0)
        # More keys than calls that can have been made in the time.
        first += 1_000_000
    return Filled(oracle.configuration, have, running.ingress_port, running.admin_port)


def _unasked(admin_port: int) -> str:
    """Healthy before its partitions have leaders, it answers 500."""
    count_of(admin_port)
    return ""


def _register(admin_port: int, uri: str) -> str:
    status, text = call_json(admin_port, "/deployments", {"uri": uri}, timeout_s=30.0)
    if status not in (200, 201):
        raise UnavailableError(f"registering answered {status}: {text}")
    found = text.partition('"id":"')[2].partition('"')[0]
    return found
