"""supervisord, as a node wants it. Owns: the programs' processes. Every private name of supervisor is used here only.

What differs from the stock supervisord 4.3.0:
    - a signal or a dead child is seen at once, not at the next tick of a second (`_Wakeup`);
    - a program that cannot start is tried again after 0.1 s, 0.2 s ... 5 s, and never given up (`_Program`);
    - what is left of a dead program's process group is killed before it starts again;
    - a killed supervisord takes its programs along (PR_SET_PDEATHSIG), as a killed `everlog up` takes supervisord;
    - a second SIGTERM kills what still drains;
    - a log that cannot be written, on a full disk say, loses lines and nothing else (`_keep_logging`);
    - a program whose modules are imported already runs in the fork itself (`_Options`, warm.py), which may have been
      made before (early.py);
    - it counts restarts, and tells them by RPC (`_Rpc`).
"""

from __future__ import annotations

import contextlib
import os
import shlex
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import setproctitle
import supervisor.process
from supervisor.loggers import Handler, RotatingFileHandler
from supervisor.medusa import asyncore_25
from supervisor.options import ServerOptions
from supervisor.states import STOPPED_STATES, ProcessStates, getProcessStateDescription
from supervisor.supervisord import Supervisor

from scripts.node.child import begin_program, end_with_parent, import_as_a_program
from scripts.node.early import Early
from scripts.node.layout import NodeLock
from scripts.node.warm import Warm, module_of
from shared.descriptors import allow_many
from shared.signals import signals_wait

__all__ = ["main", "make_rpc_interface"]

_RETRY_FIRST_S = 0.1
_RETRY_MAX_S = 5.0


class _Wakeup:
    """A pipe that ends the poll. Looks like a dispatcher of supervisord."""

    def __init__(self) -> None:
        self._reader, self._writer = socket.socketpair()
        self._reader.setblocking(False)
        self._writer.setblocking(False)
        asyncore_25.socket_map[self._reader.fileno()] = self
        signal.set_wakeup_fd(self._writer.fileno(), warn_on_full_buffer=False)

    def wake(self) -> None:
        with contextlib.suppress(BlockingIOError):
            self._writer.send(b"\0")

    def readable(self) -> bool:
        return True

    def writable(self) -> bool:
        return False

    def handle_read_event(self) -> None:
        with contextlib.suppress(BlockingIOError):
            self._reader.recv(4096)

    def handle_error(self) -> None:
        raise AssertionError("the wakeup pipe failed")


class _Program(supervisor.process.Subprocess):  # type: ignore[misc]
    """A program that is never given up."""

    wakeup: _Wakeup
    #: Our pid, to the forks too.
    supervisord: int
    early: Early
    lock: NodeLock

    def __init__(self, config: Any) -> None:
        super().__init__(config)
        self._arguments = shlex.split(config.command)
        self._module = module_of(self._arguments)
        self.spawns = 0
        self.starts_again = False
        self.last_exit = ""

    def spawn(self) -> Any:
        self.spawns += 1
        options = self.config.options
        if self._module is not None:
            options.warm.prepare(self._module)
        options.forks = self._fork
        try:
            with signals_wait():
                return super().spawn()
        finally:
            options.forks = os.fork

    def _fork(self) -> int:
        """As `os.fork`, where the child may be there already, and not come back here."""
        if self._module is None:
            return os.fork()
        # The configuration has `redirect_stderr`.
        standard = [self.pipes[name] for name in ("child_stdin", "child_stdout", "child_stdout")]
        pid = self.early.become(self._module, self._arguments, self._environment(), standard, self.lock.descriptor)
        return os.fork() if pid is None else pid

    def _environment(self) -> dict[str, str]:
        """What supervisord adds to its own for a child that it forks."""
        return {
            "SUPERVISOR_ENABLED": "1",
            "SUPERVISOR_SERVER_URL": self.config.serverurl or self.config.options.serverurl or "",
            "SUPERVISOR_PROCESS_NAME": self.config.name,
            "SUPERVISOR_GROUP_NAME": self.group.config.name,
        }

    def change_state(self, new_state: int, expected: bool = True) -> Any:
        changed = super().change_state(new_state, expected)
        if new_state == ProcessStates.BACKOFF:
            self.delay = time.time() + min(_RETRY_MAX_S, _RETRY_FIRST_S * 2 ** min(self.backoff - 1, 10))
        return changed

    def transition(self) -> None:
        if self.state == ProcessStates.BACKOFF:
            # supervisord counts by the wall clock: one that was set back would put the next try off by as much.
            self.delay = min(self.delay, time.time() + _RETRY_MAX_S)
        if self.starts_again and self.state in (ProcessStates.STOPPED, ProcessStates.FATAL):
            self.starts_again = False
            self.spawn()
        else:
            super().transition()

    def restart(self) -> None:
        """Stop (SIGTERM, later SIGKILL) and start again."""
        self.starts_again = True
        if self.state not in (*STOPPED_STATES, ProcessStates.STOPPING):
            self.stop()
        self.wakeup.wake()

    def finish(self, pid: int, sts: int) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(pid, signal.SIGKILL)
        super().finish(pid, sts)
        code = os.waitstatus_to_exitcode(sts)
        self.last_exit = signal.Signals(-code).name if code < 0 else f"exit status {code}"
        self.wakeup.wake()

    def _prepare_child_fds(self) -> None:
        super()._prepare_child_fds()
        begin_program(self.supervisord)


class _Options(ServerOptions):  # type: ignore[misc]
    """Whose `execve` need not load what is loaded."""

    def __init__(self, warm: Warm) -> None:
        super().__init__()
        self.warm = warm
        #: By what a program's process is made.
        self.forks: Callable[[], int] = os.fork

    def fork(self) -> int:
        return self.forks()

    def execve(self, filename: str, argv: list[str], env: dict[str, str]) -> None:
        module = module_of(argv)
        if module is not None and module in self.warm:
            self.warm.become(module, argv, env)
        super().execve(filename, argv, env)


class _NodeSupervisor(Supervisor):  # type: ignore[misc]
    """The loop, woken at once by what it waits for."""

    def __init__(self, options: Any) -> None:
        super().__init__(options)
        poll = options.poller.poll
        options.poller.poll = lambda timeout: poll(min(timeout, self._next_try_in_s()))

    def _programs(self) -> list[Any]:
        return [program for group in self.process_groups.values() for program in group.processes.values()]

    def _next_try_in_s(self) -> float:
        waits = [p.delay - time.time() for p in self._programs() if p.state == ProcessStates.BACKOFF]
        return max(0.01, min(waits, default=1.0))

    def handle_signal(self) -> None:
        received = self.options.signal_receiver._signals_recvd[:1]
        again = self.stopping and received and received[0] in (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT)
        super().handle_signal()
        if again:
            for program in self._programs():
                if program.state == ProcessStates.STOPPING:
                    program.kill(signal.SIGKILL)
        if received:
            _Program.wakeup.wake()


class _Rpc:
    """Namespace `everlog` of the RPC socket."""

    def __init__(self, supervisord: _NodeSupervisor) -> None:
        self._supervisord = supervisord

    def programs(self) -> list[dict[str, Any]]:
        """How each program stands."""
        now = time.time()
        return [
            {
                "name": program.config.name,
                "state": getProcessStateDescription(program.state).lower(),
                "pid": program.pid,
                "uptime_s": max(0.0, now - program.laststart) if program.pid else 0.0,
                "restarts": max(0, program.spawns - 1),
                "failed_starts": program.backoff,
                "last_exit": program.last_exit,
            }
            for program in self._supervisord._programs()
        ]

    def restart(self, name: str) -> bool:
        """Restart one program; False: there is none of this name. Returns before it is done."""
        for program in self._supervisord._programs():
            if program.config.name == name:
                program.restart()
                return True
        return False


def make_rpc_interface(supervisord: _NodeSupervisor, **config: Any) -> _Rpc:
    """Named in the configuration (conf.py)."""
    return _Rpc(supervisord)


def _keep_logging() -> None:
    """The stock handlers write of a line that could not be written to another log of the same disk, and that failure
    would end supervisord, and every program with it."""
    emit = RotatingFileHandler.emit

    def emit_if_possible(handler: Any, record: Any) -> None:
        try:
            emit(handler, record)
        except (OSError, ValueError):
            # A rotation that failed half-way leaves a closed file, which `reopen` would try to close.
            handler.closed = True
            with contextlib.suppress(OSError):
                handler.reopen()

    Handler.handleError = lambda handler: None
    RotatingFileHandler.emit = emit_if_possible


def main(conf: Path, lock: NodeLock, early: Early, *, alone: Iterable[str], parent: int | None) -> None:
    """Run until told to end, in a fork of who starts the node. The lock stays open, here and in the programs.

    `early`: programs that are forked already. `alone`: see warm.py. `parent`: pid of the process to end with.
    """
    title = [sys.executable, "-P", "-m", "scripts.node.supervisor", "--conf", str(conf)]
    setproctitle.setproctitle(shlex.join(title))
    # After the title: who is named is who it says.
    lock.name_holder(os.getpid())
    if parent is not None:
        end_with_parent(parent, signal.SIGTERM)
    os.set_inheritable(lock.descriptor, True)
    import_as_a_program()
    # RocksDB and the sockets of many clients need more than the usual 1024.
    allow_many()
    _keep_logging()
    supervisor.process.Subprocess = _Program
    options = _Options(Warm(alone))
    options.realize(["-c", str(conf), "-n"])
    options.first = True
    options.test = False
    _Program.supervisord, _Program.early, _Program.lock = os.getpid(), early, lock
    _Program.wakeup = _Wakeup()
    _Program.wakeup.wake()
    with contextlib.suppress(asyncore_25.ExitNow):
        _NodeSupervisor(options).main()
    options.close_httpservers()
    options.close_logger()
