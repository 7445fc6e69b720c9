"""Awakeables, signals, combinators, and cancellation while it waits."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import restate
from restate.exceptions import TerminalError
from restate.serde import BytesSerde

from tests.compat.python.declare import FEW, attempts, service, target

waits = service(
    "Waits",
    inactivity_timeout=timedelta(milliseconds=100),
    invocation_retry_policy=FEW,
)
helper = service("Helper", invocation_retry_policy=FEW)
_LONG = timedelta(hours=1)


async def _told(ctx: restate.Context, key: str, count: int) -> list[Any]:
    """Awakeables whose ids are left in a box."""
    made = [ctx.awakeable() for _ in range(count)]
    await ctx.object_call(target("Box.put"), key=key, arg=["awakeables", [name for name, _ in made]])
    return [promise for _, promise in made]


async def _outcome(promise: Any) -> Any:
    try:
        return await promise
    except TerminalError as error:
        return [error.status_code, error.message]


@helper.handler()
async def resolves(ctx: restate.Context, entry: Any) -> None:
    ctx.resolve_awakeable(entry[0], entry[1])


@helper.handler()
async def rejects(ctx: restate.Context, entry: Any) -> None:
    ctx.reject_awakeable(entry[0], entry[1], failure_code=entry[2])


@helper.handler()
async def resolves_bytes(ctx: restate.Context, name: Any) -> None:
    ctx.resolve_awakeable(name, b"\x00\xff", serde=BytesSerde())


@helper.handler()
async def signals(ctx: restate.Context, entry: Any) -> None:
    ctx.resolve_signal(entry[0], entry[1], entry[2])


@helper.handler()
async def rejects_signal(ctx: restate.Context, entry: Any) -> None:
    ctx.reject_signal(entry[0], entry[1], entry[2], failure_code=entry[3])


@waits.handler()
async def awakeable(ctx: restate.Context, key: Any) -> Any:
    (promise,) = await _told(ctx, key, 1)
    return await promise


@waits.handler()
async def own_awakeables(ctx: restate.Context) -> Any:
    """Completed by a helper, one with each outcome, before anybody awaits them."""
    good, first = ctx.awakeable()
    bad, second = ctx.awakeable()
    raw, third = ctx.awakeable(serde=BytesSerde())
    await ctx.service_call(target("Helper.resolves"), arg=[good, {"a": 1}])
    await ctx.service_call(target("Helper.rejects"), arg=[bad, "not this one", 417])
    await ctx.service_call(target("Helper.resolves_bytes"), arg=raw)
    return [await first, await _outcome(second), list(await third)]


@waits.handler()
async def resolved_twice(ctx: restate.Context) -> Any:
    """The SDK takes either, whichever it meets first at a replay."""
    name, promise = ctx.awakeable()
    ctx.resolve_awakeable(name, "first")
    ctx.reject_awakeable(name, "second")
    await ctx.sleep(timedelta(milliseconds=10))
    await _outcome(promise)


@waits.handler()
async def signal(ctx: restate.Context) -> Any:
    return await ctx.signal("go", type_hint=None)


@waits.handler()
async def own_signals(ctx: restate.Context) -> Any:
    """Named ones that come before and after they are awaited."""
    me = ctx.request().id
    await ctx.service_call(target("Helper.signals"), arg=[me, "early", [1, 2]])
    early = await ctx.signal("early")
    ctx.service_send(target("Helper.rejects_signal"), arg=[me, "bad", "rejected", 418])
    ctx.service_send(target("Helper.signals"), arg=[me, "late", "l"], send_delay=timedelta(milliseconds=300))
    return [early, await _outcome(ctx.signal("bad")), await ctx.signal("late")]


@waits.handler()
async def same_signal_twice(ctx: restate.Context) -> Any:
    me = ctx.request().id
    for value in ("a", "b"):
        await ctx.service_call(target("Helper.signals"), arg=[me, "again", value])
    return [await ctx.signal("again"), await ctx.signal("again")]


@waits.handler()
async def gathers(ctx: restate.Context, key: Any) -> Any:
    return [await _outcome(each) for each in await restate.gather(*await _told(ctx, key, 2))]


@waits.handler()
async def selects(ctx: restate.Context, key: Any) -> Any:
    first, second = await _told(ctx, key, 2)
    return await restate.select(first=first, second=second, late=ctx.sleep(_LONG))


@waits.handler()
async def select_times_out(ctx: restate.Context, key: Any) -> Any:
    (first,) = await _told(ctx, key, 1)
    return await restate.select(first=first, late=ctx.sleep(timedelta(milliseconds=30)))


@waits.handler()
async def as_they_come(ctx: restate.Context, key: Any) -> Any:
    return [await _outcome(each) async for each in restate.as_completed(*await _told(ctx, key, 2))]


@waits.handler()
async def one_then_the_rest(ctx: restate.Context, key: Any) -> Any:
    done, waiting = await restate.wait_completed(*await _told(ctx, key, 2))
    more, none = await restate.wait_completed(*waiting)
    return [len(done), len(waiting), len(more), len(none)]


@waits.handler()
async def nests(ctx: restate.Context, key: Any) -> Any:
    first, second, third = await _told(ctx, key, 3)
    either = await restate.select(first=first, second=second)
    both = await restate.gather(first, third)
    return [either, [await each for each in both]]


@waits.handler()
async def of_every_kind(ctx: restate.Context, key: Any) -> Any:
    """A call, a run, a timer, an awakeable and a signal in one gather."""
    (awakeable,) = await _told(ctx, key, 1)
    call = ctx.service_call(target("Callee.naps"), arg="called")
    run = ctx.run_typed("run", lambda: "ran")
    await restate.gather(awakeable, call, run, ctx.sleep(timedelta(milliseconds=10)), ctx.signal("go"))
    return [await awakeable, await call, await run]


@waits.handler()
async def for_ever(ctx: restate.Context) -> Any:
    await ctx.sleep(_LONG)
    return "slept"


@waits.handler()
async def cleans_up(ctx: restate.Context, key: Any) -> Any:
    try:
        await ctx.sleep(_LONG)
    except TerminalError as error:
        await ctx.object_call(target("Box.put"), key=key, arg=["cleaned", error.message])
        raise
    return "slept"


@waits.handler()
async def goes_on_after_cancel(ctx: restate.Context) -> Any:
    try:
        await ctx.sleep(_LONG)
    except TerminalError as error:
        await ctx.sleep(timedelta(milliseconds=10))
        return [error.status_code, error.message]
    return "slept"


@waits.handler()
async def cancelled_in_a_call(ctx: restate.Context) -> Any:
    return await ctx.service_call(target("Callee.sleeps_long"), arg=None)


@waits.handler()
async def cancelled_in_a_gather(ctx: restate.Context) -> Any:
    call = ctx.service_call(target("Callee.sleeps_long"), arg=None)
    await restate.gather(call, ctx.sleep(_LONG))
    return "slept"


@waits.handler()
async def waits_on_after_cancel(ctx: restate.Context) -> Any:
    """Cancelled, it waits again, for long; told by a signal, it tells whether it took as few attempts as it has to."""
    tried = attempts(ctx)
    try:
        await ctx.sleep(_LONG)
    except TerminalError:
        await ctx.signal("go")
        return tried <= 3
    return "slept"


@waits.handler()
async def awaits_a_name_twice(ctx: restate.Context) -> Any:
    """One of the name is there already."""
    tried = attempts(ctx)
    return [await ctx.signal("go"), await ctx.signal("go"), tried <= 3]


@waits.handler()
async def both_signals(ctx: restate.Context) -> Any:
    """Two names in one combinator."""
    return [await each for each in await restate.gather(ctx.signal("a"), ctx.signal("b"))]
