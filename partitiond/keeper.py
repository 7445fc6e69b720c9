"""Keeps checkpoints of one partition, in a process of its own. Owns: that process, while it runs.

RocksDB's own checkpoint, and opening a store, hold the interpreter for tens of milliseconds, in which nothing is
applied or answered. So the worker only flushes; the files are linked, opened and read by `python -m
partitiond.keeper STORE FOLDER`, at low priority: one checkpoint for each byte that it reads. It ends with the worker,
however that dies. With `--flush` in front it opens the store of a stopped node, flushes it, and makes one.
"""

from __future__ import annotations

import logging
import os
import queue
import subprocess
import sys
import threading
from pathlib import Path
from typing import NamedTuple, NoReturn

import msgspec

from shared.errors import EverlogError
from shared.snapshots.checkpoint_file import CheckpointInfo
from shared.snapshots.checkpoints import KeepError, keep_checkpoint, kept_lsns

__all__ = ["Keeper", "Kept"]

_log = logging.getLogger(__name__)
_ROOT = Path(__file__).parents[1]
_NICE = 10


class Kept(NamedTuple):
    """The newest kept checkpoint, and the LSN of the oldest one: what follows it must stay in the log."""

    newest: CheckpointInfo
    oldest_lsn: int


class Keeper:
    """Makes the kept checkpoints of one store, by a process that stays until `rest` or `close`.

    `keep` is called in a thread, one at a time; the others by the loop.
    """

    def __init__(self, store: Path, folder: Path) -> None:
        self._store = store
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        #: `keep` has the process, and ends it if that is to be.
        self._keeping = threading.Lock()
        self._closed = False

    def kept_lsns(self) -> list[int]:
        """Oldest first."""
        return kept_lsns(self._folder)

    def keep(self) -> Kept:
        """Keep what is flushed. Blocks. Raises KeepError."""
        with self._keeping:
            try:
                report = msgspec.json.decode(self._answer(), type=_Report)
            finally:
                if self._closed:
                    self._end()
            if report.newest is None:
                raise KeepError(report.complaint)
            return Kept(report.newest, self.kept_lsns()[0])

    def _answer(self) -> bytes:
        """Of the process that stayed, or of a new one."""
        known = self._process
        if known is not None:
            answer = _ask(known)
            if answer:
                return answer
            complaint = self._end()
            if self._closed:
                raise KeepError(complaint)
            _log.warning("the keeper that stayed has ended, another is started: %s", complaint)
        elif self._closed:
            raise KeepError("the keeper is closed")
        try:
            answer = _ask(self._start())
        except OSError as error:
            raise KeepError(f"the keeper cannot be started: {error}") from error
        if not answer:
            raise KeepError(self._end())
        return answer

    def rest(self) -> None:
        """There may be nothing to keep for long: the next `keep` starts another process."""
        if self._keeping.acquire(blocking=False):
            try:
                self._end()
            finally:
                self._keeping.release()

    def close(self) -> None:
        """End the process: what it is making is not taken for a checkpoint."""
        self._closed = True
        process = self._process
        if process is not None:
            process.kill()
        self.rest()

    def _start(self) -> subprocess.Popen[bytes]:
        # Without `site`, whose search for packages is a fifth of what the start costs: they are where ours are.
        self._process = process = subprocess.Popen(
            [sys.executable, "-P", "-S", "-m", "partitiond.keeper", str(self._store), str(self._folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, (str(_ROOT), *sys.path)))},
        )
        # It can be closed while this runs; whoever closes it ends what is in `_process`.
        if self._closed:
            process.kill()
        return process

    def _end(self) -> str:
        """Why it ended, if it did so by itself."""
        process, self._process = self._process, None
        if process is None:
            return ""
        if process.poll() is None:
            process.kill()
        _, complaint = process.communicate()
        return complaint.decode(errors="replace").strip() or f"the keeper ended with status {process.returncode}"


class _Report(msgspec.Struct):
    """What the process answers, on a line of its own. `newest` None: nothing was kept, for the reason `complaint`."""

    newest: CheckpointInfo | None
    complaint: str = ""


def _ask(process: subprocess.Popen[bytes]) -> bytes:
    """Its answer; empty if it has ended."""
    # Its stdin stays open until it ends: when it closes, the worker is gone.
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        process.stdin.write(b"\n")
        process.stdin.flush()
    except BrokenPipeError:
        return b""
    return process.stdout.readline()


def _flush(path: Path) -> None:
    """What is only in the write-ahead log of a store that nobody has open."""
    from partitiond.store.rocksdb import RocksStore

    store = RocksStore(path)
    store.checkpoint()
    store.close()


def _keep(store: Path, folder: Path) -> _Report:
    try:
        return _Report(keep_checkpoint(store, folder))
    except (EverlogError, OSError) as error:
        return _Report(None, f"{type(error).__name__}: {error}")


def _hear(asked: queue.SimpleQueue[None]) -> None:
    """In a thread, for what is being made is for nobody when the worker has gone."""
    while os.read(0, 1):
        asked.put(None)
    os._exit(1)


def _serve(store: Path, folder: Path) -> NoReturn:
    os.nice(_NICE)
    asked: queue.SimpleQueue[None] = queue.SimpleQueue()
    threading.Thread(target=_hear, args=(asked,), daemon=True).start()
    while True:
        asked.get()
        sys.stdout.buffer.write(msgspec.json.encode(_keep(store, folder)) + b"\n")
        sys.stdout.buffer.flush()


def main() -> None:
    """Entry of the process."""
    *flags, store, folder = sys.argv[1:]
    if flags != ["--flush"]:
        _serve(Path(store), Path(folder))
    try:
        _flush(Path(store))
        info = keep_checkpoint(Path(store), Path(folder))
    except (EverlogError, OSError) as error:
        sys.exit(f"{type(error).__name__}: {error}")
    sys.stdout.buffer.write(msgspec.json.encode(info))


if __name__ == "__main__":
    main()
