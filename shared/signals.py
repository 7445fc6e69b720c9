"""Signals that end a process, held back while it forks. Owns: nothing."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterator

__all__ = ["ENDING", "signals_wait"]

#: What asks a process to end.
ENDING = (signal.SIGTERM, signal.SIGINT)


@contextlib.contextmanager
def signals_wait() -> Iterator[None]:
    """What comes within is taken at the end; in a fork made within, a handler of its parent would take it.

    The fork begins with them blocked, and unblocks them when its own handlers are there.
    """
    signal.pthread_sigmask(signal.SIG_BLOCK, ENDING)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDING)
