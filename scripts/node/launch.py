"""Start a node, wait until it is ready, stop it. Owns: the supervisord process while it starts."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from scripts.node.ahead import fork_supervisord
from scripts.node.conf import SOCKET, supervisord_conf
from scripts.node.forked import Forked
from scripts.node.layout import NodeLock, lock_holder, open_data_dir, raise_format
from scripts.node.logfiles import tail
from scripts.node.ports import check_ports
from scripts.node.procfs import command_line
from scripts.node.programs import Program
from scripts.node.readiness import fetch_health, program_answers
from shared.config import Settings, write_settings
from shared.errors import ConfigError, EverlogError, UnavailableError
from shared.transport.outbound import Outbound

__all__ = ["DamagedError", "Node", "StartError", "StartReporter", "start_node", "stop_node", "stop_pid", "wait_ready"]

_POLL_S = 0.01
#: A program that dies so often in a row before the node is ready will not come up by itself.
_FAILED_STARTS_MAX = 3
#: supervisord is first asked after this long: a good start is over by then.
_ASK_AFTER_S = 1.0
_ASK_EVERY_S = 0.5
_TELL_EVERY_S = 5.0
STOP_WITHIN_S = 20.0


class StartError(EverlogError):
    """The node did not become ready. The text tells which program failed, with the end of its log."""


class DamagedError(EverlogError):
    """The node serves, but for partitions whose data is damaged and cannot be made anew here. The text names them."""


@dataclass(slots=True)
class Node:
    """A started node, seen by the process that started it."""

    settings: Settings
    programs: Sequence[Program]
    supervisord: Forked
    started_at: float
    #: The format of the data directory before this build raised it, None when it had not to.
    raised_from: int | None = None

    @property
    def log_path(self) -> Path:
        return self.settings.data_path / "logs"


def start_node(settings: Settings, programs: Sequence[Program], *, detach: bool) -> Node:
    """Check everything, then fork supervisord. Raises ConfigError when a check fails, and has changed nothing but run/.

    Unless `detach`, the node ends with this process, however that ends.
    """
    started_at = time.monotonic()
    lock = open_data_dir(settings)
    try:
        # Programs that cannot read a file of the settings would be started for ever.
        Outbound(settings)
        check_ports(settings)
        write_settings(settings, settings.run_path / "settings.json")
        conf = settings.run_path / "supervisord.conf"
        conf.write_text(supervisord_conf(settings, programs))
        # Counters of the workers of the last run, in whatever layout its build had; and the socket of a supervisord
        # that was killed, which the next one would remove as well, and then sleep for 0.3 s.
        for name in ("slots", SOCKET):
            (settings.run_path / name).unlink(missing_ok=True)
        raised_from = raise_format(settings.data_path)
        process = _fork_supervisord(settings, programs, conf, lock, detach=detach)
    except OSError as error:
        where = error.filename or settings.data_path
        raise ConfigError(f"cannot write {where}: {error.strerror}; make room, or let it be written") from error
    finally:
        lock.close()
    return Node(settings, programs, process, started_at, raised_from)


def _fork_supervisord(
    settings: Settings, programs: Sequence[Program], conf: Path, lock: NodeLock, *, detach: bool
) -> Forked:
    return fork_supervisord(
        conf,
        lock.descriptor,
        alone=[program.module for program in programs if program.alone],
        log=settings.data_path / "logs" / "supervisord.log",
        parent=None if detach else os.getpid(),
    )


class StartReporter(Protocol):
    """Who is told how a start goes on, and may end the wait."""

    def answers(self, program: Program, seconds: float) -> None:
        """This program accepts connections for the first time."""

    def still_waiting(self, what: str) -> None:
        """Told every few seconds while the node is not ready."""

    def stopping(self) -> bool:
        """True: wait no longer."""


def wait_ready(node: Node, reporter: StartReporter, *, within_s: float) -> bool:
    """Wait for /health and for every program; False when the reporter ended it.

    Raises StartError when a program cannot start, or after `within_s`, which a log that is being replayed does not
    count in: ended before its end, it would begin again. DamagedError when the rest is ready.
    """
    waiting = list(node.programs)
    deadline = node.started_at + within_s
    progress = ""
    ask_at = node.started_at + _ASK_AFTER_S
    tell_at = node.started_at + _TELL_EVERY_S
    while not reporter.stopping():
        for program in list(waiting):
            if program_answers(program, node.settings):
                waiting.remove(program)
                reporter.answers(program, time.monotonic() - node.started_at)
        if not waiting and _is_ready(node):
            return True
        now = time.monotonic()
        if node.supervisord.poll() is not None:
            raise StartError(_with_log(node, "supervisord ended", "supervisord"))
        if now >= ask_at:
            ask_at = now + _ASK_EVERY_S
            _raise_if_failing(node)
        if now >= tell_at:
            tell_at = now + _TELL_EVERY_S
            reporter.still_waiting(_missing(node, waiting))
        if now > deadline:
            # Late, as all that a good start has no need of.
            from shared.api.partition import REPLAYS

            missing = _missing(node, waiting)
            if REPLAYS in missing and missing != progress:
                progress, deadline = missing, now + within_s
                continue
            named = next((program.name for program in node.programs if missing.startswith(program.name)), "metad")
            raise StartError(_with_log(node, f"not ready after {within_s:.0f} s: {missing}", named))
        time.sleep(_POLL_S)
    return False


def _is_ready(node: Node) -> bool:
    status, body = fetch_health(node.settings)
    damaged = body.get("damaged", []) if isinstance(body, dict) else []
    if damaged and set(damaged) == set(body["not_ready"]):
        raise DamagedError("\n".join(damaged))
    return status == 200


def _raise_if_failing(node: Node) -> None:
    from scripts.node.control import program_statuses

    try:
        statuses = program_statuses(node.settings.run_path)
    except UnavailableError:
        return
    for status in statuses:
        # A program that needs others may live for a while before it finds that it cannot go on.
        ended = status.restarts if status.last_exit.startswith("exit status") else 0
        if max(status.failed_starts, ended) >= _FAILED_STARTS_MAX:
            raise StartError(_with_log(node, f"{status.name} does not start ({status.last_exit})", status.name))


def _missing(node: Node, waiting: Sequence[Program]) -> str:
    if waiting:
        from shared.disk import node_guard

        trouble = node_guard(node.settings, tell=False).look()
        return f"{', '.join(program.name for program in waiting)} does not answer{f'; {trouble}' if trouble else ''}"
    status, body = fetch_health(node.settings)
    reasons = body.get("not_ready", []) if isinstance(body, dict) else []
    return "; ".join(map(str, reasons)) or f"/health of the admin API answers {status}"


def _with_log(node: Node, text: str, name: str) -> str:
    file = node.log_path / f"{name}.log"
    lines = tail(file, 15)
    return "\n".join([f"{text}; the end of {file}:", *(f"  | {line}" for line in lines)])


def stop_node(node: Node) -> None:
    """Stop all programs at once and wait for them."""
    stop_pid(node.supervisord.pid, node.settings.data_path)
    node.supervisord.wait()


def stop_pid(pid: int, data_path: Path) -> None:
    """End the node of this supervisord: ask, and kill when it does not end. Returns when no process of it is left.

    Of a node that just starts, the lock may name the supervisord before: the new one is asked once it is named.
    """
    for number, within_s in ((signal.SIGTERM, STOP_WITHIN_S), (signal.SIGKILL, 5.0)):
        deadline = time.monotonic() + within_s
        asked = None
        while (holder := lock_holder(data_path))[0]:
            named = holder[1] or pid
            if named != asked and "scripts.node" in command_line(named):
                os.kill(named, number)
                asked = named
            if time.monotonic() > deadline:
                break
            time.sleep(0.02)
        else:
            return
    raise UnavailableError(f"the node with pid {pid} does not end")
