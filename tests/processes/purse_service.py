"""Tellers put coins into purses of other partitions, by calls and by sends; and handlers that wait for long."""

from __future__ import annotations

from datetime import timedelta

import restate

PURSES = 12
teller = restate.VirtualObject("Teller")
purse = restate.VirtualObject("Purse")
waiter = restate.VirtualObject("Waiter")


@purse.handler()
async def put(ctx: restate.ObjectContext, coins: int) -> int:
    held: int = (await ctx.get("coins", type_hint=int) or 0) + coins
    ctx.set("coins", held)
    return held


@teller.handler()
async def work(ctx: restate.ObjectContext, rounds: int) -> int:
    """In each round one coin by a call and one by a send."""
    for number in range(rounds):
        await ctx.object_call(put, key=f"p{(number * 7 + len(ctx.key())) % PURSES}", arg=1)
        ctx.object_send(put, key=f"p{(number * 5 + 1) % PURSES}", arg=1)
    return rounds


@waiter.handler()
async def nap(ctx: restate.ObjectContext, milliseconds: int) -> str:
    await ctx.sleep(timedelta(milliseconds=milliseconds))
    return "awake"


@waiter.handler()
async def hold(ctx: restate.ObjectContext) -> str:
    """Tells the id of what it waits for by its state."""
    name, awaited = ctx.awakeable(type_hint=str)
    ctx.set("awakeable", name)
    answer: str = await awaited
    return answer


@waiter.handler(kind="shared")
async def held(ctx: restate.ObjectSharedContext) -> str | None:
    return await ctx.get("awakeable", type_hint=str)


app = restate.app([teller, purse, waiter])
