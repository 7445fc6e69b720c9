"""A virtual object: each key has its own state, and one handler at a time that may change it."""

from __future__ import annotations

import restate

counter = restate.VirtualObject("Counter", description="A number for each key.")


@counter.handler()
async def add(ctx: restate.ObjectContext, delta: int) -> int:
    """Add to the number and return the sum. Adds to one key never overlap."""
    value = (await ctx.get("value", type_hint=int) or 0) + delta
    ctx.set("value", value)
    return value


@counter.handler(kind="shared")
async def get(ctx: restate.ObjectSharedContext) -> int:
    """Read the number, also while an add is running."""
    return await ctx.get("value", type_hint=int) or 0


@counter.handler()
async def reset(ctx: restate.ObjectContext) -> None:
    """Forget the number."""
    ctx.clear("value")
