"""The worker process: commands in, answers out. Owns: the socket to its parent, the engine.

One thread reads, so that a cancel is heard while a query runs and the process ends as soon as its parent is gone;
the main thread carries out one request after another. Writing blocks while the parent does not read, and with it
the query: that is the back-pressure.
"""

from __future__ import annotations

import ctypes
import logging
import os
import queue
import signal
import socket
import threading

from shared.config import Settings
from shared.errors import EverlogError
from shared.logs import setup_logging
from shared.rpc.frames import FrameReader, encode_frame
from sqld.engine.context import Engine
from sqld.engine.failures import INTERNAL, QueryFailure
from sqld.workers.portals import Portals
from sqld.workers.protocol import (
    Cancel,
    Chunk,
    Close,
    Describe,
    Failed,
    Fetch,
    Open,
    Ready,
    SetCatalog,
    WorkerReply,
    WorkerRequest,
    decode_request,
    encode,
)

__all__ = ["run_worker"]

_log = logging.getLogger(__name__)
#: After so long without a request, memory is given back.
_REST_AFTER_S = 20.0


def run_worker(link: socket.socket, settings: Settings, slot: int, memory_bytes: int) -> None:
    """The process's main function; ends with its parent."""
    setup_logging(f"sqld-worker-{slot}", settings.log_level)
    # The parent decides when a worker ends: it drains, or kills. Ctrl-C goes to the whole terminal.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    _Worker(link, settings, slot, memory_bytes).run()


class _Worker:
    def __init__(self, link: socket.socket, settings: Settings, slot: int, memory_bytes: int) -> None:
        self._link = link
        self._requests: queue.SimpleQueue[WorkerRequest] = queue.SimpleQueue()
        self._cancelled = threading.Event()
        threading.Thread(target=self._read, name="reader", daemon=True).start()
        self._engine = Engine(settings, slot=slot, memory_bytes=memory_bytes)
        self._portals = Portals(self._engine, self._cancelled)

    def run(self) -> None:
        """Carry out requests for ever."""
        self._send(Ready())
        rested = True
        while True:
            try:
                request = self._requests.get(timeout=None if rested else _REST_AFTER_S)
            except queue.Empty:
                rested = True
                if self._portals.idle:
                    self._engine.rest()
                    _trim_heap()
                continue
            rested = False
            self._carry_out(request)

    def _carry_out(self, request: WorkerRequest) -> None:
        if isinstance(request, SetCatalog):
            self._engine.set_catalog(request.catalog)
        elif isinstance(request, Close):
            self._portals.close(request.portal)
        elif isinstance(request, Describe | Open | Fetch):
            self._send(self._answer(request))

    def _answer(self, request: Describe | Open | Fetch) -> WorkerReply:
        try:
            if isinstance(request, Describe):
                return self._portals.describe(request)
            if isinstance(request, Open):
                return self._portals.open(request)
            return self._portals.fetch(request, lambda data: self._send(Chunk(data)))
        except QueryFailure as failure:
            if isinstance(request, Fetch):
                self._portals.close(request.portal)
            return Failed(failure.message, failure.sqlstate, failure.status)
        except EverlogError as error:
            return Failed(str(error), INTERNAL, 500)
        except OSError:
            # The parent is gone, or the disk is; without a parent there is nobody to tell.
            raise
        except Exception as error:
            _log.exception("a query failed in a way that we did not think of: %r", request)
            return Failed(f"internal error: {type(error).__name__}: {error}", INTERNAL, 500)

    def _send(self, message: WorkerReply) -> None:
        self._link.sendall(encode_frame(encode(message)))

    def _read(self) -> None:
        reader = FrameReader()
        while True:
            try:
                data = self._link.recv(1 << 18)
            except OSError:
                data = b""
            if not data:
                # The main thread may be deep in a query: only this ends it.
                os._exit(0)
            for frame in reader.feed(data):
                request = decode_request(frame)
                if isinstance(request, Cancel):
                    self._cancelled.set()
                    continue
                if isinstance(request, Describe | Open | Fetch):
                    # One runs at a time, so a cancel that came before this one meant an earlier one.
                    self._cancelled.clear()
                self._requests.put(request)


def _trim_heap() -> None:
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    # Only glibc has it.
    if trim is not None:
        trim(0)
