"""A process of ours that is a fork of this one: to its starter what `subprocess.Popen` is. Owns: it, until it ended.

An interpreter that is started anew imports again what this one has: a tenth of a second of a node's start.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import signal
import socket
import sys
import threading
import traceback
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Any, NoReturn

from shared.signals import ENDING, signals_wait

__all__ = ["Ahead", "Forked", "Main", "fork", "fork_ahead", "run_as_fork"]

#: What a fork that was made ahead is told, as JSON: paths and names. And the descriptors that come with it.
_ORDER_BYTES_MAX = 64 * 1024
_DESCRIPTORS_MAX = 8

#: What a fork that was made ahead is to be: it is given what it was told, and its copies of the descriptors.
Main = Callable[[Any, list[int]], None]


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


def fork(main: Callable[[], None], *, log: Path, keep: Collection[int], own_session: bool) -> Forked:
    """Run `main` in a fork with nothing open but the descriptors `keep` and, for what it says, `log`.

    It is a group of its own, so that Ctrl-C is not for it; with `own_session` it outlives the terminal.
    """
    assert threading.active_count() == 1, "a lock that another thread holds would never be free in the fork"
    sys.stdout.flush()
    sys.stderr.flush()
    with signals_wait():
        pid = os.fork()
        if pid == 0:
            run_as_fork(main, log=log, keep=keep, own_session=own_session)
    return Forked(pid)


class Ahead:
    """A fork that was made before it is known what for. It imports meanwhile, and ends when its starter does."""

    def __init__(self, pid: int, orders: socket.socket) -> None:
        self._pid = pid
        self._orders = orders

    def become(self, what: Any, descriptors: Sequence[int]) -> Forked | None:
        """Call its main function with `what`, a JSON value, and copies of these descriptors.

        None: it has ended, as something could not be imported. A new fork will say what.
        """
        order = json.dumps(what).encode()
        assert len(order) <= _ORDER_BYTES_MAX
        assert 0 < len(descriptors) <= _DESCRIPTORS_MAX
        forked = Forked(self._pid)
        with self._orders, contextlib.suppress(OSError):
            socket.send_fds(self._orders, [order], list(descriptors))
            return forked
        # Its starter may wait for all its children, whoever they are.
        with contextlib.suppress(ChildProcessError):
            forked.wait()
        return None

    @property
    def descriptor(self) -> int:
        """What its starter has open for it."""
        return self._orders.fileno()

    def end(self) -> None:
        """It is not needed. It has nothing to lose."""
        with self._orders:
            os.kill(self._pid, signal.SIGKILL)
            Forked(self._pid).wait()


def fork_ahead(prepare: Callable[[], Main]) -> Ahead:
    """Fork now, and say later what the fork is to be: `prepare` imports, and gives its main function."""
    assert threading.active_count() == 1, "a lock that another thread holds would never be free in the fork"
    sys.stdout.flush()
    sys.stderr.flush()
    ours, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with signals_wait():
        pid = os.fork()
        if pid == 0:
            _wait_for_order(prepare, its)
    its.close()
    return Ahead(pid, ours)


def _wait_for_order(prepare: Callable[[], Main], orders: socket.socket) -> NoReturn:
    """In the fork."""
    try:
        # Still of the starter's group: Ctrl-C is for that one, at whose end this ends. Nothing is said meanwhile: who
        # reads what the starter says waits for all who could say more.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDING)
        nothing = os.open(os.devnull, os.O_RDWR)
        for target in range(3):
            os.dup2(nothing, target)
        _close_all_but([orders.fileno()])
        # Nothing of what imports make is garbage.
        gc.disable()
        main = prepare()
        gc.enable()
        order, descriptors, _, _ = socket.recv_fds(orders, _ORDER_BYTES_MAX, _DESCRIPTORS_MAX)
        if not descriptors:
            os._exit(0)
        orders.close()
        main(json.loads(order), descriptors)
    except BaseException:
        # Heard by nobody until it has been told what to be: then whoever told it makes a new fork, which says the same.
        traceback.print_exc()
    finally:
        os._exit(1)


def run_as_fork(main: Callable[[], None], *, log: Path, keep: Collection[int], own_session: bool) -> NoReturn:
    """In the fork: all that `fork` does there. Ends this process."""
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


def _open_only(log: Path, keep: Collection[int]) -> None:
    nothing = os.open(os.devnull, os.O_RDONLY)
    said = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
    for source, target in ((nothing, 0), (said, 1), (said, 2)):
        os.dup2(source, target)
    _close_all_but(keep)


def _close_all_but(keep: Collection[int]) -> None:
    """And but for the first three."""
    for descriptor in map(int, os.listdir("/proc/self/fd")):
        if descriptor > 2 and descriptor not in keep:
            # One of them is that of the listing, which is closed by now.
            with contextlib.suppress(OSError):
                os.close(descriptor)
