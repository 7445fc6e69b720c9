"""Services that stay in a known status until somebody does something with them: `python -m …services PORT`.

One process serves all deployments, each under a path of its own: `/one/`, `/two/`, …. Owns: the HTTP server.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import hypercorn.asyncio
import hypercorn.config
import restate
from restate.exceptions import TerminalError

_SOON = timedelta(milliseconds=50)
_LONG = timedelta(hours=1)
_ONCE = restate.InvocationRetryPolicy(initial_interval=_LONG)

greeter = restate.Service("Greeter", description="Greets people", metadata={"team": "blue"})
life = restate.Service("Life", inactivity_timeout=_SOON, abort_timeout=_LONG, invocation_retry_policy=_ONCE)
busy = restate.Service("Busy", inactivity_timeout=_LONG)
fragile = restate.Service(
    "Fragile",
    inactivity_timeout=_SOON,
    invocation_retry_policy=restate.InvocationRetryPolicy(
        initial_interval=timedelta(milliseconds=10), max_attempts=2, on_max_attempts="pause"
    ),
)
hidden = restate.Service("Hidden", ingress_private=True)
vault = restate.VirtualObject(
    "Vault", inactivity_timeout=_SOON, enable_lazy_state=True, idempotency_retention=timedelta(days=3)
)
tour = restate.Workflow("Tour", inactivity_timeout=timedelta(seconds=1))


@greeter.handler()
async def greet(ctx: restate.Context, name: str) -> str:
    return f"Hello {name}"


@life.handler(journal_retention=timedelta(hours=2), idempotency_retention=timedelta(hours=5))
async def succeeds(ctx: restate.Context, value: int) -> int:
    return await ctx.run_typed("step", lambda: value)


@life.handler()
async def fails(ctx: restate.Context) -> None:
    raise TerminalError("refused", status_code=418)


@life.handler()
async def sleeps(ctx: restate.Context) -> str:
    await ctx.run_typed("step", lambda: 1)
    await ctx.sleep(_LONG)
    return "slept"


@life.handler()
async def calls(ctx: restate.Context) -> str:
    """Waits for one that sleeps."""
    return str(await ctx.service_call(sleeps, arg=None))


def _charge() -> None:
    raise ValueError("card declined")


@life.handler()
async def stumbles(ctx: restate.Context) -> None:
    """Its step is tried again in an hour."""
    await ctx.run_typed("lookup", lambda: 1)
    await ctx.run_typed("charge", _charge)


@busy.handler(inactivity_timeout=timedelta(hours=3))
async def works(ctx: restate.Context) -> None:
    """Computes: nothing is awaited that the runtime knows of."""
    await asyncio.sleep(3600)


@fragile.handler()
async def gives_up(ctx: restate.Context) -> None:
    raise ValueError("broken")


@hidden.handler()
async def secret(ctx: restate.Context) -> int:
    return 42


@vault.handler()
async def hold(ctx: restate.ObjectContext) -> Any:
    """Keeps the key until it is told to let go."""
    ctx.set("held", 1)
    await ctx.get("held")
    return await ctx.signal("let go")


@vault.handler()
async def put(ctx: restate.ObjectContext, entry: dict[str, Any]) -> None:
    for name, value in entry.items():
        ctx.set(name, value)


@vault.handler()
async def put_bytes(ctx: restate.ObjectContext) -> None:
    ctx.set("raw", b"\x00\xff\xfe", restate.serde.BytesSerde())


@vault.handler(kind="shared")
async def peek(ctx: restate.ObjectSharedContext, name: str) -> Any:
    return await ctx.get(name)


@tour.main()
async def run(ctx: restate.WorkflowContext, word: str) -> Any:
    """Commands and notifications of every kind, then it waits for a promise."""
    ctx.set("word", word)
    await ctx.get("word")
    await ctx.get("absent")
    await ctx.state_keys()
    ctx.clear("word")
    await ctx.run_typed("step", lambda: [1, "two"])
    try:
        await ctx.run_typed("bad step", _refuse)
    except TerminalError as error:
        ctx.set("why", error.message)
    await ctx.sleep(timedelta(milliseconds=1), name="nap")
    await ctx.service_call(greet, arg="Ada")
    sent = ctx.object_send(put, key="of tour", arg={"a": 1})
    await ctx.attach_invocation(await sent.invocation_id())
    late = ctx.service_send(greet, arg="Late", send_delay=_LONG, idempotency_key="once")
    ctx.cancel_invocation(await late.invocation_id())
    awakeable, awaited = ctx.awakeable()
    ctx.resolve_awakeable(awakeable, "woken")
    await awaited
    refused, never = ctx.awakeable()
    ctx.reject_awakeable(refused, "not now", failure_code=409)
    try:
        await never
    except TerminalError:
        ctx.resolve_signal(ctx.request().id, "go", 1)
    await ctx.signal("go")
    await ctx.promise("open").peek()
    await ctx.promise("open").resolve("sesame")
    await ctx.promise("open").value()
    await ctx.promise("shut").reject("locked")
    ctx.clear_all()
    ctx.set("at", "the end")
    return await ctx.promise("last").value()


def _refuse() -> None:
    raise TerminalError("no such step", status_code=404)


@tour.handler()
async def where(ctx: restate.WorkflowSharedContext) -> Any:
    return await ctx.get("at")


def _second_greeter() -> restate.Service:
    """A handler more."""
    again = restate.Service("Greeter", description="Greets people, and waves", metadata={"team": "green"})

    @again.handler(name="greet")
    async def greet_again(ctx: restate.Context, name: str) -> str:
        return f"Hi {name}"

    @again.handler()
    async def wave(ctx: restate.Context, count: int) -> None:
        return None

    return again


def _old(version: int) -> restate.Service:
    """What is replaced while it sleeps."""
    old = restate.Service("Old", inactivity_timeout=_SOON)

    @old.handler()
    async def waits(ctx: restate.Context) -> int:
        await ctx.sleep(_LONG)
        return version

    return old


def _breaking() -> restate.VirtualObject:
    other = restate.VirtualObject("Greeter")

    @other.handler(name="greet")
    async def greet_keyed(ctx: restate.ObjectContext, name: str) -> str:
        return name

    return other


_APPS: dict[str, Any] = {
    "one": restate.app([greeter, life, busy, fragile, hidden, vault, tour]),
    "two": restate.app([_second_greeter()]),
    "three": restate.app([_old(1)]),
    "four": restate.app([_old(2)]),
    "breaking": restate.app([_breaking()]),
    "unary": restate.app([_old(5)], protocol="request_response"),
}


async def app(scope: Any, receive: Callable[[], Awaitable[Any]], send: Callable[[Any], Awaitable[None]]) -> None:
    """Takes the deployment off the path; what is none is not found."""
    if scope["type"] == "lifespan":
        raise NotImplementedError
    _, name, *rest = scope["path"].split("/")
    if name not in _APPS:
        await send({"type": "http.response.start", "status": 404, "headers": []})
        await send({"type": "http.response.body", "body": b"nobody here"})
        return
    path = "/" + "/".join(rest)
    await _APPS[name]({**scope, "path": path, "raw_path": path.encode()}, receive, send)


def main() -> None:
    """Serve HTTP/1.1 and, by prior knowledge, HTTP/2, until it is killed."""
    config = hypercorn.config.Config()
    config.bind = [f"127.0.0.1:{sys.argv[1]}"]
    config.keep_alive_max_requests = 1_000_000
    asyncio.run(hypercorn.asyncio.serve(app, config))  # type: ignore[arg-type]


if __name__ == "__main__":
    main()
