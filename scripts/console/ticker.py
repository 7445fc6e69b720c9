"""Progress of something long, on stderr while somebody looks. Owns: a thread, until it is stopped."""

from __future__ import annotations

import sys
import threading
import time
from types import TracebackType

__all__ = ["Ticker"]

_FIRST_AFTER_S = 1.0
_EVERY_S = 0.5


class Ticker:
    """`with Ticker() as ticker: ticker.rows = 17`. Says nothing in the first second, and nothing but to a terminal."""

    def __init__(self) -> None:
        self.rows = 0
        self._began = time.monotonic()
        self._stopped = threading.Event()
        self._written = False
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Ticker:
        if sys.stderr.isatty():
            self._thread = threading.Thread(target=self._run, daemon=True)
            self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop()

    def stop(self) -> None:
        """Take the line away: something else is printed from now on."""
        self._stopped.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None
        if self._written:
            self._written = False
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)

    def _run(self) -> None:
        wait_s = _FIRST_AFTER_S
        while not self._stopped.wait(wait_s):
            wait_s = _EVERY_S
            self._written = True
            passed = time.monotonic() - self._began
            text = f"{self.rows:,} rows, " if self.rows else "the query runs, "
            print(f"\r{text}{passed:.0f} s\x1b[K", end="", file=sys.stderr, flush=True)
