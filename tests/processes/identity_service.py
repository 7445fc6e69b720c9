"""Services of the Python SDK that take signed requests only, for hypercorn. IDENTITY_KEYS: public keys, by comma."""

from __future__ import annotations

import os

import restate

who = restate.VirtualObject("Who")
hello = restate.Service("Hello")


@who.handler()
async def key(ctx: restate.ObjectContext, _: str) -> str:
    return ctx.key()


@hello.handler()
async def greet(ctx: restate.Context, name: str) -> str:
    """With a call of its own, which is signed as well."""
    answer = await ctx.object_call(key, key=name, arg="")
    return f"Hello, {answer}!"


app = restate.app([who, hello], identity_keys=os.environ["IDENTITY_KEYS"].split(","))
