"""Services of the official Python SDK that the invoker's tests call. Served by hypercorn, see sdk.py."""

from __future__ import annotations

import asyncio
import os
from datetime import timedelta
from pathlib import Path

import restate

#: A folder that outlives the process: handlers count in it what they did.
_TRACES = Path(os.environ.get("TRACES", "/nonexistent"))

greeter = restate.Service("Greeter")
steps = restate.Service("Steps")
counter = restate.VirtualObject("Counter")
flow = restate.Workflow("Flow")


def trace(name: str) -> int:
    """Note one more `name`; how many there were before."""
    path = _TRACES / name
    before = path.stat().st_size if path.exists() else 0
    with path.open("a") as file:
        file.write("x")
    return before


@greeter.handler()
async def greet(ctx: restate.Context, name: str) -> str:
    return f"Hello {name}"


@steps.handler()
async def run_twice(ctx: restate.Context, name: str) -> list[int]:
    first = await ctx.run_typed("first", lambda: trace(f"{name}-first"))
    second = await ctx.run_typed("second", lambda: trace(f"{name}-second"))
    return [first, second]


@steps.handler()
async def run_fails_once(ctx: restate.Context, name: str) -> int:
    def flaky() -> int:
        before = trace(name)
        if before == 0:
            raise RuntimeError("the first time is bad")
        return before

    options: restate.RunOptions[int] = restate.RunOptions(initial_retry_interval=timedelta(milliseconds=20))
    return await ctx.run_typed("flaky", flaky, options)


@steps.handler()
async def fails_once(ctx: restate.Context, name: str) -> str:
    await ctx.run_typed("step", lambda: trace(f"{name}-step"))
    if trace(name) == 0:
        raise RuntimeError("once is never")
    return "done"


@steps.handler()
async def terminal(ctx: restate.Context, name: str) -> str:
    raise restate.TerminalError(f"no {name}", status_code=418)


@steps.handler()
async def sleep(ctx: restate.Context, ms: int) -> str:
    await ctx.sleep(timedelta(milliseconds=ms))
    return "slept"


@steps.handler()
async def await_awakeable(ctx: restate.Context, name: str) -> str:
    awakeable_id, promise = ctx.awakeable(type_hint=str)
    await ctx.run_typed("publish", lambda: (_TRACES / name).write_text(awakeable_id))
    return await promise


@steps.handler()
async def call(ctx: restate.Context, name: str) -> str:
    return "called: " + await ctx.service_call(greet, arg=name)


@steps.handler()
async def call_all(ctx: restate.Context, name: str) -> list[str]:
    await ctx.object_call(add, key=name, arg=3)
    ctx.object_send(add, key=name, arg=4)
    value = await ctx.object_call(get, key=name, arg=None)
    return [str(value), await ctx.workflow_call(run, key=name, arg="wf")]


@steps.handler()
async def call_many(ctx: restate.Context, argument: list[int]) -> list[str]:
    """What so many greeters say, at its end, if asked for, the id of the last one."""
    count, asks = argument
    calls = [ctx.service_call(greet, arg=f"{number}") for number in range(count)]
    ids = [await calls[-1].invocation_id()] if asks else []
    await restate.gather(*calls)
    return [*[await each for each in calls], *ids]


@steps.handler()
async def stop_in_the_middle(ctx: restate.Context, name: str) -> str:
    """The test kills this process at the second step, the first time."""
    first = await ctx.run_typed("first", lambda: trace(f"{name}-first"))

    async def second() -> int:
        if trace(f"{name}-second") == 0:
            await asyncio.sleep(60)
        return 2

    return f"{first} {await ctx.run_typed('second', second)}"


@counter.handler()
async def add(ctx: restate.ObjectContext, amount: int) -> int:
    value = (await ctx.get("value", type_hint=int) or 0) + amount
    ctx.set("value", value)
    return value


@counter.handler(kind="shared")
async def get(ctx: restate.ObjectSharedContext) -> int:
    return await ctx.get("value", type_hint=int) or 0


@counter.handler(enable_lazy_state=True)
async def add_lazily(ctx: restate.ObjectContext, amount: int) -> int:
    value = (await ctx.get("value", type_hint=int) or 0) + amount
    ctx.set("value", value)
    return value


@counter.handler()
async def fill(ctx: restate.ObjectContext, size: int) -> list[int]:
    """Write a text of this size; fails behind that, the first time. -> sizes of the one before it, and of it."""
    before = len(await ctx.get("text", type_hint=str) or "")
    ctx.set("text", "x" * size)
    await ctx.sleep(timedelta(milliseconds=1))  # What is before it is stored.
    if trace(f"fill-{ctx.key()}-{size}") == 0:
        raise RuntimeError("once is never")
    return [before, len(await ctx.get("text", type_hint=str) or "")]


@counter.handler()
async def forget(ctx: restate.ObjectContext) -> list[str]:
    names = await ctx.state_keys()
    ctx.clear_all()
    return list(names)


@flow.main()
async def run(ctx: restate.WorkflowContext, value: str) -> str:
    await ctx.promise("gate", type_hint=str).resolve(value)
    return await ctx.promise("gate", type_hint=str).value()


app = restate.app([greeter, steps, counter, flow])
