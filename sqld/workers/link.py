"""One worker process as its parent sees it. Owns: the process and the socket to it.

A worker is a fork of sqld, so that it need not begin with an interpreter and has in common with it what is imported.
sqld runs an event loop, but no thread: the child never goes on with the loop, and closes what it would hold open.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import os
import signal
import socket
from collections.abc import Callable
from typing import Any, cast

import multiprocess
import setproctitle

from shared.config import Settings
from shared.errors import RemoteProtocolError
from shared.rpc.frames import FrameReader, encode_frame
from shared.signals import ENDING, signals_wait
from sqld.workers.protocol import (
    Cancel,
    Chunk,
    Column,
    Opened,
    Ready,
    Run,
    WorkerReply,
    WorkerRequest,
    decode_reply,
    encode,
)

__all__ = ["WorkerDiedError", "WorkerLink"]

_log = logging.getLogger(__name__)
#: How soon a cancelled query must end by itself before its process is killed.
_CANCEL_GRACE_S = 0.2
#: What the parent holds of an answer that its client does not read. The socket's buffer comes on top.
_READ_AT_ONCE = 256 * 1024
_STANDARD = (0, 1, 2)
_LOOK_AGAIN_S = 0.005


class WorkerDiedError(Exception):
    """The worker process is gone; so are all queries that were open in it."""


class WorkerLink(asyncio.Protocol):
    """Starts a worker and asks it one thing at a time. `on_change` is called when it is ready and when it died."""

    def __init__(
        self, settings: Settings, *, slot: int, memory_bytes: int, on_change: Callable[[WorkerLink], None]
    ) -> None:
        self.slot = slot
        self._settings = settings
        self._memory_bytes = memory_bytes
        self._on_change = on_change
        self._reader = FrameReader()
        self._process: Any = None
        self._transport: asyncio.Transport | None = None
        self._answer: asyncio.Future[WorkerReply] | None = None
        self._on_data: Callable[[bytes], None] | None = None
        self._on_columns: Callable[[list[Column]], None] | None = None
        #: What is asked is a `Run`, of which an `Opened` is not the end.
        self._running = False
        self.dead = False
        #: It said that it can take requests.
        self.ready = False
        #: Somebody has it, from `WorkerPool.acquire` to `release`.
        self.taken = False
        #: Queries that are open in it.
        self.portals = 0
        #: When it was given back last, by the loop's clock.
        self.last_used = 0.0

    @property
    def pid(self) -> int:
        pid: int = self._process.pid
        return pid

    async def start(self) -> None:
        """Start the process. It need not be ready: what is asked waits in the socket."""
        ours, theirs = socket.socketpair()
        # multiprocess makes more while it forks, which the child needs.
        before = [number for number in _open_descriptors() if number not in (*_STANDARD, theirs.fileno())]
        context = multiprocess.get_context("fork")
        self._process = context.Process(target=self._run, args=(theirs, before), daemon=True)
        # A signal between the fork and the child's own handlers must not be told to our loop.
        with signals_wait():
            # 2 ms of the loop; what the worker imports is its own time.
            self._process.start()
        theirs.close()
        ours.setblocking(False)
        await asyncio.get_running_loop().create_unix_connection(lambda: self, sock=ours)
        _log.info("query worker %d starts pid=%d", self.slot, self.pid)

    def _run(self, link: socket.socket, before: list[int]) -> None:
        """In the worker."""
        # Objects of the loop must not be closed as garbage: their numbers will be other files'. The runner looks for
        # garbage again, when all is imported.
        gc.disable()
        gc.freeze()
        signal.set_wakeup_fd(-1)
        # See `guard`: what it does must not count as the node's.
        os.setsid()
        # The parent decides when a worker ends: it drains, or kills. Ctrl-C goes to the whole terminal.
        for each in ENDING:
            signal.signal(each, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDING)
        for descriptor in before:
            with contextlib.suppress(OSError):
                os.close(descriptor)
        setproctitle.setproctitle(f"{setproctitle.getproctitle()} query worker {self.slot}")
        # Imported in the child alone: Arrow and DataFusion take 80 MB that the parent does without.
        from sqld.workers.process import run_worker

        run_worker(link, self._settings, self.slot, self._memory_bytes)

    def tell(self, message: WorkerRequest) -> None:
        """Send what has no answer."""
        if self._transport is not None and not self.dead:
            self._transport.write(encode_frame(encode(message)))

    async def ask(
        self,
        message: WorkerRequest,
        on_data: Callable[[bytes], None] | None = None,
        on_columns: Callable[[list[Column]], None] | None = None,
    ) -> WorkerReply:
        """Send one request and wait for its end; chunks go to `on_data`, and before them the columns of a `Run` to
        `on_columns`. Raises WorkerDiedError.

        When the caller is cancelled, the worker is asked to stop and killed if it does not. In any case it is
        free or dead when this returns.
        """
        assert self._answer is None, "a worker is asked one thing at a time"
        if self.dead:
            raise WorkerDiedError
        self._answer = asyncio.get_running_loop().create_future()
        self._running = isinstance(message, Run)
        self._on_data, self._on_columns = on_data, on_columns
        self.tell(message)
        try:
            return await asyncio.shield(self._answer)
        except asyncio.CancelledError:
            await self._stop_running()
            raise
        finally:
            self._answer = None
            self._on_data = self._on_columns = None

    async def _stop_running(self) -> None:
        assert self._answer is not None
        self._on_data = self._on_columns = None
        self.tell(Cancel())
        # Its client may not have been reading: what is left must flow for the query to see its end.
        self.resume()
        try:
            done, _ = await asyncio.wait({self._answer}, timeout=_CANCEL_GRACE_S)
        except asyncio.CancelledError:
            self.kill()
            raise
        if not done:
            _log.warning("query worker %d pid=%d does not stop: killed", self.slot, self.pid)
            self.kill()
        # Seen: a death here is no surprise to anybody.
        self._answer.exception()

    def pause(self) -> None:
        """Read no more for now: the worker comes to a stop when the socket is full."""
        if self._transport is not None and not self.dead:
            self._transport.pause_reading()

    def resume(self) -> None:
        """Read again."""
        if self._transport is not None and not self.dead:
            self._transport.resume_reading()

    def kill(self) -> None:
        """End the process at once, whatever it does."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)
        self._died()

    @property
    def running(self) -> bool:
        """The process has not ended yet."""
        running: bool = self._process is not None and self._process.is_alive()
        return running

    async def why_dead(self) -> int:
        """How the process ended: its exit code, or the negative signal; 0 when that is not known."""
        await self._join(1.0)
        return self._process.exitcode or 0

    async def _join(self, within_s: float) -> bool:
        """The process has ended within the time. Not in a thread: the next worker is forked of a process without."""
        loop = asyncio.get_running_loop()
        until = loop.time() + within_s
        while self._process.is_alive():
            if loop.time() > until:
                return False
            await asyncio.sleep(_LOOK_AGAIN_S)
        return True

    def retire(self) -> None:
        """Let the process go: it ends when its socket closes."""
        self._died()

    async def close(self) -> None:
        """End the process: it leaves by itself when its socket closes, or is killed."""
        self._died()
        if self._process is None:
            return
        if not await self._join(1.0):
            self._process.kill()
            await self._join(5.0)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are none by inheritance.
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        try:
            replies = [decode_reply(frame) for frame in self._reader.feed(data)]
        except RemoteProtocolError:
            _log.exception("query worker %d: unreadable answer", self.slot)
            self.kill()
            return
        for reply in replies:
            if isinstance(reply, Ready):
                self.ready = True
                self._on_change(self)
            elif isinstance(reply, Chunk):
                if self._on_data is not None:
                    self._on_data(reply.data)
            elif isinstance(reply, Opened) and self._running:
                if self._on_columns is not None:
                    self._on_columns(reply.columns)
            elif self._answer is not None and not self._answer.done():
                self._answer.set_result(reply)

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.dead:
            _log.error("query worker %d pid=%d died", self.slot, self.pid)
        self._died()

    def _died(self) -> None:
        if self.dead:
            return
        self.dead = True
        if self._transport is not None:
            self._transport.abort()
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(WorkerDiedError())
        self._on_change(self)


def _open_descriptors() -> list[int]:
    try:
        return [int(name) for name in os.listdir("/proc/self/fd")]
    except OSError:
        return [int(name) for name in os.listdir("/dev/fd")]
