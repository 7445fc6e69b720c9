"""Handlers that use every part of the SDK's context that this release supports."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from typing import Any

import restate
from restate.exceptions import TerminalError

box = restate.VirtualObject("Box")
lazy_box = restate.VirtualObject("LazyBox", enable_lazy_state=True)
tour = restate.Service("Tour")
gate = restate.Workflow("Gate")

_executions: Counter[str] = Counter()


@box.handler()
async def put(ctx: restate.ObjectContext, entry: list[Any]) -> list[str]:
    """Set one value, tell all names."""
    ctx.set(entry[0], entry[1])
    return sorted(await ctx.state_keys())


@box.handler(kind="shared")
async def look(ctx: restate.ObjectSharedContext, name: str) -> Any:
    return await ctx.get(name)


@box.handler()
async def empty(ctx: restate.ObjectContext) -> None:
    ctx.clear_all()


@box.handler()
async def slow_append(ctx: restate.ObjectContext, text: str) -> list[str]:
    """Holds the object's lock for a while."""
    texts: list[str] = await ctx.get("texts") or []
    await ctx.sleep(timedelta(milliseconds=20))
    texts.append(text)
    ctx.set("texts", texts)
    return texts


@lazy_box.handler()
async def swap(ctx: restate.ObjectContext, value: str) -> list[Any]:
    """Every read asks the runtime: nothing was sent along."""
    before = await ctx.get("value")
    names = sorted(await ctx.state_keys())
    ctx.set("value", value)
    return [before, names, await ctx.get("value")]


@tour.handler()
async def call_and_send(ctx: restate.Context, key: str) -> dict[str, Any]:
    """A call, a one-way call, and a delayed one; then wait for their effect."""
    names = await ctx.object_call(put, key=key, arg=["a", 1])
    ctx.object_send(put, key=key, arg=["b", 2])
    ctx.object_send(put, key=key, arg=["c", 3], send_delay=timedelta(milliseconds=200))
    while await ctx.object_call(look, key=key, arg="c") is None:
        await ctx.sleep(timedelta(milliseconds=50))
    return {"first": names, "b": await ctx.object_call(look, key=key, arg="b")}


@tour.handler()
async def awaits_outside(ctx: restate.Context, key: str) -> Any:
    """Leave an awakeable's id in a box and wait for it."""
    awakeable_id, promise = ctx.awakeable()
    await ctx.object_call(put, key=key, arg=["awakeable", awakeable_id])
    return await promise


@tour.handler()
async def fails(ctx: restate.Context, code: int) -> None:
    raise TerminalError("as asked", status_code=code)


@tour.handler()
async def flaky(ctx: restate.Context, name: str) -> int:
    """Fails twice, in a retried step."""

    def step() -> int:
        _executions[name] += 1
        if _executions[name] < 3:
            raise ValueError("not yet")
        return _executions[name]

    return await ctx.run_typed(
        "flaky",
        step,
        restate.RunOptions(initial_retry_interval=timedelta(milliseconds=10), max_attempts=5),
    )


@tour.handler()
async def waits_for_ever(ctx: restate.Context, key: str) -> str:
    """Until it is cancelled; then it cleans up."""
    await ctx.object_call(put, key=key, arg=["invocation", ctx.request().id])
    try:
        await ctx.sleep(timedelta(hours=1))
    except TerminalError as error:
        await ctx.object_call(put, key=key, arg=["cleaned", error.message])
        raise
    return "slept"


@tour.handler()
async def cancels(ctx: restate.Context, invocation_id: str) -> None:
    ctx.cancel_invocation(invocation_id)


@gate.main()
async def run(ctx: restate.WorkflowContext, word: str) -> str:
    ctx.set("word", word)
    opened = await ctx.promise("open", type_hint=str).value()
    return f"{word} {opened}"


@gate.handler()
async def open_gate(ctx: restate.WorkflowSharedContext, by: str) -> str:
    await ctx.promise("open", type_hint=str).resolve(by)
    return str(await ctx.get("word"))


app = restate.app([box, lazy_box, tour, gate])
