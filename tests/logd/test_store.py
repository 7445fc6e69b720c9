"""The RocksDB: formats, ranges, errors."""

from __future__ import annotations

from pathlib import Path

import pytest

from logd.registry import GroupRegistry, valid_name
from logd.store import RocksStore, StoreError
from scripts.debug.secondary import Secondary
from shared.errors import ConfigError, CorruptionError, FormatError
from tests.logd.fakes import MemoryStore


def test_what_is_staged_is_read_and_scanned_in_both_directions(tmp_path: Path) -> None:
    for store in (RocksStore(tmp_path / "log"), MemoryStore()):
        for number in range(300):
            store.put(number.to_bytes(2, "big"), b"%d" % number)
        assert store.dirty
        assert store.get(b"\0\0") is None
        store.stage()
        store.sync()
        assert not store.dirty
        assert store.get(b"\0\5") == b"5"
        bounds = ((10).to_bytes(2, "big"), (290).to_bytes(2, "big"))
        assert [int(value) for _, value in store.scan(*bounds)] == list(range(10, 290))
        assert [int(value) for _, value in store.scan_back(*bounds)] == list(range(289, 9, -1))
        store.delete_range(*bounds)
        store.stage()
        assert [int(value) for _, value in store.scan(b"\0", b"\2")] == [*range(10), *range(290, 300)]
        store.reclaim(*bounds)
        assert list(store.scan_back(*bounds)) == []
        assert store.syncs == 1


def test_what_was_written_is_there_after_closing(tmp_path: Path) -> None:
    store = RocksStore(tmp_path / "log")
    store.put(b"a", b"1")
    store.put_durable(b"b", b"2")
    store.close()
    store = RocksStore(tmp_path / "log")
    assert (store.get(b"a"), store.get(b"b")) == (b"1", b"2")
    store.close()


def test_a_newer_format_is_refused_untouched(tmp_path: Path) -> None:
    path = tmp_path / "log"
    RocksStore(path).close()
    assert (path / "FORMAT").read_text() == "1\n"
    (path / "FORMAT").write_text("2\n")
    before = {file.name: file.stat().st_mtime_ns for file in path.iterdir()}
    with pytest.raises(FormatError, match=f"{path} has format version 2; this build reads 1: use the newer"):
        RocksStore(path)
    assert {file.name: file.stat().st_mtime_ns for file in path.iterdir()} == before


def test_a_database_without_its_format_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "log"
    RocksStore(path).close()
    (path / "FORMAT").unlink()
    with pytest.raises(ConfigError, match="restore it from a backup"):
        RocksStore(path)


@pytest.mark.parametrize("data", [b"1\x8a\n", b"", b"q\n"])
def test_a_damaged_format_is_named(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "log"
    RocksStore(path).close()
    (path / "FORMAT").write_bytes(data)
    with pytest.raises(ConfigError, match=f"{path}/FORMAT is damaged"):
        RocksStore(path)


def test_a_second_logd_on_the_same_data_is_refused(tmp_path: Path) -> None:
    store = RocksStore(tmp_path / "log")
    with pytest.raises(StoreError, match="cannot open the log"):
        RocksStore(tmp_path / "log")
    store.close()


def test_damage_in_a_table_file_is_corruption(tmp_path: Path) -> None:
    path = tmp_path / "log"
    store = RocksStore(path)
    for number in range(1000):
        store.put(b"%04d" % number, bytes(100))
    store.close()
    [table] = path.glob("*.sst")
    data = bytearray(table.read_bytes())
    for at in range(1000, len(data) // 2, 500):
        data[at] ^= 0xFF
    table.write_bytes(bytes(data))
    store = RocksStore(path)
    with pytest.raises(CorruptionError):
        list(store.scan(b"0", b"9"))
    store.close()


def test_a_secondary_reads_large_values_that_were_flushed(tmp_path: Path) -> None:
    """sqld and the debug tools read so. In blob files such values would crash the process that iterates."""
    store = RocksStore(tmp_path / "log")
    for number in range(20):
        store.put_durable(b"k%02d" % number, bytes(100_000))
    store._db.flush(True)
    secondary = Secondary(tmp_path / "log", tmp_path / "scratch")
    assert [len(value) for _, value in secondary.scan(b"k", b"l")] == [100_000] * 20
    secondary.close()
    store.close()


def test_numbers_of_groups_are_kept_and_never_given_twice() -> None:
    store = MemoryStore()
    registry = GroupRegistry(store)
    assert [registry.number_of(name) for name in ("meta", "p-0", "meta", "p-1")] == [1, 2, 1, 3]
    registry = GroupRegistry(store.crash())
    assert registry.known() == {"meta": 1, "p-0": 2, "p-1": 3}
    assert registry.number_of("p-2") == 4


def test_names_of_groups() -> None:
    assert all(valid_name(name) for name in ("meta", "p-0", "p-123", "a" * 63))
    assert not any(valid_name(name) for name in ("", "-a", "1", "P", "p/1", "p\n", "a" * 64, "ä"))
