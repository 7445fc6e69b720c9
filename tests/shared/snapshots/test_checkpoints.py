"""Kept checkpoints: made of a store that another process writes to, and what is found out about a damaged one."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from rocksdict import Options, Rdict

from shared.errors import ConfigError, CorruptionError
from shared.snapshots import checkpoints
from shared.snapshots.checkpoint_file import CHECKPOINT_FILE, checkpoint_name
from shared.snapshots.checkpoints import (
    KeepError,
    copy_checkpoint,
    keep_checkpoint,
    kept_lsns,
    read_checkpoint,
    verify_files,
)
from shared.snapshots.sealed_json import unseal
from shared.storage.values import STORE_FORMAT
from tests.shared.snapshots.writer import rows_at, writes_of
from tests.tidy.sources import ROOT


def open_store(path: Path) -> Rdict:
    options = Options(raw_mode=True)
    options.create_if_missing(True)
    return Rdict(str(path), options)


def commit(db: Rdict, lsn: int) -> None:
    for key, value in writes_of(lsn).items():
        if value is None:
            db.delete(key)
        else:
            db.put(key, value)


def rows_of(path: Path, scratch: Path) -> dict[bytes, bytes]:
    copy_checkpoint(path, scratch)
    db = open_store(scratch)
    rows = dict(db.items())
    db.close()
    shutil.rmtree(scratch)
    return rows


@pytest.fixture
def writer(tmp_path: Path) -> Iterator[Path]:
    """The store of a process that writes to it as fast as it can."""
    path = tmp_path / "store"
    command = [sys.executable, "-m", "tests.shared.snapshots.writer", str(path)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"began\n"
        yield path
        assert child.poll() is None, "the writer ended by itself"
        child.kill()


@pytest.mark.slow
@pytest.mark.processes
def test_a_checkpoint_under_concurrent_writes_is_the_state_at_its_lsn(writer: Path, tmp_path: Path) -> None:
    """Tables are flushed and compacted away while they are linked: still all rows of one LSN, and no others."""
    folder = tmp_path / "checkpoints"
    seen: set[int] = set()
    for _ in range(12):
        info = keep_checkpoint(writer, folder)
        seen.add(info.applied_lsn)
        path = folder / checkpoint_name(info.applied_lsn)
        assert read_checkpoint(path) == info
        verify_files(path, info.files)
        assert {file.name for file in path.iterdir()} == {file.name for file in info.files} | {CHECKPOINT_FILE}
        assert rows_of(path, tmp_path / "scratch") == rows_at(info.applied_lsn)
    assert len(seen) >= 6, f"hardly anything was written meanwhile: {seen}"
    assert kept_lsns(folder) == sorted(seen)[-2:]


def test_tables_that_are_compacted_away_meanwhile_are_not_missed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the look at the manifest and the links all its tables are replaced, twice."""
    db = open_store(tmp_path / "store")
    commits = iter(range(1, 100))
    real, looks = checkpoints._manifest, iter(range(100))

    def compacted_behind_the_look(store: Path) -> tuple[str, int] | None:
        seen = real(store)
        if next(looks) in (0, 2):
            for lsn in (next(commits), next(commits)):
                commit(db, lsn)
                db.flush(True)
            db.compact_range(None, None)
        return seen

    commit(db, next(commits))
    db.flush(True)
    monkeypatch.setattr(checkpoints, "_manifest", compacted_behind_the_look)
    info = keep_checkpoint(tmp_path / "store", tmp_path / "checkpoints")
    assert (info.applied_lsn, next(looks)) == (5, 6)
    assert rows_of(tmp_path / "checkpoints" / checkpoint_name(5), tmp_path / "scratch") == rows_at(5)
    db.close()


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    """A checkpoint of a small store."""
    db = open_store(tmp_path / "store")
    for lsn in range(1, 30):
        commit(db, lsn)
    db.flush(True)
    info = keep_checkpoint(tmp_path / "store", tmp_path / "checkpoints")
    assert info.applied_lsn == 29
    assert (info.partition_id, info.start_key, info.end_key, info.epoch, info.store_format) == (
        3,
        10,
        99,
        0,
        STORE_FORMAT,
    )
    db.close()
    return tmp_path / "checkpoints" / checkpoint_name(29)


def test_what_is_not_flushed_is_not_in_it(tmp_path: Path) -> None:
    db = open_store(tmp_path / "store")
    commit(db, 1)
    with pytest.raises(KeepError, match="nothing was flushed"):
        keep_checkpoint(tmp_path / "store", tmp_path / "checkpoints")
    db.flush(True)
    commit(db, 2)
    assert keep_checkpoint(tmp_path / "store", tmp_path / "checkpoints").applied_lsn == 1
    db.close()


def test_a_table_of_the_last_one_is_linked_and_not_read_again(kept: Path, tmp_path: Path) -> None:
    before = read_checkpoint(kept)
    table = next(file for file in before.files if file.name.endswith(".sst"))
    assert (kept / table.name).samefile(tmp_path / "store" / table.name)
    db = open_store(tmp_path / "store")
    commit(db, 30)
    db.flush(True)
    # Damaged behind our back: its checksum is still that of what was written.
    data = bytearray((kept / table.name).read_bytes())
    data[40] ^= 1
    (kept / table.name).write_bytes(data)
    after = keep_checkpoint(tmp_path / "store", kept.parent)
    db.close()
    assert table in after.files
    with pytest.raises(CorruptionError, match=rf"{table.name} is damaged"):
        verify_files(kept.parent / checkpoint_name(30), after.files)


def test_nothing_new_gives_the_one_that_is_there(kept: Path, tmp_path: Path) -> None:
    again = keep_checkpoint(tmp_path / "store", kept.parent)
    assert again == read_checkpoint(kept)
    assert kept_lsns(kept.parent) == [29]


def test_what_an_interrupted_one_left_is_in_nobodys_way(kept: Path, tmp_path: Path) -> None:
    for name in (".making", ".dropping"):
        (kept.parent / name).mkdir()
        (kept.parent / name / "000001.sst").write_bytes(b"half")
    assert kept_lsns(kept.parent) == [29]
    for lsn in (30, 31):
        db = open_store(tmp_path / "store")
        commit(db, lsn)
        db.close()
        keep_checkpoint(tmp_path / "store", kept.parent)
    assert sorted(path.name for path in kept.parent.iterdir()) == [checkpoint_name(30), checkpoint_name(31)]


def test_a_copy_can_be_written_to_and_the_checkpoint_stays(kept: Path, tmp_path: Path) -> None:
    copy_checkpoint(kept, tmp_path / "copy")
    db = open_store(tmp_path / "copy")
    for lsn in range(30, 60):
        commit(db, lsn)
    db.flush(True)
    db.compact_range(None, None)
    assert dict(db.items()) == rows_at(59)
    db.close()
    verify_files(kept, read_checkpoint(kept).files)
    assert rows_of(kept, tmp_path / "scratch") == rows_at(29)


@pytest.mark.parametrize("suffix", [".sst", "MANIFEST", "CURRENT"])
@pytest.mark.parametrize("damage", ["flip", "cut", "missing"])
def test_a_damaged_file_is_found_and_named(kept: Path, suffix: str, damage: str) -> None:
    info = read_checkpoint(kept)
    name = next(file.name for file in info.files if suffix in file.name)
    data = (kept / name).read_bytes()
    (kept / name).unlink()
    if damage == "flip":
        (kept / name).write_bytes(data[:-3] + bytes([data[-3] ^ 4]) + data[-2:])
    elif damage == "cut":
        (kept / name).write_bytes(data[:-1])
    with pytest.raises(CorruptionError, match=name):
        verify_files(kept, info.files)


def test_a_damaged_description_is_found_and_a_newer_one_refused(kept: Path) -> None:
    file = kept / CHECKPOINT_FILE
    text = file.read_bytes()
    for at in range(0, len(text), 7):
        file.write_bytes(text[:at] + bytes([text[at] ^ 1]) + text[at + 1 :])
        with pytest.raises(CorruptionError, match=r"checkpoint\.json"):
            read_checkpoint(kept)
    file.write_bytes(text[: len(text) // 2])
    with pytest.raises(CorruptionError, match=r"checkpoint\.json is damaged"):
        read_checkpoint(kept)
    file.unlink()
    with pytest.raises(CorruptionError, match=r"checkpoint\.json is missing"):
        read_checkpoint(kept)


def test_a_newer_format_is_refused_by_its_number(kept: Path) -> None:
    import msgspec

    from shared.snapshots.checkpoint_file import CheckpointInfo, encode_checkpoint

    newer = msgspec.structs.replace(read_checkpoint(kept), format=2)
    (kept / CHECKPOINT_FILE).write_bytes(encode_checkpoint(newer))
    with pytest.raises(ConfigError, match="format version 2; this build reads 1"):
        read_checkpoint(kept)
    assert unseal(encode_checkpoint(newer), CheckpointInfo, what="it", newest_format=2) == newer
