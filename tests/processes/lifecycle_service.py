"""A handler that operators have to look after. VERSION in the environment tells its deployments apart."""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path

import restate

life = restate.Service(
    "Life", invocation_retry_policy=restate.InvocationRetryPolicy(initial_interval=timedelta(minutes=5))
)


def _note(folder: str, word: str) -> str:
    with (Path(folder) / "steps").open("a") as steps:
        steps.write(f"{word}\n")
    return word


@life.handler()
async def work(ctx: restate.Context, folder: str) -> str:
    """Two steps; between them it fails until there is a file `repaired`. Each execution is noted in `steps`."""
    first = await ctx.run_typed("first", lambda: _note(folder, "first"))
    if not (Path(folder) / "repaired").exists():
        raise ValueError("not repaired")
    second = await ctx.run_typed("second", lambda: _note(folder, "second"))
    return f"{first} {second} by version {os.environ.get('VERSION')}"


app = restate.app([life])
