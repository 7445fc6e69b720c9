"""Handlers that stay in one status until somebody does something with them."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import restate

from tests.compat.python.declare import attempts, object_, service

life = service("Life", inactivity_timeout=timedelta(milliseconds=50), journal_retention=timedelta(days=1))
lock = object_("Lock", inactivity_timeout=timedelta(milliseconds=50))
busy = service("Busy", inactivity_timeout=timedelta(hours=1), abort_timeout=timedelta(hours=1))
failing = service(
    "Failing",
    inactivity_timeout=timedelta(seconds=5),
    invocation_retry_policy=restate.InvocationRetryPolicy(initial_interval=timedelta(hours=1)),
)
forgetful = service("Forgetful", journal_retention=timedelta(0), idempotency_retention=timedelta(milliseconds=1))


@life.handler()
async def ends(ctx: restate.Context, value: Any) -> Any:
    return await ctx.run_typed("step", lambda: value)


@life.handler()
async def fails(ctx: restate.Context) -> Any:
    raise restate.TerminalError("failed", status_code=417)


@life.handler()
async def waits(ctx: restate.Context) -> Any:
    await ctx.run_typed("step", lambda: 1)
    await ctx.sleep(timedelta(hours=1))
    return "slept"


@lock.handler()
async def holds(ctx: restate.ObjectContext) -> Any:
    """Holds the key while it waits for a signal."""
    ctx.set("held", 1)
    return await ctx.signal("let go")


@lock.handler()
async def takes(ctx: restate.ObjectContext, value: Any) -> Any:
    ctx.set("taken", value)
    return [value, await ctx.get("held")]


@busy.handler()
async def works(ctx: restate.Context) -> Any:
    """Computes: nothing is awaited that the runtime knows of."""
    await ctx.run_typed("step", lambda: 1)
    await asyncio.sleep(3600)


@failing.handler()
async def once(ctx: restate.Context) -> Any:
    """Would be tried again in an hour."""
    await ctx.run_typed("step", lambda: 1)
    if attempts(ctx) == 1:
        raise ValueError("not yet")
    return "at the second"


@forgetful.handler()
async def ends(ctx: restate.Context, value: Any) -> Any:  # noqa: F811 - another service's
    return value
