"""A runtime with so many completed invocations. Owns: it, by the `Owned` it was given."""

from __future__ import annotations

import http.client
import shlex
import time
from pathlib import Path

from scripts.benchmark.net import call_json, wait_for
from scripts.benchmark.owned import Owned
from scripts.benchmark.targets import Everlog, Oracle, Running, Target
from scripts.node.layout import lock_holder
from scripts.node.procfs import listener_of_port
from scripts.sqlbench.filled import filled_everlog, filled_oracle
from shared.errors import UnavailableError

__all__ = ["filled"]

#: Up to here the oracle is filled call by call: the load that fills it takes a second at least, which is too many.
_BY_CALLS_MAX = 10_000


def filled(target: Target, owned: Owned, folder: Path, uri: str, count: int, *, everlog_args: str) -> Running:
    """With the endpoint `uri` registered. Everlog is filled through its log, the oracle by calls of `Cheap/greet`."""
    if isinstance(target, Everlog):
        made = filled_everlog(owned, folder, uri, count, shlex.split(everlog_args))
        pid = lock_holder(folder / "data")[1]
    elif count <= _BY_CALLS_MAX:
        return _called(target, owned, folder, uri, count)
    else:
        assert isinstance(target, Oracle)
        made = filled_oracle(owned, folder, uri, count, target)
        pid = (listener_of_port(made.ingress_port) or (None,))[0]
    if pid is None:
        raise UnavailableError(f"{target.configuration} was filled and is gone")
    return Running(pid, made.ingress_port, made.admin_port, time.monotonic())


def _called(target: Target, owned: Owned, folder: Path, uri: str, count: int) -> Running:
    running = target.start(owned, folder)

    def register() -> str:
        status, text = call_json(running.admin_port, "/deployments", {"uri": uri}, timeout_s=30.0)
        return "" if status in (200, 201) else f"{status} {text[:200]}"

    wait_for(register, within_s=30.0, what=f"{uri} is not registered")
    for number in range(count):
        wait_for(lambda number=number: _call(running, number), within_s=30.0, what="a call")  # type: ignore[misc]
    return running


def _call(running: Running, number: int) -> str:
    connection = http.client.HTTPConnection("127.0.0.1", running.ingress_port, timeout=30.0)
    headers = {"content-type": "application/json", "idempotency-key": f"n{number}"}
    try:
        connection.request("POST", "/Cheap/greet", body='"x"', headers=headers)
        response = connection.getresponse()
        text = response.read()
        return "" if response.status == 200 else f"{response.status} {text[:200]!r}"
    except OSError as error:
        return str(error)
    finally:
        connection.close()
