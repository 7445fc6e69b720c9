"""What is asked of the data of a stopped node. Owns: the processes that it starts for that, and nothing longer.

Whoever calls this holds the lock of the data directory (`layout.hold_stopped`).
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

import msgspec

from scripts.node.child import end_with_parent
from scripts.node.conf import checkout_path
from shared.config import Settings, write_settings
from shared.errors import ConfigError, CorruptionError
from shared.snapshots.checkpoint_file import CheckpointInfo
from shared.snapshots.checkpoints import checkpoints_folder

__all__ = ["flush_and_keep", "restore_log", "running_logd"]

_STOP_S = 10.0


def flush_and_keep(data_path: Path) -> dict[int, int]:
    """Make a checkpoint of every partition; their applied LSNs. Raises ConfigError when there is none."""
    numbers = sorted(int(path.parents[1].name) for path in (data_path / "partitions").glob("*/store/CURRENT"))
    if not numbers:
        raise ConfigError(f"{data_path} holds no partitions yet: the node never ran")
    made: dict[int, int] = {}
    for number in numbers:
        store = data_path / "partitions" / str(number) / "store"
        folder = checkpoints_folder(data_path, number)
        words = ("partitiond.keeper", "--flush", str(store), str(folder))
        made[number] = msgspec.json.decode(_run(words), type=CheckpointInfo).applied_lsn
    return made


def restore_log(folder: Path, files: Sequence[Path]) -> None:
    """A new log out of these files of a snapshot."""
    _run(("logd.restore", str(folder), *map(str, files)))


@contextlib.contextmanager
def running_logd(settings: Settings) -> Iterator[None]:
    """A logd on the stopped node's log. Nobody appends to it but Raft."""
    write_settings(settings, settings.run_path / "settings.json")
    settings.socket("logd").unlink(missing_ok=True)
    words = [*_python(), "logd", "--data-dir", settings.data_dir]
    # Killed with us: an orphan would hold the log against the next `everlog up`.
    die_with_us = partial(end_with_parent, os.getpid(), signal.SIGKILL)
    with subprocess.Popen(words, env=_environ(), stderr=subprocess.DEVNULL, preexec_fn=die_with_us) as process:
        try:
            yield
        finally:
            process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(_STOP_S)
            process.kill()


def _run(words: Sequence[str]) -> bytes:
    """What a module of another package says. Raises CorruptionError with what it complains of."""
    command = [*_python(), *words]
    done = subprocess.run(command, env=_environ(), capture_output=True, stdin=subprocess.DEVNULL, check=False)
    if done.returncode != 0:
        raise CorruptionError(done.stderr.decode(errors="replace").strip() or f"{words[0]} failed")
    return done.stdout


def _python() -> list[str]:
    return [sys.executable, "-P", "-m"]


def _environ() -> dict[str, str]:
    path = checkout_path()
    return {**os.environ, "PYTHONPATH": path} if path else dict(os.environ)
