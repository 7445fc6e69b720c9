"""The worker process: commands in, answers out. Owns: the socket to its parent, the thread that runs queries.

The main thread reads, so that a cancel is heard while a query runs and the process ends as soon as its parent is
gone, and watches over what runs; the runner carries out one request after another. Writing blocks while the parent
does not read, and with it the query: that is the back-pressure.
"""

from __future__ import annotations

import logging
import os
import select
import socket
import sys
import threading

from shared.config import Settings
from shared.logs import setup_logging
from shared.rpc.frames import FrameReader
from sqld.engine.pace import Pace
from sqld.workers.guard import Guard
from sqld.workers.protocol import Cancel, Describe, Fetch, Hurry, Open, Run, decode_request
from sqld.workers.runner import Runner

__all__ = ["run_worker"]

_log = logging.getLogger(__name__)
#: The part of a query's time in which it lets others go first.
_PATIENCE = 0.5


def run_worker(link: socket.socket, settings: Settings, slot: int, memory_bytes: int) -> None:
    """The process's main function; ends with its parent."""
    setup_logging(f"sqld-worker-{slot}", settings.log_level)
    _Worker(link, settings, slot, memory_bytes).run()


class _Worker:
    def __init__(self, link: socket.socket, settings: Settings, slot: int, memory_bytes: int) -> None:
        self._link = link
        self._cancelled = threading.Event()
        pace = Pace(patience_s=settings.query_timeout_s * _PATIENCE)
        self._guard = Guard(memory_bytes, pace)
        self._runner = Runner(link, settings, slot, memory_bytes, self._cancelled, pace)

    def run(self) -> None:
        """Read for ever."""
        # Plans are walked by recursion: what DataFusion's own limit lets pass must not end the process.
        threading.stack_size(64 * 1024 * 1024)
        sys.setrecursionlimit(50_000)
        self._runner.start()
        reader = FrameReader()
        while True:
            running = self._runner.running
            if not select.select([self._link], [], [], self._guard.interval_s if running else None)[0]:
                self._guard.watch(self._runner.began)
                continue
            try:
                data = self._link.recv(1 << 18)
            except OSError:
                data = b""
            if not data:
                # The runner may be deep in a query: only this ends it.
                os._exit(0)
            for frame in reader.feed(data):
                self._take(frame)

    def _take(self, frame: bytes) -> None:
        request = decode_request(frame)
        if isinstance(request, Cancel):
            self._cancelled.set()
            return
        if isinstance(request, Hurry):
            self._guard.hurry()
            return
        if isinstance(request, Describe | Open | Fetch | Run):
            # One runs at a time, so a cancel that came before this one meant an earlier one.
            self._cancelled.clear()
            if self._guard.begin():
                self._runner = self._runner.successor()
        self._runner.put(request)
