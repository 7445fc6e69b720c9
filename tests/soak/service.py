"""The services of the soak, by the official Python SDK: one handler for each kind of step."""

from __future__ import annotations

import os
import uuid
from datetime import timedelta
from typing import Any

import restate

#: Longer than any client goes on asking, short enough for the store to come to rest within minutes.
KEPT = timedelta(seconds=100)
STEPS = 3

counter = restate.VirtualObject("Counter", idempotency_retention=KEPT, journal_retention=timedelta(0))
steps = restate.Service("Steps", idempotency_retention=KEPT, journal_retention=KEPT)
fan = restate.Service("Fan", idempotency_retention=KEPT, journal_retention=KEPT)
mailbox = restate.VirtualObject("Mailbox", idempotency_retention=KEPT, journal_retention=timedelta(0))
waiter = restate.Service("Waiter", idempotency_retention=KEPT, journal_retention=KEPT)
flow = restate.Workflow("Flow", journal_retention=KEPT, idempotency_retention=KEPT)


@counter.handler()
async def add(ctx: restate.ObjectContext, delta: int) -> int:
    value = (await ctx.get("value", type_hint=int) or 0) + delta
    ctx.set("value", value)
    return value


@counter.handler(kind="shared")
async def get(ctx: restate.ObjectSharedContext) -> int:
    return await ctx.get("value", type_hint=int) or 0


@steps.handler()
async def walk(ctx: restate.Context, name: str) -> list[str]:
    """Each execution of a step leaves a line."""
    tokens = []
    for number in range(STEPS):

        def execute(number: int = number) -> str:
            token = uuid.uuid4().hex
            with open(os.environ["STEPS_FILE"], "a") as file:
                file.write(f"{name} {number} {token}\n")
            return token

        tokens.append(await ctx.run_typed(f"step-{number}", execute))
        await ctx.sleep(timedelta(milliseconds=20))
    return tokens


@steps.handler()
async def nap(ctx: restate.Context, milliseconds: int) -> int:
    """Suspended for most of the time."""
    await ctx.sleep(timedelta(milliseconds=milliseconds))
    return milliseconds


@fan.handler()
async def go(ctx: restate.Context, keys: dict[str, Any]) -> int:
    """One call that is waited for, one that is not, one that comes later."""
    ctx.object_send(add, key=keys["send"], arg=1)
    ctx.object_send(add, key=keys["later"], arg=1, send_delay=timedelta(milliseconds=keys["delay_ms"]))
    return await ctx.object_call(add, key=keys["call"], arg=1)


@mailbox.handler()
async def put(ctx: restate.ObjectContext, text: str) -> None:
    ctx.set("text", text)


@mailbox.handler()
async def empty(ctx: restate.ObjectContext) -> None:
    ctx.clear_all()


@mailbox.handler(kind="shared")
async def look(ctx: restate.ObjectSharedContext) -> str | None:
    return await ctx.get("text", type_hint=str)


@waiter.handler()
async def wait(ctx: restate.Context, name: str) -> str:
    """Tells the id of an awakeable and waits until somebody completes it."""
    awakeable, promise = ctx.awakeable(type_hint=str)
    await ctx.object_call(put, key=name, arg=awakeable)
    value = await promise
    ctx.object_send(empty, key=name, arg=None)
    return value


@flow.main(workflow_retention=KEPT)
async def run(ctx: restate.WorkflowContext, name: str) -> str:
    """Waits for a promise."""
    ctx.set("name", name)
    return f"{name} {await ctx.promise('said', type_hint=str).value()}"


@flow.handler()
async def say(ctx: restate.WorkflowSharedContext, word: str) -> None:
    await ctx.promise("said", type_hint=str).resolve(word)


app = restate.app([counter, steps, fan, mailbox, waiter, flow])
