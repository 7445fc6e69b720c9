"""A service, an object and a workflow as users write them with the official SDK, for the cases of the admin API.

`python -m tests.compat.admin.sdk_services PORT` serves them as a process, which `sdk_process` starts and kills.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import restate
from hypercorn.asyncio import serve
from hypercorn.config import Config

from tests.conftest import eventually, free_ports

__all__ = ["sdk_app", "sdk_process"]

_ROOT = Path(__file__).resolve().parents[3]


@contextlib.contextmanager
def sdk_process() -> Iterator[str]:
    """The URI of the services. Their handlers may wait for ever: the process is killed."""
    (port,) = free_ports(1)
    command = [sys.executable, "-m", __name__, str(port)]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    with subprocess.Popen(command, cwd=_ROOT, **quiet) as process:
        try:
            eventually(lambda: _listens(port), 30.0, what="the SDK's services listen")
            yield f"http://127.0.0.1:{port}"
        finally:
            process.kill()


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def sdk_app() -> Any:
    """An ASGI application."""
    greeter = restate.Service("Greeter", description="greets", metadata={"team": "blue"})
    counter = restate.VirtualObject("Counter")
    signup = restate.Workflow("Signup")

    @greeter.handler()
    async def greet(ctx: restate.Context, name: str) -> str:
        return f"Hello {name}"

    @greeter.handler()
    async def wait(ctx: restate.Context, name: str) -> str:
        """Until somebody ends it."""
        _, promise = ctx.awakeable()
        return str(await promise)

    @counter.handler()
    async def add(ctx: restate.ObjectContext, by: int) -> int:
        return by

    @counter.handler(kind="shared")
    async def peek(ctx: restate.ObjectSharedContext) -> int:
        return 0

    @signup.main()
    async def run(ctx: restate.WorkflowContext, email: str) -> bool:
        return True

    @signup.handler()
    async def click(ctx: restate.WorkflowSharedContext, secret: dict[str, str]) -> None:
        return None

    return restate.app([greeter, counter, signup])


if __name__ == "__main__":
    config = Config()
    config.bind = [f"127.0.0.1:{sys.argv[1]}"]
    asyncio.run(serve(sdk_app(), config))
