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


async def _serve(bind: str) -> None:
    import hypercorn.asyncio
    import hypercorn.config
    from restate.server import install_shutdown_hook

    config = hypercorn.config.Config()
    config.bind = [bind]
    config.graceful_timeout = 0.5
    stop = asyncio.Event()
    # The SDK takes SIGTERM for itself, so that hypercorn never hears of it.
    install_shutdown_hook(asyncio.get_running_loop(), stop.set)
    await hypercorn.asyncio.serve(app, config, shutdown_trigger=stop.wait)


def main() -> None:
    """Serve HTTP/2 without TLS (h2c) until SIGTERM."""
    parser = argparse.ArgumentParser(prog="python -m scripts.benchmark.endpoint_python")
    parser.add_argument("--bind", required=True, metavar="HOST:PORT")
    asyncio.run(_serve(parser.parse_args().bind))


if __name__ == "__main__":
    main()
