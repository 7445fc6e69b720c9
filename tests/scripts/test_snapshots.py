"""What an import refuses, by name, and that it then leaves nothing behind; no node runs here."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from scripts.cli.main import main
from scripts.node.layout import read_format
from shared.formats import DATA_FORMAT
from shared.snapshots.checkpoint_file import StoredFile, checkpoint_name
from shared.snapshots.checkpoints import checkpoints_folder, kept_lsns, read_checkpoint, verify_files
from shared.snapshots.log_file import encode_batch_frame, encode_head
from shared.snapshots.manifest import (
    MANIFEST_FILE,
    META_LOG,
    MetaPart,
    PartitionPart,
    SnapshotManifest,
    encode_manifest,
    log_name,
    store_folder,
)
from shared.snapshots.place import Place


@pytest.fixture
def snapshot(tmp_path: Path) -> Path:
    """Of two partitions; what is in their stores does not matter to an import."""
    place = Place.at(str(tmp_path / "snapshot"))
    parts = []
    for number in range(2):
        names = ("000009.sst", "CURRENT")
        stored = [place.put_chunks(f"{store_folder(number)}/{name}", [name.encode() * 99]) for name in names]
        log = encode_head(group=f"p-{number}", after_lsn=7, upto_lsn=9) + encode_batch_frame(9, b"batch")
        parts.append(
            PartitionPart(
                partition_id=number,
                start_key=number << 63,
                end_key=((number + 1) << 63) - 1,
                applied_lsn=7,
                digest="",
                cut_lsn=9,
                epoch=3,
                store_format=1,
                files=tuple(StoredFile(name, file.size, file.xxh3) for name, file in zip(names, stored, strict=True)),
                log=place.put_chunks(log_name(number), [log]),
            )
        )
    meta = place.put_chunks(META_LOG, [encode_head(group="meta", after_lsn=0, upto_lsn=2)])
    write(place, SnapshotManifest(1, "everlog 0.1.0", "node-1", "local", 5, tuple(parts), MetaPart(0, 2, meta)))
    return tmp_path / "snapshot"


def write(place: Place, manifest: SnapshotManifest) -> None:
    place.put_chunks(MANIFEST_FILE, [encode_manifest(manifest)])


def change(snapshot: Path, how: Callable[[SnapshotManifest], SnapshotManifest]) -> None:
    place = Place.at(str(snapshot))
    write(place, how(place.manifest()))


def imported(snapshot: Path, *words: str) -> int:
    return main(["snapshot", "import", str(snapshot), "--data-dir", str(snapshot.parent / "data"), *words])


def test_an_import_makes_a_data_directory(snapshot: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert imported(snapshot, "--partitions", "2") == 0
    data = snapshot.parent / "data"
    assert f"start the node with: everlog up --data-dir {data}" in capsys.readouterr().out
    assert read_format(data) == DATA_FORMAT
    assert sorted(path.name for path in data.iterdir()) == ["FORMAT", "log", "logs", "partitions", "run"]
    for number in range(2):
        folder = checkpoints_folder(data, number)
        assert kept_lsns(folder) == [7]
        kept = folder / checkpoint_name(7)
        verify_files(kept, read_checkpoint(kept).files)
        assert (kept / "000009.sst").samefile(data / "partitions" / str(number) / "store" / "000009.sst")
        assert not (kept / "CURRENT").samefile(data / "partitions" / str(number) / "store" / "CURRENT")
    assert imported(snapshot) == 1
    assert f"{data} is not empty" in capsys.readouterr().err


@pytest.mark.parametrize(
    "name", ["partitions/1/store/000009.sst", "partitions/0/store/CURRENT", "partitions/1/log", "meta/log"]
)
def test_a_damaged_file_is_named_and_nothing_is_left(
    snapshot: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    data = bytearray((snapshot / name).read_bytes())
    data[3] ^= 1
    (snapshot / name).write_bytes(data)
    (snapshot.parent / "data").mkdir()
    assert imported(snapshot) == 1
    assert f"{name} is damaged: its checksum does not match" in capsys.readouterr().err
    assert list((snapshot.parent / "data").iterdir()) == []


def test_what_does_not_fit_is_refused_before_anything_is_made(
    snapshot: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refusal(*words: str) -> str:
        assert imported(snapshot, *words) == 1
        assert not (snapshot.parent / "data").exists()
        return capsys.readouterr().err

    assert "has 2 partitions, and partitions is set to 3" in refusal("--partitions", "3")
    monkeypatch.setenv("EVERLOG_PARTITIONS", "8")
    assert "partitions is set to 8: leave it out or set it to 2" in refusal()
    monkeypatch.delenv("EVERLOG_PARTITIONS")
    first, second = Place.at(str(snapshot)).manifest().partitions
    newer = msgspec.structs.replace(second, store_format=99)
    change(snapshot, lambda manifest: msgspec.structs.replace(manifest, partitions=(first, newer)))
    assert "made by everlog 0.1.0, has format version 99; this build reads 1 to 2" in refusal()
    change(snapshot, lambda manifest: msgspec.structs.replace(manifest, partitions=(second,)))
    assert "is not whole: it has the partitions [1]" in refusal()
    change(snapshot, lambda manifest: msgspec.structs.replace(manifest, format=2))
    assert "has format version 2; this build reads 1" in refusal()
    (snapshot / MANIFEST_FILE).unlink()
    assert "holds no snapshot" in refusal()


def test_an_export_goes_into_an_empty_place_of_a_node_that_is_there(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    nowhere = str(tmp_path / "nowhere")
    assert main(["snapshot", "export", str(tmp_path / "new"), "--data-dir", nowhere]) == 1
    assert "is no data directory that a node ran on" in capsys.readouterr().err
    assert not (tmp_path / "nowhere").exists()
