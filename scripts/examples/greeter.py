"""A service: anybody calls it, any number of calls run at once."""

from __future__ import annotations

import random

import restate

greeter = restate.Service("Greeter", description="Says hello.")

_SALUTATIONS = ("Hello", "Good day", "Welcome")


def _pick_salutation() -> str:
    return random.choice(_SALUTATIONS)


@greeter.handler()
async def greet(ctx: restate.Context, name: str) -> str:
    """The simplest handler: one answer for one name."""
    return f"Hello, {name}!"


@greeter.handler()
async def welcome(ctx: restate.Context, name: str) -> str:
    """A step with an outcome of its own: the salutation is picked once, however often this handler is run again."""
    salutation = await ctx.run_typed("pick a salutation", _pick_salutation)
    return f"{salutation}, {name}!"
