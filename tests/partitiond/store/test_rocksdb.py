"""What only the store on disk can do: come back after a kill, be durable, refuse what it cannot read."""

from __future__ import annotations

import random
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from partitiond.store.rocksdb import RocksStore
from shared.errors import ConfigError, CorruptionError, EverlogError
from shared.storage import keys
from shared.storage.values import STORE_FORMAT, InvocationRow, PartitionMeta, Status, encode
from shared.wal.commands import HandlerKind, Target
from tests.partitiond.store.writer import row_key, write

ROOT = Path(__file__).resolve().parents[3]


def check(store: RocksStore, *, at_least: int) -> int:
    """Every row is of one and the same commit: that of the applied LSN."""
    meta = store.meta()
    assert meta is not None
    lsn = meta.applied_lsn
    assert lsn >= at_least
    value = lsn.to_bytes(8, "big")
    assert [store.get(row_key(number)) for number in range(50)] == [value * 10] * 50
    assert store.get(row_key(1000)) == (value if lsn % 2 else None)
    return lsn


def test_a_newer_format_is_refused_and_the_text_names_version_and_remedy(tmp_path: Path) -> None:
    store = RocksStore(tmp_path)
    newer = PartitionMeta(STORE_FORMAT + 1, 0, 0, 9, 5, 0, 0, b"", 0, 0)
    store.commit({keys.META_KEY: encode(newer), b"\x01kept": b"1"})
    store.close()
    text = rf"{tmp_path} has format version {STORE_FORMAT + 1}.* 1 to {STORE_FORMAT}.*newer build"
    for _ in range(2):  # The first refusal does not hold the lock, and has damaged nothing.
        with pytest.raises(ConfigError, match=text):
            RocksStore(tmp_path)


def test_fields_of_a_newer_build_do_not_hide_the_format(tmp_path: Path) -> None:
    store = RocksStore(tmp_path)
    newer = [STORE_FORMAT + 1, 0, 0, 9, 5, 0, 0, b"", 0, 0, 0, b"", 0, None, 0, 0, "a new field", 7]
    store.commit({keys.META_KEY: encode(newer)})
    store.close()
    with pytest.raises(ConfigError, match="use the newer build"):
        RocksStore(tmp_path)


def test_a_damaged_partition_row_is_an_error_that_names_the_store(tmp_path: Path) -> None:
    store = RocksStore(tmp_path)
    store.commit({keys.META_KEY: b"\x93\x01"})
    store.close()
    with pytest.raises(CorruptionError, match=f"{tmp_path}.*unreadable"):
        RocksStore(tmp_path)


def test_a_store_is_open_once(tmp_path: Path) -> None:
    """A worker that hangs and its successor must not write to one partition together."""
    store = RocksStore(tmp_path)
    with pytest.raises(Exception, match=r"(?i)lock"):
        RocksStore(tmp_path)
    store.close()
    RocksStore(tmp_path).close()


def test_what_was_written_is_there_after_a_close(tmp_path: Path) -> None:
    store = RocksStore(tmp_path)
    for lsn in range(1, 8):
        write(store, lsn)
    digest = store.digest()
    store.close()
    store = RocksStore(tmp_path)
    assert check(store, at_least=7) == 7
    assert store.digest() == digest
    store.close()


def without_wal(path: Path, copy: Path) -> Path:
    """What a power loss leaves at the worst: nothing of RocksDB's own log was synced."""
    shutil.copytree(path, copy)
    logs = list(copy.glob("*.log"))
    assert logs
    for file in logs:
        file.unlink()
    return copy


def test_a_checkpoint_makes_durable_what_was_committed_before_it(tmp_path: Path) -> None:
    store = RocksStore(tmp_path / "store")
    for lsn in range(1, 4):
        write(store, lsn)
    lost = RocksStore(without_wal(tmp_path / "store", tmp_path / "before"))
    assert lost.meta() is None, "the copy shows what is not durable"
    lost.close()
    store.checkpoint()
    write(store, 4)
    durable = RocksStore(without_wal(tmp_path / "store", tmp_path / "after"))
    assert check(durable, at_least=3) == 3
    # It goes on from there, as the log brings the rest.
    write(durable, 4)
    assert durable.digest() == store.digest()
    durable.close()
    store.close()


@pytest.mark.slow
@pytest.mark.processes
@pytest.mark.parametrize("checkpoint_every", [0, 20])
def test_a_killed_writer_leaves_whole_commits(tmp_path: Path, checkpoint_every: int) -> None:
    """kill -9 at any moment: no commit that was seen is lost, none is there in part."""
    chooser = random.Random(checkpoint_every)
    path = tmp_path / "store"
    seen = 0
    for _ in range(4):
        command = [sys.executable, "-m", "tests.partitiond.store.writer", str(path), str(checkpoint_every)]
        with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as child:
            assert child.stdout is not None
            durable = 0
            for _ in range(chooser.randrange(5, 150)):
                line = child.stdout.readline().split()
                assert line, "the writer ended by itself"
                seen = int(line[-1])
                durable = seen if line[0] == "durable" else durable
            child.kill()
        if durable:
            copy = RocksStore(without_wal(path, tmp_path / f"copy-{seen}"))
            check(copy, at_least=durable)
            copy.close()
        store = RocksStore(path)
        check(store, at_least=seen)
        store.close()


def test_what_tables_need_in_memory_does_not_grow_with_what_is_stored(tmp_path: Path) -> None:
    """rocksdict opens a store that exists with the options that it was made with, unless its column is named: each
    had a cache of its own, and the indexes of all its tables beside it."""
    for first in (0, 10_000):
        store = RocksStore(tmp_path)
        for number in range(first, first + 10_000, 100):
            store.commit({b"%024d" % each: b"v" * 20 for each in range(number, number + 100)})
        store.checkpoint()
        store.close()
    store = RocksStore(tmp_path)
    assert store.get(b"%024d" % 7) == b"v" * 20
    assert int(store._db.property_value("rocksdb.block-cache-capacity")) == 32 * 1024 * 1024
    assert int(store._db.property_value("rocksdb.estimate-table-readers-mem")) < 20_000
    store.close()


def test_rows_kept_in_memory_are_what_the_disk_has(tmp_path: Path) -> None:
    """More invocations than are kept, written, deleted and written again in any order."""
    store, chance = RocksStore(tmp_path), random.Random(3)
    model: dict[bytes, bytes | None] = {}
    ids = [keys.invocation_key(number.to_bytes(24, "big")) for number in range(6000)]
    for turn in range(300):
        writes: dict[bytes, bytes | None] = {}
        for key in chance.sample(ids, 40):
            status = chance.choice((Status.INVOKED, Status.INVOKED, Status.SUSPENDED))
            # Some too large to be kept.
            writes[key] = None if chance.random() < 0.3 else _row(status, turn, chance.choice((0, 5000)))
        store.commit(writes)
        model.update(writes)
        for key in chance.sample(ids, 40) + list(writes):
            assert store.get(key) == model.get(key)
    store.close()
    again = RocksStore(tmp_path)
    assert {key: again.get(key) for key in model} == model
    again.close()


@pytest.mark.parametrize(("status", "size"), [(Status.INVOKED, 100_000), (Status.SUSPENDED, 0), (Status.COMPLETED, 0)])
def test_rows_that_are_large_or_of_no_more_use_are_not_kept_in_memory(
    tmp_path: Path, status: Status, size: int
) -> None:
    store = RocksStore(tmp_path)
    ids = [keys.invocation_key(number.to_bytes(24, "big")) for number in range(100)]
    for key in ids:
        store.commit({key: _row(Status.INVOKED, 1, 0)})
    assert len(store._recent) == 100
    for key in ids:
        store.commit({key: _row(status, 2, size)})
    assert not store._recent
    store.close()


def _row(status: Status, turn: int, size: int) -> bytes:
    target = Target("Greeter", "greet", None, HandlerKind.SERVICE)
    return encode(InvocationRow(status, target, turn, 0, 0, 0, 0, 0, 0, idempotency_key="x" * size))


def test_a_commit_that_fails_leaves_nothing_in_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = RocksStore(tmp_path)
    key = keys.invocation_key(bytes(24))
    old, new = _row(Status.INVOKED, 1, 0), _row(Status.INVOKED, 2, 0)
    store.commit({key: old})

    class Broken:
        def __getattr__(self, name: str) -> object:
            return getattr(store_db, name)

        def write(self, *_: object) -> None:
            raise Exception("IO error: no more")

    store_db = store._db
    monkeypatch.setattr(store, "_db", Broken())
    with pytest.raises(EverlogError):
        store.commit({key: new})
    assert store.get(key) == old
    monkeypatch.undo()
    store.close()
