"""An object whose state is changed from outside while its calls wait."""

from __future__ import annotations

import restate

ledger = restate.VirtualObject("Ledger")


@ledger.handler()
async def append(ctx: restate.ObjectContext, text: str) -> str:
    log = (await ctx.get("log") or "") + text
    ctx.set("log", log)
    return log


@ledger.handler()
async def hold(ctx: restate.ObjectContext) -> str:
    """Holds the object until its awakeable, whose id is its state, is resolved."""
    awakeable_id, result = ctx.awakeable()
    ctx.set("awakeable", awakeable_id)
    return str(await result)


app = restate.app([ledger])
