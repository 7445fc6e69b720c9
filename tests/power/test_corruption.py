"""Each file of a stopped node is damaged, at random places: healed, harmless, or an error with a name; never wrong.

`EVERLOG_TEST_DAMAGES=200` tries so many places in each file.
"""

from __future__ import annotations

import os
import random
import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from logd.journal import GroupJournal
from logd.raft.private import COMMAND
from logd.registry import GroupRegistry
from logd.store import RocksStore as LogStore
from partitiond.store.memory import MemoryStore
from partitiond.store.rocksdb import RocksStore, damage_note
from scripts.node.layout import read_format
from shared.catalog.partitions import Partition, even_partitions
from shared.config import Settings, read_settings, write_settings
from shared.errors import ConfigError, CorruptionError
from shared.snapshots.checkpoints import keep_checkpoint
from shared.wal.batch import Batch, encode_batch
from shared.wal.commands import AnnounceLeader, Command
from tests.partitiond.machine.fixtures import invoke, new_id
from tests.power.recovered import GroupLog, Replica, read_logs, recover_partition

_PLACES = int(os.environ.get("EVERLOG_TEST_DAMAGES", "2"))
_SEED = int(os.environ.get("EVERLOG_TEST_SEED", "4"))
_BATCHES = 120
#: What an error names: a file, or what of the log it is about.
_NAMED = re.compile(r"group=|\.log|FORMAT|settings|MANIFEST|CURRENT|\.sst|/log|/store|store knows more than the log")
[_PARTITION] = even_partitions(1)


class Stopped(NamedTuple):
    """A data directory, and what it comes to."""

    data: Path
    logs: dict[str, GroupLog]
    digest: str


def batches() -> Iterator[bytes]:
    def batch(epoch: int, seq: int, command: Command) -> bytes:
        return encode_batch(Batch(epoch, seq, 1_700_000_000_000 + seq, [command]))

    yield batch(0, 0, AnnounceLeader(b"u", "node-1", _PARTITION.start_key, _PARTITION.end_key))
    for seq in range(1, _BATCHES):
        yield batch(2, seq, invoke(new_id(), payload=random.Random(seq).randbytes(700)))


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """In memory where that can be had: hundreds of starts sync much."""
    shared = Path("/dev/shm")
    made = Path(tempfile.mkdtemp(prefix="everlog-", dir=shared if os.access(shared, os.W_OK) else None))
    yield made
    shutil.rmtree(made, ignore_errors=True)


@pytest.fixture(scope="module")
def stopped(folder: Path) -> Stopped:
    """Tables and a write-ahead log in each store; two kept checkpoints; a log that was never trimmed."""
    data = folder / "stopped"
    write_log(data)
    assert all(file.stat().st_size for file in (data / "log").glob("*.log"))
    # Of a copy: to open it puts all into tables.
    logs = read_logs(copied(data, data.with_name("copy")))
    place = data / "partitions" / "0"
    live = folder / "live-store"
    replica = Replica(_PARTITION, RocksStore(live))
    entries = list(logs["p-0"].batches.items())
    for first, end in ((0, 40), (40, 80), (80, _BATCHES)):
        replica.apply(entries[first:end])
        if end <= 80:
            replica.store.checkpoint()
            keep_checkpoint(live, place / "checkpoints")
    # As after a kill: to close it puts all into tables.
    copied(live, place / "store")
    replica.store.close()
    (data / "FORMAT").write_text('{"format": 1, "created_by": "everlog 0.1.0"}\n')
    (data / "run").mkdir()
    write_settings(Settings(data_dir=str(data)), data / "run" / "settings.json")
    reference = Replica(_PARTITION, MemoryStore())
    reference.apply(entries)
    return Stopped(data, logs, reference.store.digest())


def write_log(data: Path) -> None:
    """Two groups, a sync for each batch. Half way logd starts anew, so that the first half is in tables."""
    payloads = list(batches())
    live = data.with_name("live-log")
    for first in (0, _BATCHES // 2):
        store = LogStore(live)
        registry = GroupRegistry(store)
        journals = [GroupJournal(store, name, registry.number_of(name)) for name in ("meta", "p-0")]
        if not first:
            for journal in journals:
                journal.add(b"\x01", 1, 1)
        for number in range(first, first + _BATCHES // 2):
            journals[0].add(bytes([COMMAND]) + b"meta-%d" % number, number + 2, 1)
            journals[1].add(bytes([COMMAND]) + payloads[number], number + 2, 1)
            sync(store, journals)
        # As logd does within a second.
        sync(store, journals)
        copied(live, data / "log")
        store.close()


def sync(store: LogStore, journals: list[GroupJournal]) -> None:
    for journal in journals:
        journal.before_stage()
    store.stage()
    store.sync()
    for journal in journals:
        journal.after_stage()
        journal.after_sync()
        journal.setRaftCommitIndex(journal.synced_index)


def outcome(data: Path, stopped: Stopped) -> str:
    """What comes of a start: `same`, or the text of an error. Anything else fails."""
    try:
        read_format(data)
        read_settings(data / "run" / "settings.json")
        logs = read_logs(data)
    except (ConfigError, CorruptionError) as error:
        return str(error)
    # An end that is cut off within a second of the last batch looks like a power loss; the stores know better.
    if logs["p-0"] == stopped.logs["p-0"]:
        assert logs["meta"] == stopped.logs["meta"]
    for _ in range(2):
        try:
            replica = recover_partition(data, _PARTITION, logs["p-0"])
        except AssertionError as error:
            return str(error)
        except CorruptionError:
            # Met by whoever reads or writes: the worker ends, and at its next start the store is made anew.
            assert damage_note(data / "partitions" / "0" / "store").exists()
            continue
        try:
            found = replica.store.digest()
        except CorruptionError:
            assert damage_note(data / "partitions" / "0" / "store").exists()
            continue
        finally:
            replica.store.close()
        assert logs["p-0"] == stopped.logs["p-0"]
        assert found == stopped.digest
        return "same"
    raise AssertionError("a store that was made anew is damaged too")


def files(data: Path) -> list[str]:
    return sorted(str(file.relative_to(data)) for file in data.rglob("*") if file.is_file() and file.stat().st_size)


@pytest.mark.slow
@pytest.mark.timeout(max(300, 100 * _PLACES))
def test_a_flipped_bit_or_a_cut_in_any_file_is_healed_or_named(stopped: Stopped, folder: Path) -> None:
    chooser = random.Random(_SEED)
    counts: dict[str, int] = {}
    assert outcome(copied(stopped.data, folder / "whole"), stopped) == "same"
    names = files(stopped.data)
    assert sum(name.endswith(".sst") for name in names) >= 5, names
    assert sum(name.endswith(".log") for name in names) >= 2, names
    for name in names:
        places = _PLACES * (5 if name.endswith((".log", ".sst")) or "MANIFEST" in name else 1)
        if Path(name).name.startswith(("LOG", "OPTIONS", "IDENTITY")):
            places = 1  # RocksDB's own notes, which nobody reads.
        for number in range(places):
            damaged = copied(stopped.data, folder / "damaged")
            what = damage(damaged / name, chooser, cut=number == 1)
            try:
                came = outcome(damaged, stopped)
            except BaseException as error:
                error.add_note(f"{what} in {name}, seed {_SEED}")
                raise
            kind = "same" if came == "same" else "error"
            counts[kind] = counts.get(kind, 0) + 1
            if kind == "error":
                assert _NAMED.search(came), came
    print(counts)
    assert counts["same"] > 10
    assert counts["error"] > 10


def copied(data: Path, into: Path) -> Path:
    shutil.rmtree(into, ignore_errors=True)
    shutil.copytree(data, into)
    return into


def damage(file: Path, chooser: random.Random, *, cut: bool) -> str:
    data = bytearray(file.read_bytes())
    at = chooser.randrange(len(data))
    if cut:
        file.write_bytes(data[:at])
        return f"cut at {at}"
    data[at] ^= 1 << chooser.randrange(8)
    file.write_bytes(data)
    return f"bit flipped at {at}"


def aside(data: Path) -> list[str]:
    return sorted(path.name for path in (data / "partitions" / "0").glob("*.damaged-*"))


@pytest.mark.parametrize("lost", ["store", "store/CURRENT", "store/MANIFEST-*", "store/*.sst"])
def test_a_store_that_lost_files_is_put_aside_and_made_anew(stopped: Stopped, folder: Path, lost: str) -> None:
    data = copied(stopped.data, folder / "damaged")
    for path in (data / "partitions" / "0").glob(lost):
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    assert outcome(data, stopped) == "same"
    assert aside(data) == ([] if lost == "store" else ["store.damaged-1"])


def test_damaged_checkpoints_are_passed_over(stopped: Stopped, folder: Path) -> None:
    """The newest is put aside, the one before it is used; when that one is damaged too, the log alone."""
    data = copied(stopped.data, folder / "damaged")
    place = data / "partitions" / "0"
    shutil.rmtree(place / "store")
    kept = sorted((place / "checkpoints").iterdir())
    assert len(kept) == 2
    for number, checkpoint in enumerate(reversed(kept)):
        table = next(checkpoint.glob("*.sst"))
        table.write_bytes(table.read_bytes()[:-1] + b"?")
        assert outcome(data, stopped) == "same"
        shutil.rmtree(place / "store")
        left = sorted(path.name for path in (place / "checkpoints").iterdir())
        names = [path.name for path in kept]
        assert left == sorted(names[: 1 - number] + [f"{name}.damaged-1" for name in names[1 - number :]])
    assert outcome(data, stopped) == "same"


def test_a_store_of_another_partition_is_not_taken(stopped: Stopped, folder: Path) -> None:
    other = Partition(1, _PARTITION.start_key, _PARTITION.end_key)
    data = copied(stopped.data, folder / "damaged")
    (data / "partitions" / "0").rename(data / "partitions" / "1")
    shutil.rmtree(data / "partitions" / "1" / "checkpoints")
    replica = recover_partition(data, other, stopped.logs["p-0"])
    replica.store.close()
    assert (data / "partitions" / "1" / "store.damaged-1").exists()
