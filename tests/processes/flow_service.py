"""Handlers that note when they begin and end to run, for tests of flow control.

FLOW_FILE in the environment: one line for each beginning, `+ <invocation> <scope> <limit key or ->`, and for each end,
`- <invocation>`; `!` when this process starts, so that nothing of an earlier one runs any more.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import uuid
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import restate

_FILE = Path(os.environ["FLOW_FILE"])

flow = restate.Service(
    "Flow",
    invocation_retry_policy=restate.InvocationRetryPolicy(initial_interval=timedelta(milliseconds=50), max_attempts=9),
)
#: It suspends as soon as it waits; a failed attempt is followed by the next one after three seconds.
idle = restate.Service(
    "FlowIdle",
    inactivity_timeout=timedelta(0),
    invocation_retry_policy=restate.InvocationRetryPolicy(initial_interval=timedelta(seconds=3), max_attempts=9),
)
keyed = restate.VirtualObject("FlowObject")
once = restate.Workflow("FlowOnce")


def _note(line: str) -> None:
    with _FILE.open("a") as file:
        file.write(line + "\n")


@contextlib.asynccontextmanager
async def _noted(ctx: restate.Context) -> AsyncIterator[None]:
    request = ctx.request()
    _note(f"+ {request.id} {request.scope or '-'} {request.limit_key or '-'}")
    try:
        yield
    finally:
        _note(f"- {request.id}")


async def _work(ctx: restate.Context, milliseconds: int) -> str:
    async with _noted(ctx):
        await asyncio.sleep(milliseconds / 1000)
        return uuid.uuid4().hex


@flow.handler()
async def work(ctx: restate.Context, milliseconds: int) -> str:
    """Be busy for so long."""
    return await _work(ctx, milliseconds)


@flow.handler()
async def hold(ctx: restate.Context, name: str) -> str:
    """Be busy until there is a file of this name beside FLOW_FILE."""
    async with _noted(ctx):
        gone = ctx.request().attempt_finished_event
        gate = _FILE.with_name(name)
        while not gate.exists() and not gone.is_set():  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        return name


@flow.handler()
async def where(ctx: restate.Context) -> dict[str, Any]:
    """What the runtime told of this invocation."""
    request = ctx.request()
    return {"scope": request.scope, "limit_key": request.limit_key, "idempotency_key": request.idempotency_key}


@flow.handler()
async def fan(ctx: restate.Context, order: dict[str, Any]) -> list[str]:
    """Call `work` so many times at once in a scope, with a limit key, and wait for all."""
    scoped = ctx.scope(order["scope"])
    calls = [
        scoped.service_call(work, order["milliseconds"], limit_key=order.get("limit_key"))
        for _ in range(order["count"])
    ]
    return [await call for call in calls]


@flow.handler()
async def callees(ctx: restate.Context, scope: str | None) -> dict[str, Any]:
    """What callees see: called with a scope and a limit key, with a scope alone, and as if there were none."""
    within = ctx if scope is None else ctx.scope(scope)
    told: dict[str, Any] = {"plain": await ctx.service_call(where, None)}
    told["scoped"] = await within.service_call(where, None)
    if scope is not None:
        told["limited"] = await ctx.scope(scope).service_call(where, None, limit_key="gold/eu", idempotency_key="k")
        told["object"] = await ctx.scope(scope).object_call(put, "shared", "of the scope")
        told["workflow"] = await ctx.scope(scope).workflow_call(run, "shared", None)
    return told


@idle.handler()
async def sleep(ctx: restate.Context, milliseconds: int) -> str:
    """Run, suspend for so long, and run again."""
    async with _noted(ctx):
        await ctx.sleep(timedelta(milliseconds=milliseconds))
        return "slept"


@idle.handler()
async def fail_until(ctx: restate.Context, name: str) -> str:
    """Fail until there is a file of this name beside FLOW_FILE."""
    async with _noted(ctx):
        if not _FILE.with_name(name).exists():
            raise ValueError(f"there is no {name} yet")
        return name


@keyed.handler()
async def put(ctx: restate.ObjectContext, value: str) -> str | None:
    """Set the value and return the one before it."""
    before = await ctx.get("value", type_hint=str)
    ctx.set("value", value)
    return before


@keyed.handler("work")
async def work_keyed(ctx: restate.ObjectContext, milliseconds: int) -> str:
    """Be busy for so long, with the object's lock."""
    return await _work(ctx, milliseconds)


@once.main()
async def run(ctx: restate.WorkflowContext) -> dict[str, Any]:
    """What the runtime told of this run; keeps a promise for `peek`."""
    await ctx.promise("scope", type_hint=str).resolve(ctx.request().scope or "none")
    return {"scope": ctx.request().scope, "limit_key": ctx.request().limit_key}


@once.handler()
async def peek(ctx: restate.WorkflowSharedContext) -> str | None:
    """The scope that the run has kept."""
    return await ctx.promise("scope", type_hint=str).peek()


app = restate.app([flow, idle, keyed, once])
_note("!")
