"""The service of the `py` rows, with the Python SDK: `python -m scripts.benchmark.endpoint_python --bind HOST:PORT`.

The same handlers as node/service.mjs. Owns: the HTTP server.
"""

from __future__ import annotations

import argparse
import asyncio

import restate


def _append(*, before: str, step: int) -> str:
    return f"{before}-{step}"


greeter = restate.Service("BenchGreeter")
counter = restate.VirtualObject("BenchCounter")


@greeter.handler()
async def greet(ctx: restate.Context, name: str) -> str:
    """No steps: what an invocation costs at least."""
    return f"Hello, {name}!"


@greeter.handler(name="threeSteps")
async def three_steps(ctx: restate.Context, name: str) -> str:
    """Three results that are stored one after the other."""
    for step in (1, 2, 3):
        name = await ctx.run_typed(f"step {step}", _append, before=name, step=step)
    return name


@counter.handler()
async def add(ctx: restate.ObjectContext, delta: int) -> int:
    """Read and write one value of the object."""
    value = (await ctx.get("value", type_hint=int) or 0) + delta
    ctx.set("value", value)
    return value


app = restate.app([greeter, counter])


def main() -> None:
    """Serve HTTP/2 without TLS (h2c) until SIGTERM."""
    import hypercorn.asyncio
    import hypercorn.config

    parser = argparse.ArgumentParser(prog="python -m scripts.benchmark.endpoint_python")
    parser.add_argument("--bind", required=True, metavar="HOST:PORT")
    config = hypercorn.config.Config()
    config.bind = [parser.parse_args().bind]
    config.graceful_timeout = 0.5
    asyncio.run(hypercorn.asyncio.serve(app, config))


if __name__ == "__main__":
    main()
