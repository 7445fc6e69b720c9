"""Failures: terminal, retried, exhausted, and what the SDK makes of bad input."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import restate
from restate.exceptions import RetryableError, TerminalError

from tests.compat.python.declare import attempts, service, target


def _policy(most: int, then: Any) -> restate.InvocationRetryPolicy:
    return restate.InvocationRetryPolicy(
        initial_interval=timedelta(milliseconds=10),
        exponentiation_factor=1.5,
        max_interval=timedelta(milliseconds=20),
        max_attempts=most,
        on_max_attempts=then,
    )


errors = service("Errors", inactivity_timeout=timedelta(seconds=5), invocation_retry_policy=_policy(3, "kill"))
pausing = service("Pausing", inactivity_timeout=timedelta(seconds=5), invocation_retry_policy=_policy(2, "pause"))


@errors.handler()
async def terminal(ctx: restate.Context, code: Any) -> Any:
    raise TerminalError("as asked", status_code=code)


@errors.handler()
async def without_code(ctx: restate.Context) -> Any:
    raise TerminalError("")


@errors.handler()
async def with_metadata(ctx: restate.Context) -> Any:
    raise TerminalError("told apart", status_code=409, metadata={"b": "2", "a": "1"})


@errors.handler()
async def after_a_step(ctx: restate.Context) -> Any:
    await ctx.run_typed("before", lambda: 1)
    raise TerminalError("after a step", status_code=410)


@errors.handler()
async def always(ctx: restate.Context) -> Any:
    """Its attempts run out, and it is killed."""
    await ctx.run_typed("before", lambda: 1)
    raise ValueError("always")


@errors.handler()
async def always_and_at_once(ctx: restate.Context) -> Any:
    raise ValueError("at once")


@errors.handler()
async def twice(ctx: restate.Context) -> Any:
    if attempts(ctx) < 3:
        raise ValueError("not yet")
    return "at the third"


@errors.handler()
async def later(ctx: restate.Context) -> Any:
    if attempts(ctx) < 2:
        raise RetryableError("in a moment", status_code=503, retry_after=timedelta(milliseconds=15))
    return "then"


@errors.handler()
async def bad_output(ctx: restate.Context) -> Any:
    """Nothing that JSON can say."""
    return {1, 2}


@errors.handler()
async def number(ctx: restate.Context, value: int) -> int:
    return value + 1


@errors.handler()
async def other_at_replay(ctx: restate.Context) -> Any:
    """A journal that does not match is an error of the attempt."""
    if attempts(ctx) == 1:
        await ctx.run_typed("first", lambda: 1)
        raise ValueError("again")
    await ctx.sleep(timedelta(milliseconds=1))
    return "other"


@errors.handler()
async def other_name_at_replay(ctx: restate.Context) -> Any:
    tried = attempts(ctx)
    await ctx.run_typed(f"run {tried}", lambda: 1)
    if tried == 1:
        raise ValueError("again")
    return "other"


@errors.handler()
async def forgets_a_call(ctx: restate.Context) -> Any:
    """Fewer commands at the replay than are in the journal."""
    if attempts(ctx) == 1:
        await ctx.service_call(target("Callee.echo"), arg=1)
        raise ValueError("again")
    return "short"


@pausing.handler()
async def unrepaired(ctx: restate.Context, key: Any) -> Any:
    """Fails until its box says that it is repaired."""
    await ctx.run_typed("before", lambda: 1)
    if attempts(ctx) <= 2:
        raise ValueError("not repaired")
    return "repaired"


@pausing.handler()
async def never(ctx: restate.Context) -> Any:
    raise ValueError("never")
