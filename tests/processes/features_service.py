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
#: Its handlers are not kept open for long while they wait.
combine = restate.Service("Combine", inactivity_timeout=timedelta(milliseconds=100))

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
async def sleeps_long(ctx: restate.Context) -> None:
    await ctx.sleep(timedelta(hours=1))


@tour.handler()
async def calls_a_sleeper(ctx: restate.Context) -> None:
    await ctx.service_call(sleeps_long, arg=None)


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


async def _two_awakeables(ctx: restate.Context, key: str) -> list[Any]:
    """Their ids are left in a box."""
    awakeables = [ctx.awakeable() for _ in range(2)]
    await ctx.object_call(put, key=key, arg=["awakeables", [awakeable_id for awakeable_id, _ in awakeables]])
    return [promise for _, promise in awakeables]


async def _outcome(promise: Any) -> Any:
    try:
        return await promise
    except TerminalError as error:
        return f"failed: {error.message}"


@combine.handler()
async def gathers(ctx: restate.Context, key: str) -> list[Any]:
    """Until both are there, each with success or failure."""
    return [await _outcome(each) for each in await restate.gather(*await _two_awakeables(ctx, key))]


@combine.handler()
async def selects(ctx: restate.Context, key: str) -> list[Any]:
    """The first of two, or a timer that is never due."""
    first, second = await _two_awakeables(ctx, key)
    name, result = await restate.select(first=first, second=second, late=ctx.sleep(timedelta(hours=1)))
    return [name, result]


@combine.handler()
async def in_order_of_arrival(ctx: restate.Context, key: str) -> list[Any]:
    promises = await _two_awakeables(ctx, key)
    return [await each async for each in restate.as_completed(*promises)]


@combine.handler()
async def one_then_the_rest(ctx: restate.Context, key: str) -> list[int]:
    done, waiting = await restate.wait_completed(*await _two_awakeables(ctx, key))
    more, none = await restate.wait_completed(*waiting)
    return [len(done), len(waiting), len(more), len(none)]


@combine.handler()
async def steps_side_by_side(ctx: restate.Context, key: str) -> list[int]:
    """Steps whose results are acknowledged, between calls; then all again from the journal."""
    steps = [ctx.run_typed(f"step {number}", lambda number=number: number * 10) for number in range(5)]
    calls = [ctx.object_call(put, key=f"{key}-{number}", arg=["x", number]) for number in range(3)]
    await restate.gather(*steps, *calls, ctx.sleep(timedelta(milliseconds=300)))
    return [await step for step in steps]


@combine.handler()
async def nests(ctx: restate.Context, key: str) -> Any:
    """A race of the cancel signal, a timer, and what has both an awakeable and a named signal of its own."""
    first, second = await _two_awakeables(ctx, key)
    either = await restate.select(first=first, timer=ctx.sleep(timedelta(hours=1)))
    both = await restate.gather(first, second)
    return [either, [await each for each in both]]


app = restate.app([box, lazy_box, tour, gate, combine])
