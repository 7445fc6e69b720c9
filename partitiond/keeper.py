"""Keeps checkpoints of one partition, in a process of its own. Owns: that process, while it runs.

RocksDB's own checkpoint, and opening a store, hold the interpreter for tens of milliseconds, in which nothing is
applied or answered. So the worker only flushes; the files are linked, opened and read by `python -m
partitiond.keeper STORE FOLDER`, at low priority. It ends with the worker, however that dies. With `--flush` in front
it opens the store of a stopped node and flushes it first.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import NamedTuple

import msgspec

from shared.errors import EverlogError
from shared.snapshots.checkpoint_file import CheckpointInfo
from shared.snapshots.checkpoints import KeepError, keep_checkpoint, kept_lsns

__all__ = ["Keeper", "Kept"]

_ROOT = Path(__file__).parents[1]
_NICE = 10


class Kept(NamedTuple):
    """The newest kept checkpoint, and the LSN of the oldest one: what follows it must stay in the log."""

    newest: CheckpointInfo
    oldest_lsn: int


class Keeper:
    """Makes the kept checkpoints of one store."""

    def __init__(self, store: Path, folder: Path) -> None:
        self._store = store
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        self._closed = False

    def kept_lsns(self) -> list[int]:
        """Oldest first."""
        return kept_lsns(self._folder)

    def keep(self) -> Kept:
        """Keep what is flushed. Blocks: call it in a thread, one at a time. Raises KeepError."""
        # Without `site`, whose search for packages is a fifth of what the process costs: they are where ours are.
        command = [sys.executable, "-P", "-S", "-m", "partitiond.keeper", str(self._store), str(self._folder)]
        path = os.pathsep.join(filter(None, (str(_ROOT), *sys.path)))
        try:
            answer, complaint, status = self._run(command, path)
        except OSError as error:
            raise KeepError(f"the keeper cannot be started: {error}") from error
        if status != 0:
            raise KeepError(complaint.decode(errors="replace").strip() or f"the keeper ended with status {status}")
        newest = msgspec.json.decode(answer, type=CheckpointInfo)
        return Kept(newest, self.kept_lsns()[0])

    def _run(self, command: list[str], path: str) -> tuple[bytes, bytes, int]:
        """(stdout, stderr, exit status)."""
        with subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": path},
        ) as process:
            self._process = process
            if self._closed:
                process.kill()
            # Its stdin stays open until it ends: when it closes, the worker is gone.
            assert process.stdout is not None
            assert process.stderr is not None
            answer, complaint = process.stdout.read(), process.stderr.read()
            status = process.wait()
        self._process = None
        return answer, complaint, status

    def close(self) -> None:
        """End the process that is running: what it made so far is not taken for a checkpoint."""
        self._closed = True
        if self._process is not None:
            self._process.kill()


def _end_with_the_worker() -> None:
    os.read(0, 1)
    os._exit(1)


def _flush(path: Path) -> None:
    """What is only in the write-ahead log of a store that nobody has open."""
    from partitiond.store.rocksdb import RocksStore

    store = RocksStore(path)
    store.checkpoint()
    store.close()


def main() -> None:
    """Entry of the process."""
    *flags, store, folder = sys.argv[1:]
    try:
        if flags == ["--flush"]:
            _flush(Path(store))
        else:
            os.nice(_NICE)
            threading.Thread(target=_end_with_the_worker, daemon=True).start()
        info = keep_checkpoint(Path(store), Path(folder))
    except (EverlogError, OSError) as error:
        sys.exit(f"{type(error).__name__}: {error}")
    sys.stdout.buffer.write(msgspec.json.encode(info))


if __name__ == "__main__":
    main()
