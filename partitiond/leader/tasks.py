"""Background tasks whose failure nobody would hear of."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine

__all__ = ["spawn"]


def spawn(coroutine: Coroutine[None, None, None], *, name: str) -> asyncio.Task[None]:
    """A task that fails loudly: its error goes to the loop's exception handler, which ends the worker."""
    task = asyncio.get_running_loop().create_task(coroutine, name=name)
    task.add_done_callback(_raise_failure)
    return task


def _raise_failure(task: asyncio.Task[None]) -> None:
    if not task.cancelled():
        task.result()
