"""A service whose steps leave a line in a file each time they are executed."""

from __future__ import annotations

import os
import uuid
from datetime import timedelta

import restate

STEPS = 4
steps = restate.Service("Steps")


@steps.handler()
async def walk(ctx: restate.Context, name: str) -> list[str]:
    """Execute all steps, with a short sleep between them."""
    tokens = []
    for number in range(STEPS):

        def execute(number: int = number) -> str:
            token = uuid.uuid4().hex
            with open(os.environ["STEPS_FILE"], "a") as file:
                file.write(f"{name} {number} {token}\n")
            return token

        tokens.append(await ctx.run_typed(f"step-{number}", execute))
        await ctx.sleep(timedelta(milliseconds=30))
    return tokens


app = restate.app([steps])
