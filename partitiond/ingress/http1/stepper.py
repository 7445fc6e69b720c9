"""Runs a request's coroutine without a task: at once, up to where it waits, and on from there.

A task would begin it in the next turn of the loop, and cost as much as the parser. What is given up for that: nothing
that a request waits for may ask for the current task, as `asyncio.timeout` and task groups do.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from partitiond.ingress.replies import Answered

__all__ = ["Stepper"]


class Stepper:
    """One coroutine after another. `on_done`: told its result, maybe within `start`; None: it was cancelled."""

    __slots__ = ("_cancelled", "_coroutine", "_future", "_loop", "_on_done", "_on_future")

    def __init__(self, loop: asyncio.AbstractEventLoop, on_done: Callable[[Answered | None], None]) -> None:
        self._loop = loop
        self._on_done = on_done
        self._coroutine: Coroutine[Any, Any, Answered] | None = None
        #: What it waits for.
        self._future: asyncio.Future[Any] | None = None
        self._cancelled = False
        self._on_future: Callable[..., None] = self._resume

    def start(self, coroutine: Coroutine[Any, Any, Answered]) -> None:
        """The one before must be over."""
        assert self._coroutine is None, "two requests of a connection at once"
        self._coroutine = coroutine
        self._step()

    def cancel(self) -> None:
        """CancelledError, where it waits. Nothing, if nothing runs."""
        if self._coroutine is None:
            return
        future = self._future
        if future is None or not future.cancel():
            # It is woken already: thrown in when its turn comes.
            self._cancelled = True

    def _resume(self, _: object = None) -> None:
        self._future = None
        self._step()

    def _step(self) -> None:
        coroutine = self._coroutine
        assert coroutine is not None, "woken after its end"
        try:
            if self._cancelled:
                self._cancelled = False
                waited = coroutine.throw(asyncio.CancelledError())
            else:
                waited = coroutine.send(None)
        except StopIteration as end:
            self._coroutine = None
            self._on_done(end.value)
        except asyncio.CancelledError:
            self._coroutine = None
            self._on_done(None)
        except BaseException:
            self._coroutine = None
            raise
        else:
            if waited is None:
                # `asyncio.sleep(0)`
                self._loop.call_soon(self._on_future)
                return
            # What a task does with a future that is awaited.
            waited._asyncio_future_blocking = False
            self._future = waited
            waited.add_done_callback(self._on_future)
