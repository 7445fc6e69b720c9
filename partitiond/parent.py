"""Keeps the worker processes alive. Owns: the worker processes.

They are forks of this process, which has imported all that they need, and which for that runs no event loop and no
thread: it waits for a signal, or for a worker that dies, and for nothing else.
"""

from __future__ import annotations

import contextlib
import gc
import logging
import os
import signal
import socket
import time
from collections.abc import Callable
from multiprocessing.connection import wait
from typing import Any

import multiprocess
import setproctitle

from partitiond import worker
from shared.config import Settings
from shared.errors import ConfigError
from shared.signals import ENDING, signals_wait

__all__ = ["WorkerTarget", "serve"]

_log = logging.getLogger(__name__)
_BACKOFF_FIRST_S = 0.1
_BACKOFF_MAX_S = 5.0
#: A worker that lived this long starts again without back-off.
_STEADY_S = 10.0
_DRAIN_S = 15.0

#: (index, data directory): the main function of a worker process.
WorkerTarget = Callable[[int, str], None]


class _Stopping:
    """Set by the first SIGTERM or SIGINT; the second ends the process at once."""

    def __init__(self) -> None:
        self.is_set = False
        #: Readable when a signal has come.
        self.reader, self._writer = socket.socketpair()
        for end in (self.reader, self._writer):
            end.setblocking(False)
        signal.set_wakeup_fd(self._writer.fileno(), warn_on_full_buffer=False)
        for number in ENDING:
            signal.signal(number, self._on_signal)

    def _on_signal(self, *unused: object) -> None:
        if self.is_set:
            os._exit(1)
        _log.info("partitiond drains")
        self.is_set = True

    def clear_reader(self) -> None:
        with contextlib.suppress(BlockingIOError):
            while self.reader.recv(64):
                pass

    def forget(self) -> None:
        """In a worker: its signals are its own."""
        signal.set_wakeup_fd(-1)
        for number in ENDING:
            signal.signal(number, signal.SIG_DFL)
        self.reader.close()
        self._writer.close()


class WorkerKeeper:
    """One worker process and its successors."""

    def __init__(self, index: int, settings: Settings, target: WorkerTarget) -> None:
        self._index = index
        self._data_dir = settings.data_dir
        self._target = target
        self._process: Any = None
        self._started_at = 0.0
        self._backoff_s = _BACKOFF_FIRST_S
        #: When it is to be started, by the monotonic clock; None while it runs.
        self.start_at: float | None = 0.0

    @property
    def sentinel(self) -> int | None:
        """Readable once the worker has ended; None while there is none."""
        if self._process is None:
            return None
        sentinel: int = self._process.sentinel
        return sentinel

    def start(self, stopping: _Stopping) -> None:
        """Fork the worker."""
        self.start_at, self._started_at = None, time.monotonic()
        context = multiprocess.get_context("fork")
        self._process = context.Process(target=self._run, args=(stopping,), name=f"partitiond-{self._index}")
        # A signal between the fork and the worker's own handlers must end the worker, not be taken for ours.
        with signals_wait():
            self._process.start()

    def _run(self, stopping: _Stopping) -> None:
        """In the worker."""
        stopping.forget()
        setproctitle.setproctitle(f"{setproctitle.getproctitle()} worker {self._index}")
        signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDING)
        self._target(self._index, self._data_dir)

    def take_end(self) -> None:
        """Plan the next start of a worker that has died. Raises ConfigError when none would mend that."""
        self._process.join()
        status = self._process.exitcode
        self._process.close()
        self._process = None
        if status == worker.EXIT_CONFIG:
            raise ConfigError(f"worker {self._index} cannot run, see above: another start would not mend that")
        if time.monotonic() - self._started_at > _STEADY_S:
            self._backoff_s = _BACKOFF_FIRST_S
        _log.error("worker %d died (exit code %s), starting again in %.1f s", self._index, status, self._backoff_s)
        self.start_at = time.monotonic() + self._backoff_s
        self._backoff_s = min(self._backoff_s * 2, _BACKOFF_MAX_S)

    def tell_to_drain(self) -> None:
        if self._process is not None and self._process.is_alive():
            self._process.terminate()

    def drain(self, deadline: float) -> None:
        """Wait for its end, and kill it at the deadline."""
        if self._process is None:
            return
        self._process.join(max(0.0, deadline - time.monotonic()))
        if self._process.is_alive():
            _log.error("worker %d did not drain within %.0f s, killing it", self._index, _DRAIN_S)
            self._process.kill()
            self._process.join()


def serve(settings: Settings, target: WorkerTarget = worker.main) -> None:
    """Run all workers until a signal says to stop. Raises ConfigError when one cannot run; the others are drained."""
    stopping = _Stopping()
    keepers = [WorkerKeeper(index, settings, target) for index in range(settings.worker_count)]
    gc.collect()
    gc.freeze()
    try:
        while not stopping.is_set:
            _turn(keepers, stopping)
    finally:
        deadline = time.monotonic() + _DRAIN_S
        for keeper in keepers:
            keeper.tell_to_drain()
        for keeper in keepers:
            keeper.drain(deadline)


def _turn(keepers: list[WorkerKeeper], stopping: _Stopping) -> None:
    """Start whose time has come, then wait for what is next."""
    now = time.monotonic()
    for keeper in keepers:
        if keeper.start_at is not None and keeper.start_at <= now:
            keeper.start(stopping)
    starts = [keeper.start_at for keeper in keepers if keeper.start_at is not None]
    alive = {keeper.sentinel: keeper for keeper in keepers if keeper.sentinel is not None}
    timeout_s = max(0.0, min(starts) - now) if starts else None
    for ready in wait([*alive, stopping.reader], timeout_s):
        if ready is stopping.reader:
            stopping.clear_reader()
        elif isinstance(ready, int):
            alive[ready].take_end()
