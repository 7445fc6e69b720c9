"""A service, an object and a workflow as users write them with the official SDK, for the cases of the admin API."""

from __future__ import annotations

from typing import Any

import restate

__all__ = ["sdk_app"]


def sdk_app() -> Any:
    """An ASGI application."""
    greeter = restate.Service("Greeter", description="greets", metadata={"team": "blue"})
    counter = restate.VirtualObject("Counter")
    signup = restate.Workflow("Signup")

    @greeter.handler()
    async def greet(ctx: restate.Context, name: str) -> str:
        return f"Hello {name}"

    @greeter.handler()
    async def wait(ctx: restate.Context, name: str) -> str:
        """Until somebody ends it."""
        _, promise = ctx.awakeable()
        return str(await promise)

    @counter.handler()
    async def add(ctx: restate.ObjectContext, by: int) -> int:
        return by

    @counter.handler(kind="shared")
    async def peek(ctx: restate.ObjectSharedContext) -> int:
        return 0

    @signup.main()
    async def run(ctx: restate.WorkflowContext, email: str) -> bool:
        return True

    @signup.handler()
    async def click(ctx: restate.WorkflowSharedContext, secret: dict[str, str]) -> None:
        return None

    return restate.app([greeter, counter, signup])
