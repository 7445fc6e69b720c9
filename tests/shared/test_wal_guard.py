"""What RocksDB's log files are cut to, or refused for, before RocksDB opens them."""

from __future__ import annotations

import logging
import random
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from rocksdict import Options, Rdict, WriteBatch

from logd.store import RocksStore as LogStore
from partitiond.store.rocksdb import RocksStore
from shared.damage import aside_names
from shared.errors import CorruptionError
from shared.rocksdb_wal import crc32c, read_manifest, scan_wal, whole_batch_behind
from shared.wal_guard import check_synced

Damage = Callable[[bytearray], bytearray]
_ROWS = 200


def key(number: int) -> bytes:
    return b"\x01%05d" % number


def write(path: Path, *, memtable_bytes: int | None = None, count: int = _ROWS) -> Path:
    """A copy of a database as it is after a kill: `count` batches of a row each, and `last` that names the newest."""
    options = Options(raw_mode=True)
    options.create_if_missing(True)
    if memtable_bytes is not None:
        # No memtable is flushed: there are as many log files.
        options.set_write_buffer_size(memtable_bytes)
        options.set_max_write_buffer_number(8)
        options.set_min_write_buffer_number_to_merge(7)
    db = Rdict(str(path / "live"), options)
    chooser = random.Random(1)
    for number in range(count):
        batch = WriteBatch(raw_mode=True)
        batch.put(key(number), chooser.randbytes(1000))
        batch.put(b"\x01last", b"%d" % number)
        db.write(batch)
    db.flush_wal(True)
    shutil.copytree(path / "live", path / "store")
    (path / "store" / "FORMAT").write_text("1\n")
    db.close()
    return path / "store"


def logs(path: Path) -> list[Path]:
    return sorted(path.glob("*.log"))


def change(file: Path, damage: Damage) -> None:
    file.write_bytes(damage(bytearray(file.read_bytes())))


def flip(at: int) -> Damage:
    def flipped(data: bytearray) -> bytearray:
        data[at] ^= 4
        return data

    return flipped


def rows_of(path: Path) -> int:
    """How many rows a partition's store opens with; all up to the newest are there."""
    store = RocksStore(path)
    last = store.get(b"\x01last")
    found = [row for row, _ in store.scan(b"\x010", b"\x01:")]
    store.close()
    count = 0 if last is None else int(last) + 1
    assert found == [key(number) for number in range(count)]
    return count


def offsets(data: bytes) -> list[int]:
    """Where whole batches end."""
    ends = [0]
    for size in range(0, len(data), 500):
        broken = scan_wal(data[:size]).broken
        ends.append(broken.end if broken is not None else size)
    return sorted(set(ends))


def test_the_checksum_is_castagnolis() -> None:
    assert crc32c(b"123456789") == 0xE3069283


def test_headers_and_checksums_of_real_files_are_read(tmp_path: Path) -> None:
    path = write(tmp_path, memtable_bytes=64 * 1024)
    assert len(logs(path)) > 2
    next_sequence: int | None = None
    for file in logs(path):
        scan = scan_wal(file.read_bytes(), next_sequence, checksums=True)
        assert scan.broken is None
        assert next_sequence in (None, scan.first_sequence)
        next_sequence = scan.next_sequence
    assert next_sequence == 2 * _ROWS + 1
    [manifest] = path.glob("MANIFEST-*")
    assert read_manifest(manifest.read_bytes()).last_sequence == 0


def test_a_hole_between_two_logs_is_not_stepped_over(tmp_path: Path) -> None:
    """Power loss with two log files: the end of the first was not written yet, all of the second was.

    RocksDB opens that, without the rows between: a state that never was.
    """
    path = write(tmp_path, memtable_bytes=128 * 1024)
    first, *later = logs(path)
    assert later
    data = first.read_bytes()
    end = offsets(data)[-20]
    first.write_bytes(data[:end])
    rows = rows_of(path)
    assert 0 < rows < _ROWS - 20
    assert sorted(each.name for each in path.glob("*.damaged-1")) == [f"{each.name}.damaged-1" for each in later]


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(lambda data: data[:100_000], id="cut"),
        pytest.param(lambda data: data[:65536] + bytes(32768) + data[98304:], id="a block of zeros"),
        pytest.param(lambda data: data[:100_000] + bytes(len(data) - 100_000), id="zeros from there on"),
        pytest.param(flip(100_000), id="a payload"),
    ],
)
def test_a_store_opens_with_what_precedes_the_damage(tmp_path: Path, damage: Damage) -> None:
    path = write(tmp_path)
    change(logs(path)[0], damage)
    assert 0 < rows_of(path) < 100


def test_a_type_that_does_not_exist_does_not_make_rocksdb_read_for_ever(tmp_path: Path) -> None:
    path = write(tmp_path)
    [file] = logs(path)
    at = offsets(file.read_bytes())[50]
    change(file, flip(at + 6))
    assert rows_of(path) < 100
    assert [each.name for each in aside_names(tmp_path)] == []
    assert list(path.glob("*.damaged-1"))


def test_a_manifest_that_ends_too_early_is_damage(tmp_path: Path) -> None:
    """RocksDB would open the few tables that are left in it, with the rows of its log on top."""
    store = RocksStore(tmp_path / "live")
    for number in range(300):
        store.commit({key(number): bytes(100)})
        if number in (100, 200):
            store.checkpoint()
    shutil.copytree(tmp_path / "live", tmp_path / "copy")
    store.close()
    [manifest] = (tmp_path / "copy").glob("MANIFEST-*")
    change(manifest, lambda data: data[: len(data) // 2])
    with pytest.raises(CorruptionError, match="manifest ends at sequence"):
        RocksStore(tmp_path / "copy")


@pytest.mark.parametrize("what", ["payload", "length", "type"])
def test_acknowledged_batches_of_logd_do_not_vanish(tmp_path: Path, what: str) -> None:
    """RocksDB's default is to end the log there without a word. The files stay as they are."""
    path = write(tmp_path)
    [file] = logs(path)
    at = offsets(file.read_bytes())[60]
    change(file, flip(at + {"payload": 300, "length": 5, "type": 6}[what]))
    before = {each.name: each.read_bytes() for each in logs(path)}
    for _ in range(2):
        with pytest.raises(CorruptionError, match=rf"{file} is damaged: .* at byte {at}, .* first {at} bytes"):
            LogStore(path)
    assert {each.name: each.read_bytes() for each in logs(path)} == before


def test_a_flip_in_the_very_last_batch_is_no_torn_end(tmp_path: Path) -> None:
    path = write(tmp_path)
    change(logs(path)[0], flip(-100))
    with pytest.raises(CorruptionError, match="its last batch"):
        LogStore(path)


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(lambda data: data[:-300], id="cut within a batch"),
        pytest.param(lambda data: data[:-1035], id="cut within a header"),
        pytest.param(lambda data: data[:-600] + bytes(600), id="a sector that was never written"),
        pytest.param(lambda data: data + bytes(5000), id="made longer, and not written"),
    ],
)
def test_the_torn_end_of_logds_log_is_dropped(tmp_path: Path, damage: Damage, caplog: pytest.LogCaptureFixture) -> None:
    path = write(tmp_path)
    change(logs(path)[0], damage)
    with caplog.at_level(logging.WARNING):
        store = LogStore(path)
    assert int(store.get(b"\x01last") or b"0") >= _ROWS - 3
    store.put_durable(b"more", b"1")
    store.close()
    assert "were never synced, and are dropped" in caplog.text
    store = LogStore(path)
    assert store.get(b"more") == b"1"
    store.close()


def test_a_term_is_not_written_behind_what_is_not_synced(tmp_path: Path) -> None:
    """Else two batches could be torn at once, and the first one would look as if it had been acknowledged."""
    store = LogStore(tmp_path)
    store.put(b"a", b"1")
    store.stage()
    syncs = store.syncs
    store.put_durable(b"b", b"2")
    assert store.syncs == syncs + 2
    store.put_durable(b"c", b"3")
    assert store.syncs == syncs + 3
    store.close()


def test_logs_of_a_database_that_is_open_elsewhere_are_left_alone(tmp_path: Path) -> None:
    path = write(tmp_path)
    check_synced(path)
    [file] = logs(path)
    assert whole_batch_behind(file.read_bytes(), -1) == 0
    assert whole_batch_behind(file.read_bytes(), file.stat().st_size - 500) is None
