"""One event loop for many processes, in simulated time. What a process does stops with it.

A process is a name that goes with each callback and task (a context variable), so that the real daemons run in it
unchanged: what they plan while they live is not carried out once they are killed, nor while they are stopped.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import heapq
import random
from collections.abc import Callable, Coroutine
from typing import Any

from tests.fakes.sim_loop import SimLoop

__all__ = ["NOBODY", "ClusterLoop", "Killed", "Process", "current_process"]

_PROCESS: contextvars.ContextVar[Process | None] = contextvars.ContextVar("process", default=None)

#: For callbacks of the world itself.
NOBODY = contextvars.Context()


class Killed(BaseException):
    """Unwinds the stack of a process that was killed in the midst of a callback. Nobody catches it by mistake."""


def current_process() -> Process:
    """Whose code runs now."""
    process = _PROCESS.get()
    assert process is not None, "only processes may do this"
    return process


class Process:
    """One incarnation of a program on a node: a restart is another Process."""

    def __init__(self, loop: ClusterLoop, host: str, program: str, seed: str) -> None:
        self.loop = loop
        self.host = host
        self.program = program
        self.alive = True
        self.chooser = random.Random(seed)
        #: Seconds of this process's monotonic clock for one of the loop's.
        self.clock_rate = 1.0
        loop.processes += 1
        self.serial = loop.processes
        #: Alarms that it ever set.
        self.alarms = 0
        self._stopped = False
        self._late: list[tuple[Callable[..., Any], tuple[Any, ...], contextvars.Context]] = []
        #: Called when it dies; its sockets are closed so.
        self.at_exit: dict[Callable[[], None], None] = {}
        self.context = contextvars.copy_context()
        self.context.run(_PROCESS.set, self)

    def __str__(self) -> str:
        return f"{self.program}@{self.host}"

    def monotonic(self) -> float:
        return self.loop.time() * self.clock_rate

    def start(self, main: Coroutine[Any, Any, None], *, name: str = "main") -> asyncio.Task[None]:
        """A task of this process."""
        return self.loop.create_task(main, name=f"{self}:{name}", context=self.context.copy())

    def call(self, callback: Callable[..., Any], *args: Any) -> None:
        """In a later turn, as this process."""
        self.loop.call_soon(callback, *args, context=self.context.copy())

    def kill(self) -> None:
        """kill -9: no callback of it runs any more."""
        if not self.alive:
            return
        self.alive = False
        self._late.clear()
        at_exit, self.at_exit = self.at_exit, {}
        for callback in at_exit:
            callback()

    def kill_soon(self) -> None:
        """At the end of the loop's turn, when what is queued for its sockets is written."""
        self.loop.call_soon(lambda: self.loop.call_soon(self.kill, context=NOBODY), context=NOBODY)

    def stop(self) -> None:
        """SIGSTOP: it does nothing, and knows nothing of it afterwards."""
        self._stopped = True

    def go_on(self) -> None:
        """SIGCONT: all that was due meanwhile is done now."""
        self._stopped = False
        late, self._late = self._late, []
        for callback, args, context in late:
            self.loop.call_soon(callback, *args, context=context)

    def run(self, callback: Callable[..., Any], args: tuple[Any, ...]) -> None:
        """Instead of the callback itself."""
        if not self.alive:
            return
        if self._stopped:
            self._late.append((callback, args, contextvars.copy_context()))
            return
        self.loop.steps += 1
        try:
            callback(*args)
        except Killed:
            assert not self.alive, f"{self} was told that it was killed, and lives"


class _Alarm(asyncio.TimerHandle):
    """Alarms of one time ring in an order that does not depend on what else is in the heap: by process, then by age."""

    __slots__ = ("order",)
    _scheduled: bool

    def __init__(self, when: float, order: tuple[int, int], callback: Any, args: Any, loop: Any, context: Any) -> None:
        super().__init__(when, callback, args, loop, context)
        self.order = order

    def __lt__(self, other: Any) -> bool:
        mine, its = self.when(), other.when()
        return bool(mine < its or (mine == its and self.order < other.order))


class ClusterLoop(SimLoop):
    """See the module. Sockets are those of `network`, threads are played."""

    network: Any
    #: Told of each failure of a callback, as it happens.
    on_failure: Callable[[BaseException], None] = staticmethod(lambda error: None)

    def __init__(self, *, seconds_max: float, seed: int) -> None:
        super().__init__(seconds_max=seconds_max)
        self.steps = 0
        self.processes = 0
        self._alarms = 0
        self._chooser = random.Random(f"{seed} threads")
        self._over = False
        #: Tasks of dead processes: nobody may close their coroutines before the end.
        self._kept: list[asyncio.Task[Any]] = []

    def call_soon(self, callback: Any, *args: Any, context: contextvars.Context | None = None) -> asyncio.Handle:
        if self._over:
            return _done_handle(self)
        process = _PROCESS.get() if context is None else context.get(_PROCESS)
        if process is None:
            return super().call_soon(callback, *args, context=context)
        return super().call_soon(process.run, callback, args, context=context)

    def call_at(
        self, when: float, callback: Any, *args: Any, context: contextvars.Context | None = None
    ) -> asyncio.TimerHandle:
        if self._over:
            return _Alarm(when, (0, 0), callback, args, self, context)
        process = _PROCESS.get() if context is None else context.get(_PROCESS)
        if process is None:
            self._alarms += 1
            alarm = _Alarm(when, (0, self._alarms), callback, args, self, context)
        else:
            process.alarms += 1
            alarm = _Alarm(when, (process.serial, process.alarms), process.run, (callback, args), self, context)
        heapq.heappush(self._scheduled, alarm)  # type: ignore[attr-defined]
        alarm._scheduled = True
        return alarm

    def create_task(self, coro: Any, *, name: Any = None, context: Any = None) -> asyncio.Task[Any]:
        task: asyncio.Task[Any] = super().create_task(coro, name=name, context=context)
        task._log_destroy_pending = False  # type: ignore[attr-defined]
        self._kept.append(task)
        if len(self._kept) > 4096:
            self._kept = [task for task in self._kept if not task.done()]
        return task

    def run_in_executor(self, executor: Any, func: Any, *args: Any) -> asyncio.Future[Any]:  # type: ignore[override]
        """A thread: it begins a little later, and is done a little later still."""
        future = self.create_future()
        slow = self._chooser.choice((0.001, 0.01, 0.2))

        def work() -> None:
            try:
                result, failure = func(*args), None
            except Exception as error:
                result, failure = None, error
            self.call_later(slow, end, result, failure)

        def end(result: Any, failure: Exception | None) -> None:
            if future.done():
                return
            if failure is None:
                future.set_result(result)
            else:
                future.set_exception(failure)

        self.call_later(self._chooser.random() * slow, work)
        return future

    async def create_unix_server(self, factory: Any, path: Any = None, **_: Any) -> Any:
        return self.network.listen(str(path), factory)

    async def create_server(self, factory: Any, host: Any = None, port: Any = None, **_: Any) -> Any:
        return self.network.listen(f"{host}:{port}", factory)

    async def create_unix_connection(self, factory: Any, path: Any = None, **_: Any) -> Any:
        return await self.network.connect(str(path), factory)

    async def create_connection(self, factory: Any, host: Any = None, port: Any = None, **_: Any) -> Any:
        return await self.network.connect(f"{host}:{port}", factory)

    def finish(self) -> None:
        """Everything stops where it is."""
        self._over = True
        for task in self._kept:
            # Or they would tell of their end as they are collected.
            task._log_traceback = False  # type: ignore[attr-defined]
            if not task.done():
                with contextlib.suppress(Exception):
                    task.get_coro().close()  # type: ignore[union-attr]
        self._kept.clear()
        self.close()

    def _on_failure(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        if not isinstance(context.get("exception"), Killed):
            super()._on_failure(loop, context)
            self.on_failure(self.failures[-1])


def _done_handle(loop: asyncio.AbstractEventLoop) -> asyncio.Handle:
    handle = asyncio.Handle(lambda: None, (), loop)
    handle.cancel()
    return handle
