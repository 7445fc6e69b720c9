"""A workflow: runs once for each key (here: the user's name), and can be talked to while it runs."""

from __future__ import annotations

from datetime import timedelta

import restate
from pydantic import BaseModel
from restate.exceptions import TerminalError

sign_up = restate.Workflow("SignUp", description="Makes an account and waits until its address is confirmed.")


class Request(BaseModel):
    """Who signs up, and how long their confirmation is awaited."""

    email: str
    confirm_within_s: float = 3600.0


def _create_account(name: str, email: str) -> str:
    return f"account of {name} <{email}>"


def _send_email(email: str, text: str) -> None:
    print(f"to {email}: {text}", flush=True)


@sign_up.main()
async def run(ctx: restate.WorkflowContext, request: Request) -> str:
    """Create the account, ask for the confirmation, and close the account when it does not come in time."""
    name = ctx.key()
    ctx.set("status", "waiting for confirmation")
    account = await ctx.run_typed("create the account", _create_account, restate.RunOptions(), name, request.email)
    await ctx.run_typed("ask", _send_email, restate.RunOptions(), request.email, f"{name}, please confirm")

    confirmed = ctx.promise("confirmed", type_hint=bool)
    timer = ctx.sleep(timedelta(seconds=request.confirm_within_s))
    match await restate.select(answer=confirmed.value(), too_late=timer):
        case ["answer", True]:
            ctx.set("status", "confirmed")
            return f"confirmed: {account}"
        case ["answer", _]:
            outcome = "declined"
        case _:
            outcome = "not confirmed in time"
    ctx.set("status", outcome)
    await ctx.run_typed("say goodbye", _send_email, restate.RunOptions(), request.email, f"account closed: {outcome}")
    raise TerminalError(f"the account of {name} was closed: {outcome}", status_code=410)


@sign_up.handler()
async def confirm(ctx: restate.WorkflowSharedContext, yes: bool) -> None:
    """What the link in the email calls."""
    await ctx.promise("confirmed", type_hint=bool).resolve(yes)


@sign_up.handler()
async def status(ctx: restate.WorkflowSharedContext) -> str:
    """How far it is."""
    return await ctx.get("status", type_hint=str) or "unknown"
