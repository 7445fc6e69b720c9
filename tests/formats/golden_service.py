"""The service of the golden nodes. Never to be changed: their journals are of these handlers, as they are here."""

from __future__ import annotations

from datetime import timedelta

import restate

#: What a golden node remembers must still be there in years.
_KEPT = timedelta(days=36500)

counter = restate.VirtualObject("Counter", idempotency_retention=_KEPT, journal_retention=_KEPT)
mailbox = restate.VirtualObject("Mailbox")
waiter = restate.Service("Waiter", idempotency_retention=_KEPT, journal_retention=_KEPT)
door = restate.VirtualObject("Door", idempotency_retention=_KEPT, journal_retention=_KEPT)
flow = restate.Workflow("Flow", journal_retention=_KEPT)


@counter.handler()
async def add(ctx: restate.ObjectContext, delta: int) -> int:
    value = (await ctx.get("value", type_hint=int) or 0) + delta
    ctx.set("value", value)
    return value


@counter.handler(kind="shared")
async def get(ctx: restate.ObjectSharedContext) -> int:
    return await ctx.get("value", type_hint=int) or 0


@mailbox.handler()
async def put(ctx: restate.ObjectContext, text: str) -> None:
    ctx.set("text", text)


@mailbox.handler(kind="shared")
async def look(ctx: restate.ObjectSharedContext) -> str | None:
    return await ctx.get("text", type_hint=str)


@waiter.handler()
async def wait(ctx: restate.Context, name: str) -> str:
    """A step, then an awakeable whose id is put into the mailbox of that name."""
    step = await ctx.run_typed("step", lambda: f"step of {name}")
    awakeable, promise = ctx.awakeable(type_hint=str)
    await ctx.object_call(put, key=name, arg=awakeable)
    return f"{step}, {await promise}"


@waiter.handler()
async def nap(ctx: restate.Context, milliseconds: int) -> int:
    await ctx.sleep(timedelta(milliseconds=milliseconds))
    return await ctx.object_call(add, key="naps", arg=1)


@door.handler()
async def enter(ctx: restate.ObjectContext, name: str) -> str:
    """Whoever is called `first` holds the door until its awakeable is completed."""
    if name == "first":
        awakeable, promise = ctx.awakeable(type_hint=str)
        await ctx.object_call(put, key="door", arg=awakeable)
        await promise
    order = await ctx.get("order", type_hint=str) or ""
    ctx.set("order", f"{order}{name} ")
    return f"{order}{name} "


@flow.main(workflow_retention=_KEPT)
async def run(ctx: restate.WorkflowContext, name: str) -> str:
    ctx.set("name", name)
    return f"{name} {await ctx.promise('said', type_hint=str).value()}"


@flow.handler()
async def say(ctx: restate.WorkflowSharedContext, word: str) -> None:
    await ctx.promise("said", type_hint=str).resolve(word)


app = restate.app([counter, mailbox, waiter, door, flow])
