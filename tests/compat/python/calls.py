"""Calls and sends of every kind, attach and cancel."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import restate
from restate.exceptions import TerminalError
from restate.serde import BytesSerde, JsonSerde

from tests.compat.python.declare import FEW, name_of, service, target

calls = service("Calls", inactivity_timeout=timedelta(seconds=5), invocation_retry_policy=FEW)
callee = service("Callee", inactivity_timeout=timedelta(milliseconds=200))
hidden = service("Hidden", ingress_private=True)
#: Time for a callee to begin.
_BEGINS = timedelta(milliseconds=500)


@callee.handler()
async def echo(ctx: restate.Context, value: Any) -> Any:
    return value


@callee.handler()
async def headers(ctx: restate.Context) -> Any:
    return {name: value for name, value in sorted(ctx.request().headers.items()) if name.startswith("x-")}


@callee.handler()
async def fails(ctx: restate.Context, code: Any) -> Any:
    raise TerminalError("as asked", status_code=code)


@callee.handler()
async def fails_with_metadata(ctx: restate.Context) -> Any:
    raise TerminalError("told apart", status_code=422, metadata={"kind": "a", "why": "b"})


@callee.handler()
async def naps(ctx: restate.Context, value: Any) -> Any:
    await ctx.sleep(timedelta(milliseconds=50))
    return value


@callee.handler()
async def sleeps_long(ctx: restate.Context) -> Any:
    await ctx.sleep(timedelta(hours=1))
    return "slept"


@callee.handler(input_serde=BytesSerde(), output_serde=BytesSerde(), accept="*/*", content_type="application/x-raw")
async def raw(ctx: restate.Context, value: bytes) -> bytes:
    return value[::-1]


@callee.handler(name="of_another_name")
async def renamed(ctx: restate.Context) -> Any:
    return "found"


@hidden.handler()
async def answer(ctx: restate.Context) -> Any:
    return 42


@calls.handler()
async def service_call(ctx: restate.Context, value: Any) -> Any:
    return await ctx.service_call(target("Callee.echo"), arg=value)


@calls.handler()
async def object_call(ctx: restate.Context, key: Any) -> Any:
    names = await ctx.object_call(target("Box.put"), key=key, arg=["a", 1])
    return [names, await ctx.object_call(target("Box.look"), key=key, arg="a")]


@calls.handler()
async def workflow_call(ctx: restate.Context, key: Any) -> Any:
    return await ctx.workflow_call(target("Flow.simple"), key=key, arg="in")


@calls.handler()
async def workflow_run_twice(ctx: restate.Context, key: Any) -> Any:
    first = await ctx.workflow_call(target("Quick.run"), key=key, arg="in")
    try:
        await ctx.workflow_call(target("Quick.run"), key=key, arg="again")
    except TerminalError as error:
        return [first, error.status_code, error.message]
    return [first, "ran twice"]


@calls.handler()
async def with_headers(ctx: restate.Context) -> Any:
    sent = {"x-one": "1", "X-Two": "zwei", "x-restate-mine": "3"}
    return await ctx.service_call(target("Callee.headers"), arg=None, headers=sent)


@calls.handler()
async def idempotent_calls(ctx: restate.Context, key: Any) -> Any:
    """The second one gets the first one's result, whatever it sends."""
    first = ctx.service_call(target("Callee.echo"), arg="first", idempotency_key=key)
    second = ctx.service_call(target("Callee.echo"), arg="second", idempotency_key=key)
    same = await first.invocation_id() == await second.invocation_id()
    return [await first, await second, same]


@calls.handler()
async def sends(ctx: restate.Context, key: Any) -> Any:
    """To a service, an object and a workflow; then wait for their effect."""
    ids = [
        await ctx.service_send(target("Callee.echo"), arg="x", headers={"x-sent": "1"}).invocation_id(),
        await ctx.object_send(target("Box.put"), key=key, arg=["b", 2]).invocation_id(),
        await ctx.workflow_send(target("Quick.run"), key=key, arg="in").invocation_id(),
    ]
    return [await ctx.attach_invocation(each, type_hint=None) for each in ids]


@calls.handler()
async def delayed_sends(ctx: restate.Context, key: Any) -> Any:
    delay = timedelta(milliseconds=400)
    handles = [
        ctx.service_send(target("Callee.echo"), arg="late", send_delay=delay),
        ctx.object_send(target("Box.put"), key=key, arg=["late", 1], send_delay=delay),
        ctx.workflow_send(target("Quick.run"), key=key, arg="late", send_delay=delay),
        ctx.generic_send(name_of("Callee"), "echo", b'"late too"', send_delay=delay),
    ]
    return [await ctx.attach_invocation(await handle.invocation_id()) for handle in handles]


@calls.handler()
async def idempotent_sends(ctx: restate.Context, key: Any) -> Any:
    handles = [
        ctx.service_send(target("Callee.echo"), arg=number, idempotency_key=key, send_delay=timedelta(milliseconds=400))
        for number in (1, 2)
    ]
    first, second = [await handle.invocation_id() for handle in handles]
    return [first == second, await ctx.attach_invocation(first)]


@calls.handler()
async def generic(ctx: restate.Context, key: Any) -> Any:
    raw = await ctx.generic_call(name_of("Callee"), "raw", b"abc", headers={"x-one": "1"})
    put = await ctx.generic_call(name_of("Box"), "put", b'["a", 1]', key=key, idempotency_key=f"{key}-generic")
    handle = ctx.generic_send(name_of("Box"), "put", b'["b", 2]', key=key)
    sent = await ctx.attach_invocation(await handle.invocation_id(), serde=BytesSerde())
    return [raw.decode(), put.decode(), sent.decode()]


@calls.handler()
async def private_call(ctx: restate.Context) -> Any:
    return [await ctx.service_call(target("Hidden.answer"), arg=None)]


@calls.handler()
async def renamed_call(ctx: restate.Context) -> Any:
    return await ctx.service_call(target("Callee.renamed"), arg=None)


@calls.handler()
async def failing_call(ctx: restate.Context, code: Any) -> Any:
    """The failure of the callee is the caller's."""
    return await ctx.service_call(target("Callee.fails"), arg=code)


@calls.handler()
async def caught_failure(ctx: restate.Context) -> Any:
    try:
        await ctx.service_call(target("Callee.fails_with_metadata"), arg=None)
    except TerminalError as error:
        return [error.status_code, error.message, error.metadata]
    return "not failed"


@calls.handler()
async def passed_on_failure(ctx: restate.Context) -> Any:
    return await ctx.service_call(target("Callee.fails_with_metadata"), arg=None)


@calls.handler()
async def many_at_once(ctx: restate.Context) -> Any:
    calls = [ctx.service_call(target("Callee.echo"), arg=number) for number in range(6)]
    return [await call for call in await restate.gather(*calls)]


@calls.handler()
async def cancels_its_call(ctx: restate.Context) -> Any:
    call = ctx.service_call(target("Callee.sleeps_long"), arg=None)
    await ctx.sleep(_BEGINS)
    await call.cancel_invocation()
    try:
        return await call
    except TerminalError as error:
        return [error.status_code, error.message]


@calls.handler()
async def cancels_its_send(ctx: restate.Context) -> Any:
    handle = ctx.service_send(target("Callee.sleeps_long"), arg=None)
    await ctx.sleep(_BEGINS)
    await handle.cancel_invocation()
    try:
        return await ctx.attach_invocation(await handle.invocation_id())
    except TerminalError as error:
        return [error.status_code, error.message]


@calls.handler()
async def cancels_what_is_scheduled(ctx: restate.Context) -> Any:
    handle = ctx.service_send(target("Callee.echo"), arg=1, send_delay=timedelta(hours=1))
    invocation = await handle.invocation_id()
    ctx.cancel_invocation(invocation)
    try:
        return await ctx.attach_invocation(invocation)
    except TerminalError as error:
        return [error.status_code, error.message]


@calls.handler()
async def cancels(ctx: restate.Context, invocation: Any) -> Any:
    ctx.cancel_invocation(invocation)


@calls.handler()
async def attaches(ctx: restate.Context, invocation: Any) -> Any:
    return await ctx.attach_invocation(invocation, serde=JsonSerde())


@calls.handler()
async def attaches_to_a_failure(ctx: restate.Context) -> Any:
    handle = ctx.service_send(target("Callee.fails"), arg=417)
    try:
        await ctx.attach_invocation(await handle.invocation_id())
    except TerminalError as error:
        return [error.status_code, error.message]
    return "not failed"


@calls.handler()
async def awaits_a_sleeper(ctx: restate.Context) -> Any:
    """Until somebody cancels or kills one of them."""
    return await ctx.service_call(target("Callee.sleeps_long"), arg=None)


@calls.handler()
async def has_children(ctx: restate.Context) -> Any:
    """A tree: a call of a call, and a one-way call."""
    ctx.service_send(target("Callee.sleeps_long"), arg=None)
    return await ctx.service_call(target("Calls.awaits_a_sleeper"), arg=None)


@calls.handler()
async def deep(ctx: restate.Context, depth: Any) -> Any:
    return 0 if depth == 0 else 1 + await ctx.service_call(target("Calls.deep"), arg=depth - 1)


@calls.handler()
async def passes_bytes(ctx: restate.Context) -> Any:
    return list(await ctx.service_call(target("Callee.raw"), arg=b"\x00\x01\xff"))
