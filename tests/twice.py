"""Two replays give the same bytes: the logs of all nodes and simulations of a test session, once more at its end.

Each log is replayed by two fresh processes that hash in different ways, and both digests are compared with that of the
store that the test left. `gather` and `add` put logs aside while tests run; `differences` replays them. What the
processes run is this module: `python -m tests.twice FOLDER` prints a digest for each log.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path

import msgspec

from partitiond.machine.apply import apply, initial_meta
from partitiond.machine.txn import Txn
from partitiond.store.memory import MemoryStore
from scripts.debug.ports import FIRST_KEY, LAST_KEY, LogReader
from scripts.debug.replaying import choose_base
from scripts.debug.source import DataDirectory
from shared.api.log import partition_group
from shared.catalog.partitions import even_partitions
from shared.errors import ConfigError
from shared.storage.values import PartitionMeta
from shared.wal.batch import decode_batch
from tests.fakes.log_server import MemoryLog

__all__ = ["add", "add_all", "differences", "gather", "not_replayed"]

_ROOT = Path(__file__).resolve().parents[1]
_HASH_SEEDS = ("1", "4242")
#: A longer log is left out: there are tests that move gigabytes.
_LOG_BYTES_MAX = 64 * 1024 * 1024
_COMMIT_BYTES = 4 * 1024 * 1024


class _Aside(msgspec.Struct, array_like=True):
    """One partition's log: the rows that it begins with, its batches, and the digest that the test left."""

    partition_id: int
    start_key: int
    end_key: int
    rows: list[tuple[bytes, bytes]]
    batches: list[tuple[int, bytes]]
    digest: str


_folder: tempfile.TemporaryDirectory[str] | None = None
_names: list[str] = []
#: Partitions whose log is too long, or has lost its begin: why, and of which test.
not_replayed: list[str] = []


def _test() -> str:
    return os.environ.get("PYTEST_CURRENT_TEST", "?").partition(" ")[0]


def add(
    what: str, partition_id: int, key_range: tuple[int, int], batches: Iterable[tuple[int, bytes]], digest: str
) -> None:
    """Put a log aside that begins with nothing."""
    _put(what, _Aside(partition_id, *key_range, [], list(batches), digest))


def add_all(log: MemoryLog, stores: Mapping[int, MemoryStore], partitions: int) -> None:
    """The logs of a simulation, of partitions that share the key space evenly."""
    for partition in even_partitions(partitions):
        batches = log.group(partition_group(partition.id)).batches.items()
        key_range = partition.start_key, partition.end_key
        add(f"partition {partition.id}", partition.id, key_range, batches, stores[partition.id].digest())


def gather(data_dir: Path) -> None:
    """Put the logs of a stopped node aside, as far as its stores have applied them."""
    source = DataDirectory(data_dir)
    try:
        for partition_id in source.partitions():
            store = source.store(partition_id)
            meta = None if store is None else store.meta()
            if store is None:
                continue
            if meta is not None:
                _gather(source, partition_id, meta, store.digest())
            store.close()
    finally:
        source.close()


def _gather(source: DataDirectory, partition_id: int, meta: PartitionMeta, digest: str) -> None:
    log = source.log(partition_group(partition_id))
    what = f"partition {partition_id}"
    assert log is not None, f"{what} has a store and no log"
    try:
        base = choose_base(source, partition_id, log, meta.applied_lsn)
    except ConfigError:
        not_replayed.append(f"{_test()} {what}: its log is trimmed up to LSN {log.first_lsn}")
        return
    rows: list[tuple[bytes, bytes]] = []
    if base is not None:
        kept = source.open_base(base)
        rows = list(kept.scan(FIRST_KEY, LAST_KEY))
        kept.close()
    batches = _batches(log, 1 if base is None else base.lsn + 1, meta.applied_lsn)
    if batches is None:
        not_replayed.append(f"{_test()} {what}: its log is over {_LOG_BYTES_MAX >> 20} MiB")
    else:
        _put(what, _Aside(partition_id, meta.start_key, meta.end_key, rows, batches, digest))


def _batches(log: LogReader, start: int, end: int) -> list[tuple[int, bytes]] | None:
    found, size = [], 0
    for entry in log.entries(start, end):
        assert entry.problem is None, entry.problem
        size += entry.size
        if size > _LOG_BYTES_MAX:
            return None
        if entry.payload is not None:
            found.append((entry.lsn, entry.payload))
    return found


def _put(what: str, aside: _Aside) -> None:
    global _folder
    if _folder is None:
        _folder = tempfile.TemporaryDirectory(prefix="everlog-twice-")
    (Path(_folder.name) / f"{len(_names):06d}").write_bytes(msgspec.msgpack.encode(aside))
    _names.append(f"{_test()} {what}")


def differences() -> list[str]:
    """Replay all that was put aside; a sentence for each log that gives other bytes. Nothing is aside afterwards."""
    global _folder
    if _folder is None:
        return []
    processes = [
        subprocess.Popen(
            [sys.executable, "-m", "tests.twice", _folder.name],
            cwd=_ROOT,
            env={**os.environ, "PYTHONHASHSEED": hash_seed},
            stdout=subprocess.PIPE,
            text=True,
        )
        for hash_seed in _HASH_SEEDS
    ]
    printed = [process.communicate()[0].split() for process in processes]
    failed = [f"a replay ended with status {process.returncode}" for process in processes if process.returncode]
    wanted = [_read(Path(_folder.name) / f"{number:06d}").digest for number in range(len(_names))]
    found = [
        f"{name}: the store has {digest[:16]}, the replays give {one[:16]} and {other[:16]}"
        for name, digest, one, other in zip(_names, wanted, *printed, strict=False)
        if not digest == one == other
    ]
    _folder.cleanup()
    _folder = None
    _names.clear()
    return failed + found


def _read(file: Path) -> _Aside:
    return msgspec.msgpack.decode(file.read_bytes(), type=_Aside)


def _replay(aside: _Aside) -> str:
    store = MemoryStore()
    store.commit(dict(aside.rows))
    meta = store.meta() or initial_meta(aside.partition_id, aside.start_key, aside.end_key)
    txn = Txn(store, meta)
    for lsn, payload in aside.batches:
        apply(txn, lsn, decode_batch(payload), [])
        if txn.put_bytes >= _COMMIT_BYTES:
            store.commit(txn.finish())
            txn = Txn(store, meta)
    store.commit(txn.finish())
    return store.digest()


if __name__ == "__main__":
    for path in sorted(Path(sys.argv[1]).iterdir()):
        print(_replay(_read(path)))
