"""The thread that runs queries in a worker process. Owns: the engine."""

from __future__ import annotations

import ctypes
import gc
import logging
import os
import queue
import socket
import threading
import time

from shared.config import Settings
from shared.errors import EverlogError
from shared.rpc.frames import encode_frame
from sqld.engine.context import Engine
from sqld.engine.failures import INTERNAL, OUT_OF_MEMORY, QueryFailure
from sqld.engine.pace import Pace
from sqld.workers.portals import Portals
from sqld.workers.protocol import (
    Chunk,
    Close,
    Describe,
    Failed,
    Fetch,
    Open,
    Ready,
    Run,
    SetCatalog,
    WorkerReply,
    WorkerRequest,
    encode,
)

__all__ = ["Runner"]

_log = logging.getLogger(__name__)
#: After so long without a request, memory is given back.
_REST_AFTER_S = 20.0
#: A piece of an answer on its way to the parent: a row may be larger than a frame.
_PIECE_BYTES = 1024 * 1024


class Runner:
    """Carries out requests in order. Its thread may be replaced between two of them: see `successor`."""

    def __init__(
        self,
        link: socket.socket,
        settings: Settings,
        slot: int,
        memory_bytes: int,
        cancelled: threading.Event,
        pace: Pace,
    ) -> None:
        self._link = link
        self._settings = settings
        self._slot = slot
        self._memory_bytes = memory_bytes
        self._cancelled = cancelled
        self._pace = pace
        self._requests: queue.SimpleQueue[WorkerRequest | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run_or_end, name="runner", daemon=True)
        self._before: threading.Thread | None = None
        self._engine: Engine | None = None
        self._portals: Portals | None = None
        #: What is sent with the next message.
        self._opened = b""
        #: When the request that runs began, by the steady clock; 0.0: none runs.
        self.began = 0.0

    def start(self) -> None:
        """Begin; tells the parent when it can take requests."""
        self._thread.start()

    def successor(self) -> Runner:
        """A runner that goes on with the same queries in a fresh thread, once this one has done what it was given."""
        heir = Runner(self._link, self._settings, self._slot, self._memory_bytes, self._cancelled, self._pace)
        heir._before, heir._engine, heir._portals = self._thread, self._engine, self._portals
        self._requests.put(None)
        heir.start()
        return heir

    def put(self, request: WorkerRequest) -> None:
        """Have it carried out after all before."""
        if isinstance(request, Describe | Open | Fetch | Run):
            self.began = time.monotonic()
        self._requests.put(request)

    @property
    def running(self) -> bool:
        """A request runs, or is about to."""
        return self.began > 0.0

    def _run_or_end(self) -> None:
        try:
            self._run()
        except BaseException:
            # Without it this process is of no use, and the parent waits for it.
            _log.exception("the query worker cannot go on")
            os._exit(1)

    def _run(self) -> None:
        if self._before is not None:
            self._before.join()
        if self._portals is None:
            spill = self._settings.query_spill_bytes // self._settings.queries_at_once
            self._engine = Engine(
                self._settings, slot=self._slot, memory_bytes=self._memory_bytes, spill_bytes=spill, pace=self._pace
            )
            self._portals = Portals(self._engine, self._cancelled)
            _collect_rarely()
            self._send(Ready())
        rested = True
        while True:
            try:
                request = self._requests.get(timeout=None if rested else _REST_AFTER_S)
            except queue.Empty:
                rested = True
                self._rest()
                continue
            if request is None:
                return
            rested = False
            self._carry_out(request)

    def _rest(self) -> None:
        assert self._engine is not None
        assert self._portals is not None
        if self._portals.idle:
            self._engine.rest()
            _trim_heap()

    def _carry_out(self, request: WorkerRequest) -> None:
        assert self._engine is not None
        assert self._portals is not None
        if isinstance(request, SetCatalog):
            self._engine.set_catalog(request.catalog)
        elif isinstance(request, Close):
            self._portals.close(request.portal)
        elif isinstance(request, Describe | Open | Fetch | Run):
            reply = self._answer(request, self._portals)
            # Before it is told: the next request may be there at once.
            self.began = 0.0
            self._send(reply)

    def _answer(self, request: Describe | Open | Fetch | Run, portals: Portals) -> WorkerReply:
        try:
            if isinstance(request, Describe):
                return portals.describe(request)
            if isinstance(request, Open):
                return portals.open(request)
            if isinstance(request, Run):
                self._opened = encode_frame(encode(portals.open(request.open)))
                return portals.fetch(Fetch(request.open.portal, 0), self._send_data)
            return portals.fetch(request, self._send_data)
        except QueryFailure as failure:
            failed = Failed(failure.message, failure.sqlstate, failure.status)
        except EverlogError as error:
            failed = Failed(str(error), INTERNAL, 500)
        except MemoryError:
            failed = Failed("out of memory", OUT_OF_MEMORY, 500)
        except OSError:
            # The parent is gone, or the disk is; without a parent there is nobody to tell.
            raise
        except Exception as error:
            _log.exception("a query failed in a way that we did not think of: %r", request)
            failed = Failed(f"internal error: {type(error).__name__}: {error}", INTERNAL, 500)
        if isinstance(request, Fetch | Run):
            portals.close(request.portal if isinstance(request, Fetch) else request.open.portal)
        return failed

    def _send_data(self, data: bytes) -> None:
        if len(data) <= _PIECE_BYTES:
            self._send(Chunk(data))
            return
        for at in range(0, len(data), _PIECE_BYTES):
            self._send(Chunk(data[at : at + _PIECE_BYTES]))

    def _send(self, message: WorkerReply) -> None:
        data = self._opened + encode_frame(encode(message))
        self._opened = b""
        self._link.sendall(data)


def _collect_rarely() -> None:
    """Rows come and go by the thousand and have no cycles: looking for some among them took half of a scan."""
    # What there is now stays: to look at it took 30 ms of the first query.
    gc.freeze()
    gc.set_threshold(200_000, 20, 100)
    gc.enable()


def _trim_heap() -> None:
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    # Only glibc has it.
    if trim is not None:
        trim(0)
