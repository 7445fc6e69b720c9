"""Programs that run in a fork of supervisord, which has imported their modules. Owns: this process, in the fork.

Five interpreters that each import the same libraries took two thirds of a node's start, and kept a copy each of what
they imported. Imported once and forked, they share it: a program runs a few milliseconds after its fork. What is run
is what was on the disk when the node started, also when one program is started again: a node is of one version.

Forked is only what runs no thread and has no event loop: supervisord has neither.
"""

from __future__ import annotations

import atexit
import contextlib
import gc
import importlib
import os
import runpy
import shlex
import signal
import sys
import threading
import traceback
from collections.abc import Iterator, Mapping, Sequence
from typing import NoReturn

import setproctitle

__all__ = ["Warm", "module_of"]


def module_of(arguments: Sequence[str]) -> str | None:
    """The module of a command line `PYTHON -P -m MODULE …` of this interpreter."""
    match arguments:
        case [interpreter, "-P", "-m", module, *_] if interpreter == sys.executable:
            return module
    return None


class Warm:
    """The modules that are imported."""

    def __init__(self) -> None:
        # It finds the place of the title by the environment as it was at the start.
        setproctitle.getproctitle()
        self._modules: set[str] = set()
        self._failed: set[str] = set()

    def load(self, module: str) -> None:
        """Import it, with all that it needs. One that cannot be is left out: its own process will say why."""
        if module in self._modules or module in self._failed:
            return
        # Nothing of what imports make is garbage, and to look for some takes a quarter of their time.
        gc.disable()
        try:
            with _no_authorities():
                importlib.import_module(f"{module}.__main__")
        except Exception:
            traceback.print_exc()
            self._failed.add(module)
        else:
            self._modules.add(module)
        # What all share is not to be looked at by anybody's collector, which would make a copy of it.
        gc.freeze()
        gc.enable()

    def __contains__(self, module: str | None) -> bool:
        return module in self._modules

    def become(self, module: str, arguments: Sequence[str], environment: Mapping[str, str]) -> NoReturn:
        """In a fork: be what the command line says, as `execve` would. Ends this process."""
        status = 1
        try:
            _forget_supervisord()
            os.environ.clear()
            os.environ.update(environment)
            setproctitle.setproctitle(shlex.join(arguments))
            sys.argv = [module, *arguments[4:]]
            sys.modules.pop(f"{module}.__main__", None)
            runpy.run_module(module, run_name="__main__", alter_sys=True)
            status = 0
        except SystemExit as end:
            status = _status(end)
        except BaseException:
            traceback.print_exc()
        finally:
            _leave(status)


@contextlib.contextmanager
def _no_authorities() -> Iterator[None]:
    """aiohttp makes contexts of TLS as it is imported, and reads all authorities of the system for them: 40 ms, for
    contexts that nobody uses, since ours are given to it (shared/transport/outbound.py). These trust nobody."""
    before = {name: os.environ.get(name) for name in ("SSL_CERT_FILE", "SSL_CERT_DIR")}
    os.environ.update(dict.fromkeys(before, os.devnull))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _forget_supervisord() -> None:
    """Its handlers of signals. Its descriptors it has closed itself; those of libraries are in use, in a fork."""
    signal.set_wakeup_fd(-1)
    for number in signal.valid_signals():
        if callable(signal.getsignal(number)):
            signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)


def _status(end: SystemExit) -> int:
    """As the interpreter takes it."""
    if end.code is None or isinstance(end.code, int):
        return end.code or 0
    print(end.code, file=sys.stderr)
    return 1


def _leave(status: int) -> NoReturn:
    """What the interpreter does at its end, and not what is left of supervisord's `spawn`."""
    try:
        for thread in threading.enumerate():
            if thread is not threading.current_thread() and not thread.daemon:
                thread.join()
        atexit._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(status)
