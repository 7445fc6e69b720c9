"""The processes that a run has started. Owns: them, until they are gone.

Rules that always hold:
    - a process is ended only when its pid and its start time are those that we saw: never by name, never by guess;
    - everything has a time limit: first SIGTERM, then SIGKILL.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from scripts.benchmark.usage import Process, read_process, tree_of
from shared.errors import EverlogError

__all__ = ["CommandError", "Owned", "run_command"]

_POLL_S = 0.02
_CUT_SHORT_WITHIN_S = 12.0


class CommandError(EverlogError):
    """A command failed or took too long. The text has the end of what it said."""


class Owned:
    """Started processes by their first pid; each stands for its whole tree."""

    def __init__(self) -> None:
        self._roots: list[Process] = []
        self._children: dict[int, subprocess.Popen[bytes]] = {}

    def spawn(
        self,
        command: Sequence[str],
        *,
        log: Path,
        environment: Mapping[str, str] | None = None,
        folder: Path | None = None,
    ) -> int:
        """Start a program in a session of its own (Ctrl-C does not reach it), its output into `log`; its pid."""
        with log.open("ab") as output:
            child = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=None if environment is None else dict(environment),
                cwd=folder,
                start_new_session=True,
            )
        self._children[child.pid] = child
        self.adopt(child.pid)
        return child.pid

    def adopt(self, pid: int) -> None:
        """Take over a process that a command of ours left running."""
        process = read_process(pid)
        if process is not None:
            self._roots.append(process)

    def alive(self, pid: int) -> bool:
        """Does a process that we started still run?"""
        child = self._children.get(pid)
        if child is not None:
            return child.poll() is None
        return any(root.pid == pid and _is_there(root) for root in self._roots)

    def end(self, pid: int, *, within_s: float = 15.0) -> None:
        """SIGTERM to the process and, when the time is over, SIGKILL to all of its tree that is left."""
        for root in [root for root in self._roots if root.pid == pid]:
            members = tree_of(root.pid) if _is_there(root) else []
            _signal([root], signal.SIGTERM)
            self._wait([root], time.monotonic() + within_s)
            left = _still_there([*members, root])
            _signal(left, signal.SIGKILL)
            self._wait(left, time.monotonic() + 5.0)
            self._roots.remove(root)

    def kill(self, pid: int) -> None:
        """SIGKILL to the process and all of its tree, as a crash of everything, and wait until they are gone."""
        for root in [root for root in self._roots if root.pid == pid]:
            members = _still_there([*tree_of(root.pid), root])
            _signal(members, signal.SIGKILL)
            self._wait(members, time.monotonic() + 5.0)
            self._roots.remove(root)

    def end_all(self) -> None:
        """End whatever still runs, the youngest first. Signals to us wait until it is done."""
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
        try:
            for root in reversed(self._roots[:]):
                self.end(root.pid, within_s=15.0)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)

    def _wait(self, processes: Sequence[Process], deadline: float) -> None:
        while time.monotonic() < deadline:
            for child in self._children.values():
                child.poll()
            if not _still_there(processes):
                return
            time.sleep(_POLL_S)


def _is_there(process: Process) -> bool:
    """A zombie whose other threads still end holds its files and their locks: whoever starts anew would find them."""
    now = read_process(process.pid)
    return now is not None and now.started == process.started and (now.state != "Z" or now.threads > 1)


def _still_there(processes: Sequence[Process]) -> list[Process]:
    return [process for process in processes if _is_there(process)]


def _signal(processes: Sequence[Process], number: signal.Signals) -> None:
    for process in _still_there(processes):
        with contextlib.suppress(ProcessLookupError):
            os.kill(process.pid, number)


def run_command(
    command: Sequence[str],
    *,
    within_s: float,
    environment: Mapping[str, str] | None = None,
    folder: Path | None = None,
) -> str:
    """Run a command that ends by itself; what it printed. Raises CommandError. Interrupted or late: it is ended."""
    name = " ".join(command[:6])
    try:
        with subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=None if environment is None else dict(environment),
            cwd=folder,
            start_new_session=True,
        ) as child:
            try:
                output = child.communicate(timeout=within_s)[0].decode(errors="replace")
            except BaseException:
                _cut_short(child)
                raise
    except subprocess.TimeoutExpired as error:
        raise CommandError(f"{name} did not end within {within_s:.0f} s") from error
    except OSError as error:
        raise CommandError(f"cannot run {name}: {error.strerror}") from error
    if child.returncode != 0:
        raise CommandError(f"{name} ended with {child.returncode}: {output.strip()[-800:]}")
    return output


def _cut_short(child: subprocess.Popen[bytes]) -> None:
    """SIGTERM first: `everlog up` stops the node that it is starting."""
    child.terminate()
    try:
        child.communicate(timeout=_CUT_SHORT_WITHIN_S)
    except subprocess.TimeoutExpired:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
