"""Files that carry their own checksum: golden bytes of each version. See `shared.snapshots` for damage and refusals."""

from __future__ import annotations

from pathlib import Path

from shared.snapshots import checkpoint_file, manifest
from shared.snapshots.checkpoint_file import CheckpointInfo, StoredFile, decode_checkpoint, encode_checkpoint
from shared.snapshots.manifest import MetaPart, PartitionPart, SnapshotManifest, decode_manifest, encode_manifest

_FOLDER = Path(__file__).parent / "sealed"
_FILES = (StoredFile("000009.sst", 4694, "b" * 32), StoredFile("CURRENT", 16, "c" * 32))
_END = (1 << 64) - 1
CHECKPOINT = CheckpointInfo(1, 2, 17, 12, 0, _END, 2, 1_700_000_000_000, _FILES)
MANIFEST = SnapshotManifest(
    1,
    "everlog 0.1.0",
    "node-1",
    "localcluster",
    1_700_000_000_000,
    (PartitionPart(0, 0, _END, 17, "d" * 64, 19, 12, 2, _FILES, StoredFile("partitions/0/log", 60, "e" * 32)),),
    MetaPart(0, 4, StoredFile("meta/log", 99, "f" * 32)),
)


def test_a_checkpoint_s_description() -> None:
    golden = (_FOLDER / f"checkpoint-{checkpoint_file.FORMAT}.json").read_bytes()
    assert encode_checkpoint(CHECKPOINT) == golden
    assert decode_checkpoint(golden, what="it") == CHECKPOINT


def test_a_snapshot_s_manifest() -> None:
    golden = (_FOLDER / f"manifest-{manifest.FORMAT}.json").read_bytes()
    assert encode_manifest(MANIFEST) == golden
    assert decode_manifest(golden, what="it") == MANIFEST


if __name__ == "__main__":
    (_FOLDER / f"checkpoint-{checkpoint_file.FORMAT}.json").write_bytes(encode_checkpoint(CHECKPOINT))
    (_FOLDER / f"manifest-{manifest.FORMAT}.json").write_bytes(encode_manifest(MANIFEST))
