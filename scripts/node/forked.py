"""A process of ours that is a fork of this one: to its starter what `subprocess.Popen` is. Owns: it, until it ended.

An interpreter that is started anew imports again what this one has: a tenth of a second of a node's start.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

from shared.signals import ENDING, signals_wait

__all__ = ["Forked", "fork"]


class Forked:
    """A child by its pid, which nobody else waits for."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self._status: int | None = None

    def poll(self) -> int | None:
        """Its exit status, negative for a signal; None while it runs."""
        if self._status is None:
            self._take(os.waitpid(self.pid, os.WNOHANG))
        return self._status

    def wait(self) -> int:
        """Its exit status, once it has ended."""
        while self._status is None:
            self._take(os.waitpid(self.pid, 0))
        return self._status

    def send_signal(self, number: signal.Signals) -> None:
        """Unless it has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def _take(self, ended: tuple[int, int]) -> None:
        if ended[0] == self.pid:
            self._status = os.waitstatus_to_exitcode(ended[1])


def fork(main: Callable[[], None], *, log: Path, keep: int, own_session: bool) -> Forked:
    """Run `main` in a fork with nothing open but the descriptor `keep` and, for what it says, `log`.

    It is a group of its own, so that Ctrl-C is not for it; with `own_session` it outlives the terminal.
    """
    assert threading.active_count() == 1, "a lock that another thread holds would never be free in the fork"
    sys.stdout.flush()
    sys.stderr.flush()
    with signals_wait():
        pid = os.fork()
        if pid == 0:
            _run(main, log, keep, own_session=own_session)
    return Forked(pid)


def _run(main: Callable[[], None], log: Path, keep: int, *, own_session: bool) -> NoReturn:
    status = 1
    try:
        if own_session:
            os.setsid()
        else:
            os.setpgid(0, 0)
        _open_only(log, keep)
        for number in ENDING:
            signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDING)
        main()
        status = 0
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else int(end.code is not None)
        if isinstance(end.code, str):
            print(end.code, file=sys.stderr)
    except BaseException:
        traceback.print_exc()
    finally:
        with contextlib.suppress(OSError, ValueError):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(status)


def _open_only(log: Path, keep: int) -> None:
    nothing = os.open(os.devnull, os.O_RDONLY)
    said = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
    for source, target in ((nothing, 0), (said, 1), (said, 2)):
        os.dup2(source, target)
    for descriptor in map(int, os.listdir("/proc/self/fd")):
        if descriptor > 2 and descriptor != keep:
            # One of them is that of the listing, which is closed by now.
            with contextlib.suppress(OSError):
                os.close(descriptor)
