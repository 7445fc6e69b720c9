"""Places of snapshots: a path, a URI, and other file systems of pyarrow; and what is damaged there."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from pyarrow import fs

from shared.errors import ConfigError, CorruptionError
from shared.snapshots.checkpoint_file import StoredFile
from shared.snapshots.manifest import MANIFEST_FILE, MetaPart, PartitionPart, SnapshotManifest, encode_manifest
from shared.snapshots.place import Place


def places(folder: Path) -> dict[str, Place]:
    (folder / "bucket").mkdir()
    return {
        "path": Place.at(str(folder / "plain")),
        "uri": Place.at(f"file://{folder}/uri"),
        "prefix": Place(fs.SubTreeFileSystem(f"{folder}/bucket", fs.LocalFileSystem()), "a/b", "mem:a/b"),
        "object store": Place(fs._MockFileSystem(), "bucket/snapshot", "mock://bucket/snapshot"),  # type: ignore[attr-defined]
    }


@pytest.mark.parametrize("kind", ["path", "uri", "prefix", "object store"])
def test_what_is_put_is_found_again(tmp_path: Path, kind: str) -> None:
    place = places(tmp_path)[kind]
    assert place.is_empty()
    (tmp_path / "source").write_bytes(b"x" * 3_000_000)
    told: list[int] = []
    file = place.put("partitions/0/store/1.sst", tmp_path / "source", told.append)
    assert (file.name, file.size, sum(told)) == ("partitions/0/store/1.sst", 3_000_000, 3_000_000)
    assert not place.is_empty()
    place.get(file, tmp_path / "deep" / "target", told.append)
    assert (tmp_path / "deep" / "target").read_bytes() == b"x" * 3_000_000
    assert sum(told) == 6_000_000
    for wrong, why in (
        (msgspec.structs.replace(file, size=2), "has 3000000 bytes, 2 were written"),
        (msgspec.structs.replace(file, xxh3="0" * 32), "is damaged"),
        (msgspec.structs.replace(file, name="partitions/0/store/2.sst"), "is missing"),
    ):
        with pytest.raises(CorruptionError, match=why) as caught:
            place.get(wrong, tmp_path / "target")
        assert wrong.name in str(caught.value)


def example() -> SnapshotManifest:
    log = StoredFile("partitions/0/log", 16, "a" * 64)
    part = PartitionPart(0, 0, 2**64 - 1, 7, "d" * 64, 9, 3, 1, (StoredFile("1.sst", 5, "b" * 64),), log)
    return SnapshotManifest(1, "everlog 0.1.0", "node-1", "localcluster", 5, (part,), MetaPart(0, 4, log))


def test_a_manifest_that_is_missing_damaged_or_newer_is_told_apart(tmp_path: Path) -> None:
    place = Place.at(str(tmp_path))
    with pytest.raises(ConfigError, match=r"holds no snapshot: there is no manifest\.json"):
        place.manifest()
    place.put_chunks(MANIFEST_FILE, [encode_manifest(example())])
    assert place.manifest() == example()
    assert place.manifest().size == 37
    newer = encode_manifest(msgspec.structs.replace(example(), format=2))
    place.put_chunks(MANIFEST_FILE, [newer])
    with pytest.raises(ConfigError, match="has format version 2; this build reads 1"):
        place.manifest()
    place.put_chunks(MANIFEST_FILE, [newer.replace(b"node-1", b"node-2")])
    with pytest.raises(CorruptionError, match=r"manifest\.json is damaged"):
        place.manifest()


def test_a_uri_that_pyarrow_does_not_know_is_refused_by_its_name() -> None:
    with pytest.raises(ConfigError, match="cannot use ftp://x/y"):
        Place.at("ftp://x/y")


def test_a_file_in_the_place_of_a_directory_is_not_empty(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert not Place.at(str(tmp_path / "file")).is_empty()
