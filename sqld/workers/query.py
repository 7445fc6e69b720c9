"""One query as its client's session sees it: opened, fetched, closed, within its time."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable
from typing import Any

from sqld.engine.failures import OUT_OF_MEMORY, TIMED_OUT, TOO_COMPLEX, UNAVAILABLE, QueryFailure
from sqld.workers.link import WorkerDiedError, WorkerLink
from sqld.workers.pool import WorkerPool
from sqld.workers.protocol import (
    EXIT_MEMORY,
    Close,
    Column,
    Describe,
    Described,
    Failed,
    Fetch,
    Fetched,
    Open,
    Opened,
    Output,
    Run,
    WorkerReply,
    WorkerRequest,
)

__all__ = ["RemoteQuery", "describe"]


class RemoteQuery:
    """A query in some worker. All methods raise QueryFailure; after that, and after the last row, it is closed.

    `timeout_s` is the time it may run and wait for its turn in all, over all fetches; what its client takes to
    read counts as well, as in PostgreSQL.
    """

    _numbers = 0

    def __init__(self, pool: WorkerPool, *, timeout_s: float) -> None:
        RemoteQuery._numbers += 1
        self._number = RemoteQuery._numbers
        self._pool = pool
        self._left_s = timeout_s
        self._timeout_s = timeout_s
        self._link: WorkerLink | None = None
        self._running = False

    async def open(
        self,
        sql: str,
        output: Output,
        *,
        parameters: list[bytes | None] | None = None,
        formats: list[int] | None = None,
        types: list[int] | None = None,
        session: dict[str, str] | None = None,
    ) -> list[Column]:
        """Plan it; the columns of its rows."""
        request = Open(self._number, sql, output, parameters or [], formats or [], types or [], session or {})
        reply = await self._step(request)
        assert isinstance(reply, Opened), reply
        return reply.columns

    async def fetch(
        self, max_rows: int, on_data: Callable[[bytes], None], *, formats: list[int] | None = None
    ) -> Fetched:
        """Send the bytes of the next `max_rows` rows (0: all) to `on_data`; `formats`: other ones than it was opened
        with."""
        reply = await self._step(Fetch(self._number, max_rows, formats), on_data)
        assert isinstance(reply, Fetched), reply
        if reply.data:
            on_data(reply.data)
        if reply.complete:
            self._forget()
        return reply

    async def run(
        self,
        sql: str,
        output: Output,
        on_data: Callable[[bytes], None],
        *,
        on_columns: Callable[[list[Column]], None] | None = None,
        parameters: list[bytes | None] | None = None,
        formats: list[int] | None = None,
        types: list[int] | None = None,
        session: dict[str, str] | None = None,
    ) -> Fetched:
        """`open` and `fetch` of all rows, with one question to the worker. The columns come before the first row."""
        request = Open(self._number, sql, output, parameters or [], formats or [], types or [], session or {})
        reply = await self._step(Run(request), on_data, on_columns)
        assert isinstance(reply, Fetched), reply
        if reply.data:
            on_data(reply.data)
        self._forget()
        return reply

    def pause(self) -> None:
        """The client does not read: let the worker come to a stop."""
        if self._running and self._link is not None:
            self._link.pause()

    def resume(self) -> None:
        """The client reads again."""
        if self._running and self._link is not None:
            self._link.resume()

    def close(self) -> None:
        """Nobody wants more of it."""
        if self._link is not None:
            self._link.tell(Close(self._number))
        self._forget()

    def _forget(self) -> None:
        if self._link is not None:
            self._link.portals -= 1
            self._link = None

    async def _step(
        self,
        request: WorkerRequest,
        on_data: Callable[[bytes], None] | None = None,
        on_columns: Callable[[list[Column]], None] | None = None,
    ) -> WorkerReply:
        loop = asyncio.get_running_loop()
        began = loop.time()
        if isinstance(request, Fetch) and self._link is None:
            raise QueryFailure("this query is closed", sqlstate="34000", status=500)
        try:
            async with asyncio.timeout(self._left_s):
                link = await self._pool.acquire(self._link)
                if self._link is None:
                    self._link = link
                    link.portals += 1
                self._running = True
                try:
                    reply = await link.ask(request, on_data, on_columns)
                finally:
                    self._running = False
                    self._pool.release(link)
        except WorkerDiedError as error:
            dead = self._link
            self.close()
            raise _died(0 if dead is None else await dead.why_dead()) from error
        except QueryFailure:
            self.close()
            raise
        except (TimeoutError, asyncio.CancelledError) as error:
            self.close()
            raise _translated(error, self._timeout_s) from error
        self._left_s -= loop.time() - began
        if isinstance(reply, Failed):
            self._forget()
            raise QueryFailure(reply.message, sqlstate=reply.sqlstate, status=reply.status)
        return reply


async def describe(
    pool: WorkerPool, sql: str, parameter_types: list[int], *, timeout_s: float, session: dict[str, str] | None = None
) -> Described:
    """What a prepared statement takes and gives. Raises QueryFailure."""
    try:
        async with asyncio.timeout(timeout_s):
            link = await pool.acquire()
            try:
                reply: Any = await link.ask(Describe(sql, parameter_types, session or {}))
            finally:
                pool.release(link)
    except WorkerDiedError as error:
        raise _died(await link.why_dead()) from error
    except TimeoutError as error:
        raise _translated(error, timeout_s) from error
    if isinstance(reply, Failed):
        raise QueryFailure(reply.message, sqlstate=reply.sqlstate, status=reply.status)
    assert isinstance(reply, Described), reply
    return reply


def _translated(error: BaseException, timeout_s: float) -> BaseException:
    if isinstance(error, TimeoutError):
        text = f"canceling statement due to statement timeout: it took more than {timeout_s:g} s (query_timeout_s)"
        return QueryFailure(text, sqlstate=TIMED_OUT, status=500)
    return error


def _died(exit_code: int) -> QueryFailure:
    """What a query's client is told of the end of its process."""
    if exit_code in (EXIT_MEMORY, -signal.SIGABRT):
        text = "out of memory: this query needs more than its share of query_memory_bytes; its process was ended"
        return QueryFailure(text, sqlstate=OUT_OF_MEMORY, status=500)
    if exit_code in (-signal.SIGSEGV, -signal.SIGBUS):
        text = "stack depth limit exceeded: this query is nested too deeply; its process was ended"
        return QueryFailure(text, sqlstate=TOO_COMPLEX, status=500)
    text = "the process that ran this query was ended; nothing else is affected, run it again"
    return QueryFailure(text, sqlstate=UNAVAILABLE, status=500)
