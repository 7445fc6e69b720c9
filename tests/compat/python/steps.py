"""Runs with each option, timers, chance, time, and what the request tells."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import restate
from restate.exceptions import RetryableError, TerminalError
from restate.extensions import contextvar, current_context
from restate.serde import BytesSerde

from tests.compat.python.declare import attempts, service


@contextvar
@contextlib.asynccontextmanager
async def greeting() -> AsyncIterator[str]:
    """Entered by the SDK around each attempt."""
    yield "good morning"


steps = service(
    "Steps",
    inactivity_timeout=timedelta(seconds=5),
    invocation_context_managers=[greeting],
    invocation_retry_policy=restate.InvocationRetryPolicy(
        initial_interval=timedelta(milliseconds=10), max_attempts=6, on_max_attempts="kill"
    ),
)
_QUICK = timedelta(milliseconds=5)


@steps.handler()
async def three_in_turn(ctx: restate.Context, name: Any) -> Any:
    for number in (1, 2, 3):
        name = await ctx.run_typed(f"step {number}", lambda before=name, number=number: f"{before}-{number}")
    return name


@steps.handler()
async def values(ctx: restate.Context) -> Any:
    """Nothing, an empty text, bytes, and what is no ASCII."""
    nothing = await ctx.run_typed("nothing", lambda: None)
    raw = await ctx.run_typed("bytes", lambda: b"\x00\x01", restate.RunOptions(serde=BytesSerde()))
    return [nothing, await ctx.run_typed("", lambda: ""), list(raw), await ctx.run_typed("ünïcode", lambda: "öä")]


@steps.handler()
async def arguments(ctx: restate.Context) -> Any:
    async def joined(first: str, *, second: str) -> str:
        return first + second

    return await ctx.run_typed("joined", joined, restate.RunOptions(), "a", second="b")


@steps.handler()
async def untyped(ctx: restate.Context) -> Any:
    """The verb before `run_typed`."""
    return await ctx.run("old", lambda number: number * 2, args=(21,), max_attempts=3)


@steps.handler()
async def side_by_side(ctx: restate.Context) -> Any:
    runs = [ctx.run_typed(f"step {number}", lambda number=number: number * 10) for number in range(5)]
    await restate.gather(*runs, ctx.sleep(timedelta(milliseconds=30)))
    return [await run for run in runs]


@steps.handler()
async def terminal_is_caught(ctx: restate.Context) -> Any:
    def fail() -> None:
        raise TerminalError("no use", status_code=418)

    try:
        await ctx.run_typed("fails", fail)
    except TerminalError as error:
        after = await ctx.run_typed("goes on", lambda: "after")
        return [error.message, error.status_code, after]
    return "not failed"


@steps.handler()
async def terminal_is_the_answer(ctx: restate.Context, code: Any) -> Any:
    def fail() -> None:
        raise TerminalError("no use", status_code=code)

    return await ctx.run_typed("fails", fail)


@steps.handler()
async def succeeds_at_the_third(ctx: restate.Context) -> Any:
    def step() -> int:
        tried = attempts(ctx, "third")
        if tried < 3:
            raise ValueError("not yet")
        return tried

    return await ctx.run_typed("flaky", step, restate.RunOptions(initial_retry_interval=_QUICK, max_attempts=5))


@steps.handler()
async def attempts_run_out(ctx: restate.Context) -> Any:
    def step() -> None:
        attempts(ctx, "never")
        raise ValueError("never")

    options: restate.RunOptions[None] = restate.RunOptions(
        initial_retry_interval=_QUICK, retry_interval_factor=1.5, max_retry_interval=_QUICK, max_attempts=2
    )
    try:
        await ctx.run_typed("never", step, options)
    except TerminalError as error:
        return [error.status_code, error.message]
    return "not failed"


@steps.handler()
async def time_runs_out(ctx: restate.Context) -> Any:
    def step() -> None:
        raise ValueError("never")

    options: restate.RunOptions[None] = restate.RunOptions(
        initial_retry_interval=timedelta(milliseconds=20), max_duration=timedelta(milliseconds=1)
    )
    await ctx.run_typed("never in time", step, options)


@steps.handler()
async def retried_as_the_invocation_is(ctx: restate.Context) -> Any:
    """Without a policy of its own the step fails the attempt."""

    def step() -> int:
        if attempts(ctx, "plain") < 3:
            raise ValueError("not yet")
        return 3

    return await ctx.run_typed("plain", step)


@steps.handler()
async def says_when_to_retry(ctx: restate.Context) -> Any:
    def step() -> str:
        if attempts(ctx, "later") < 2:
            raise RetryableError("in a moment", retry_after=timedelta(milliseconds=7))
        return "then"

    return await ctx.run_typed("later", step)


@steps.handler()
async def sleeps(ctx: restate.Context) -> Any:
    await ctx.sleep(timedelta(milliseconds=10), name="a nap")
    await ctx.sleep(timedelta(0))
    first, second = ctx.sleep(timedelta(milliseconds=20)), ctx.sleep(timedelta(milliseconds=10))
    await second
    await first
    return "awake"


@steps.handler()
async def chance(ctx: restate.Context) -> Any:
    """Drawn again after the sleep and at each replay: the same."""
    drawn = [ctx.random().random(), str(ctx.uuid())]
    kept = await ctx.run_typed("drawn", lambda: drawn)
    await ctx.sleep(timedelta(milliseconds=10))
    return [drawn == kept, len(drawn[1])]  # type: ignore[arg-type]


@steps.handler()
async def time(ctx: restate.Context) -> Any:
    first = await ctx.time()
    await ctx.sleep(timedelta(milliseconds=10))
    return [first > 1_600_000_000, await ctx.time() > first]


@steps.handler()
async def request(ctx: restate.Context, body: Any) -> Any:
    """Its headers, those of the attempt, its body."""
    seen = ctx.request()
    mine = {name: value for name, value in sorted(seen.headers.items()) if name.startswith("x-test")}
    attempt = [name for name in ("content-type", "accept", "x-restate-invocation-id") if name in seen.attempt_headers]
    kind = seen.attempt_headers.get("content-type")
    finished = seen.attempt_finished_event.is_set()
    key = seen.idempotency_key is not None
    return [seen.id[:5], mine, attempt, kind, seen.body.decode(), finished, key, [seen.scope, seen.limit_key], body]


@steps.handler()
async def surroundings(ctx: restate.Context) -> Any:
    """A context manager of the service, and the context found without the argument."""
    restate.getLogger("differential").debug("%s", ctx.request().id)
    return [greeting.value, current_context() is ctx]


@steps.handler()
async def caught_all(ctx: restate.Context) -> Any:
    """What is no error of the user's passes through."""
    try:
        await ctx.sleep(timedelta(milliseconds=10))
    except BaseException as error:
        if not restate.is_internal_exception(error):
            raise
        raise
    return "slept"
