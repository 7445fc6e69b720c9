"""Workflows: one run for each key, durable promises, state that others may read."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import restate
from restate.exceptions import TerminalError
from restate.serde import BytesSerde

from tests.compat.python.declare import workflow

flow = workflow("Flow", inactivity_timeout=timedelta(milliseconds=100))
quick = workflow("Quick")
brief = workflow("Brief", inactivity_timeout=timedelta(seconds=5))


@quick.handler("main")
async def run(ctx: restate.WorkflowContext, value: Any) -> Any:
    return f"ran {value}"


@brief.handler("main", workflow_retention=timedelta(0))
async def run(ctx: restate.WorkflowContext, value: Any) -> Any:  # noqa: F811 - each workflow has its own
    ctx.set("word", value)
    return f"ran {value}"


@flow.handler("main")
async def run(ctx: restate.WorkflowContext, word: Any) -> Any:  # noqa: F811
    ctx.set("word", word)
    opened = await ctx.promise("open", type_hint=None).value()
    ctx.set("opened", opened)
    return [word, opened, ctx.key()]


@flow.handler()
async def simple(ctx: restate.WorkflowSharedContext, value: Any) -> Any:
    return [ctx.key(), value, await ctx.get("word"), sorted(await ctx.state_keys())]


@flow.handler()
async def opens(ctx: restate.WorkflowSharedContext, value: Any) -> Any:
    await ctx.promise("open").resolve(value)
    return "opened"


@flow.handler()
async def shuts(ctx: restate.WorkflowSharedContext, entry: Any) -> Any:
    await ctx.promise("open").reject(entry[0], entry[1])
    return "shut"


@flow.handler()
async def peeks(ctx: restate.WorkflowSharedContext) -> Any:
    return await ctx.promise("open").peek()


@flow.handler()
async def awaits(ctx: restate.WorkflowSharedContext) -> Any:
    return await ctx.promise("open")


@flow.handler()
async def completes_twice(ctx: restate.WorkflowSharedContext) -> Any:
    """The second completion is refused with 409."""
    promise = ctx.promise("twice")
    await promise.resolve("first")
    seen: list[Any] = [await promise.peek()]
    for again in (promise.resolve("second"), promise.reject("third")):
        try:
            await again
        except TerminalError as error:
            seen.append([error.status_code, error.message])
    return [*seen, await promise]


@flow.handler()
async def raw_promise(ctx: restate.WorkflowSharedContext) -> Any:
    promise = ctx.promise("raw", serde=BytesSerde())
    before = await promise.peek()
    await promise.resolve(b"\x00\xff")
    return [before, list(await promise.value())]


@flow.handler()
async def rejected_promise(ctx: restate.WorkflowSharedContext) -> Any:
    promise = ctx.promise("rejected")
    await promise.reject("no", 418)
    seen = []
    for again in (promise.value(), promise.peek()):
        try:
            await again
        except TerminalError as error:
            seen.append([error.status_code, error.message])
    return seen


@flow.handler()
async def selects_a_promise(ctx: restate.WorkflowSharedContext) -> Any:
    promise = ctx.promise("never").value()
    return await restate.select(promise=promise, late=ctx.sleep(timedelta(milliseconds=20)))
