"""Programs that run in a fork of supervisord, which has imported their modules. Owns: this process, in the fork.

Five interpreters that each import the same libraries took two thirds of a node's start, and kept a copy each of what
they imported. Imported once and forked, they share it: a program runs a few milliseconds after its fork. Each is forked
as soon as its modules are there, and runs on another processor while those of the next one are imported.

A program whose libraries are its own imports them itself, in its fork: `alone`.

What is run is what was on the disk when the node started, also when one program is started again: a node is of one
version. One that imports its libraries itself, and finds others than those of its first start, does not start.

Forked is only what runs no thread and has no event loop: supervisord has neither.
"""

from __future__ import annotations

import atexit
import contextlib
import gc
import importlib
import importlib.util
import os
import runpy
import shlex
import signal
import sys
import threading
import traceback
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NoReturn

import setproctitle

from shared.transport.authorities import no_authorities

__all__ = ["Warm", "module_of"]


def module_of(arguments: Sequence[str]) -> str | None:
    """The module of a command line `PYTHON -P -m MODULE …` of this interpreter."""
    match arguments:
        case [interpreter, "-P", "-m", module, *_] if interpreter == sys.executable:
            return module
    return None


class Warm:
    """The modules that are imported."""

    def __init__(self, alone: Iterable[str] = ()) -> None:
        """`alone`: modules of programs that import them themselves."""
        # It finds the place of the title by the environment as it was at the start.
        setproctitle.getproctitle()
        self._alone = {module: _installed(module) for module in alone}
        self._loaded: set[str] = set()
        self._failed: set[str] = set()

    def __contains__(self, module: str | None) -> bool:
        return module in self._alone or module in self._loaded

    def prepare(self, module: str) -> None:
        """Before its fork: import it, with all that it needs, unless that is its own business."""
        if module not in self._alone:
            self._load(module)

    def _load(self, module: str) -> None:
        """Import it. One that cannot be is left out: its own process will say why."""
        if module in self._loaded or module in self._failed:
            return
        # Nothing of what imports make is garbage, and to look for some takes a quarter of their time.
        gc.disable()
        try:
            with no_authorities(), _without("cryptography"):
                importlib.import_module(f"{module}.__main__")
        except Exception:
            traceback.print_exc()
            self._failed.add(module)
        else:
            self._loaded.add(module)
        # What all share is not to be looked at by anybody's collector, which would make a copy of it.
        gc.freeze()
        gc.enable()

    def become(self, module: str, arguments: Sequence[str], environment: Mapping[str, str]) -> NoReturn:
        """In a fork: be what the command line says, as `execve` would. Ends this process."""
        status = 1
        try:
            _forget_supervisord()
            os.environ.clear()
            os.environ.update(environment)
            setproctitle.setproctitle(shlex.join(arguments))
            sys.argv = [module, *arguments[4:]]
            if module in self._alone:
                if _installed(module) != self._alone[module]:
                    sys.exit(f"{module} is not what it was when this node started: start the node anew")
                self._load(module)
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
def _without(library: str) -> Iterator[None]:
    """Within, it cannot be imported, unless it was before.

    pysyncobj would take cryptography along, if it is there, for what we do not use. Ours import it when they need it.
    """
    if library in sys.modules:
        yield
        return
    sys.modules[library] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        del sys.modules[library]


def _installed(module: str) -> object:
    """What is on the disk: which versions of libraries, and the module's own files."""
    spec = importlib.util.find_spec(module)
    places = (spec and spec.submodule_search_locations) or []
    own = [file.stat() for place in places for file in sorted(Path(place).rglob("*.py"))]
    libraries = {name for place in sys.path if os.path.isdir(place) for name in os.listdir(place)}
    return (
        {name for name in libraries if name.endswith(".dist-info")},
        [(status.st_ino, status.st_mtime_ns, status.st_size) for status in own],
    )


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
