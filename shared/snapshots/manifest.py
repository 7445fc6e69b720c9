"""What `manifest.json` of a snapshot says: a node's whole state at one moment, in files. Pure: no I/O.

    manifest.json              this; written last, so that without it there is no snapshot
    partitions/<id>/store/…    the partition's RocksDB at `applied_lsn`, as a kept checkpoint has it
    partitions/<id>/log        the batches from there to `cut_lsn` (shared.snapshots.log_file)
    meta/log                   group `meta`, from its beginning or its newest snapshot on

The cuts are of one moment: what one partition had been told of another is in the other's part.
"""

from __future__ import annotations

import msgspec

from shared.snapshots.checkpoint_file import StoredFile
from shared.snapshots.sealed_json import seal, unseal

__all__ = [
    "FORMAT",
    "MANIFEST_FILE",
    "META_LOG",
    "MetaPart",
    "PartitionPart",
    "SnapshotManifest",
    "decode_manifest",
    "encode_manifest",
    "log_name",
    "store_folder",
]

MANIFEST_FILE = "manifest.json"
META_LOG = "meta/log"
#: Since 0.3. A newer one is refused.
FORMAT = 1


class PartitionPart(msgspec.Struct, frozen=True):
    """One partition. Names of `files` are below its store's folder, that of `log` below the snapshot."""

    partition_id: int
    start_key: int
    end_key: int
    #: The store has the state at this LSN, and `digest` is over its rows (shared.snapshots.digest).
    applied_lsn: int
    digest: str
    #: The partition's state at the moment of the snapshot is that of this LSN.
    cut_lsn: int
    epoch: int
    store_format: int
    files: tuple[StoredFile, ...]
    log: StoredFile


class MetaPart(msgspec.Struct, frozen=True):
    """Group `meta`: its batches with `after_lsn` < LSN <= `cut_lsn`."""

    after_lsn: int
    cut_lsn: int
    log: StoredFile


class SnapshotManifest(msgspec.Struct, frozen=True):
    """A snapshot. Partitions are in order, and are all of the node."""

    format: int
    created_by: str
    node_name: str
    cluster_name: str
    created_at_ms: int
    partitions: tuple[PartitionPart, ...]
    meta: MetaPart

    @property
    def size(self) -> int:
        """Bytes of all files."""
        parts = sum(part.log.size + sum(file.size for file in part.files) for part in self.partitions)
        return parts + self.meta.log.size


def encode_manifest(manifest: SnapshotManifest) -> bytes:
    return seal(manifest)


def decode_manifest(data: bytes, *, what: str) -> SnapshotManifest:
    """Raises CorruptionError that names `what`, ConfigError for a newer format."""
    return unseal(data, SnapshotManifest, what=what, newest_format=FORMAT)


def store_folder(partition_id: int) -> str:
    return f"partitions/{partition_id}/store"


def log_name(partition_id: int) -> str:
    return f"partitions/{partition_id}/log"
