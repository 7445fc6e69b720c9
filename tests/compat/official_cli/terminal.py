"""A command on a terminal of its own, so that it asks and can be answered. Owns: the terminal and the process."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import termios
import time
from collections.abc import Mapping, Sequence

__all__ = ["run_on_terminal"]

_ROWS_COLUMNS = (50, 400)
#: Ends a question of the command line; then it waits for a key.
_ASKS = "(y/n)"
_ESCAPES = re.compile(r"\x1b(\[[0-9;?]*[A-Za-z]|[()][A-Z0-9]|[=>])")
#: What turns while it waits for the server.
_SPINNER = re.compile(r"^\? .*$|^.? ?\[\d+s\] .*$|^[█░ ]+ \d+/\d+$")


def run_on_terminal(
    command: Sequence[str], environment: Mapping[str, str], answer: str, *, timeout_s: float
) -> tuple[int, str]:
    """-> exit status, and what was shown on it, without the spinners. `answer` is typed when it asks."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", *_ROWS_COLUMNS, 0, 0))
    with subprocess.Popen(
        command, stdin=slave, stdout=slave, stderr=slave, env=dict(environment), start_new_session=True
    ) as process:
        os.close(slave)
        try:
            shown = _converse(master, answer, time.monotonic() + timeout_s)
            process.wait(timeout_s)
        finally:
            os.close(master)
            process.kill()
    return process.returncode, _readable(shown)


def _converse(master: int, answer: str, deadline: float) -> bytes:
    """Until the command has closed the terminal."""
    shown = b""
    asked = False
    while time.monotonic() < deadline:
        ready, _, _ = select.select([master], [], [], 0.1)
        if not ready:
            continue
        with contextlib.suppress(OSError):
            more = os.read(master, 65536)
            shown += more
            if not asked and _ASKS.encode() in shown:
                asked = True
                os.write(master, answer.encode() + b"\r")
            if more:
                continue
        return shown
    raise AssertionError(f"the command goes on: {shown.decode()}")


def _readable(shown: bytes) -> str:
    text = _ESCAPES.sub("", shown.decode())
    lines = [line.split("\r")[-1].rstrip() for line in text.replace("\r\n", "\n").split("\n")]
    return "\n".join(line for line in lines if not _SPINNER.match(line))
