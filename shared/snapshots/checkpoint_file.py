"""What `checkpoint.json` of a kept checkpoint says. Pure: no I/O.

A kept checkpoint is the directory `<data>/partitions/<id>/checkpoints/<applied LSN, 20 digits>`: the files of a
RocksDB, without a write-ahead log, and this file, which is written last.
"""

from __future__ import annotations

import msgspec
import xxhash

from shared.snapshots.sealed_json import seal, unseal

__all__ = [
    "CHECKPOINT_FILE",
    "FORMAT",
    "CheckpointInfo",
    "StoredFile",
    "checkpoint_name",
    "decode_checkpoint",
    "encode_checkpoint",
    "lsn_of_name",
    "new_checksum",
]

CHECKPOINT_FILE = "checkpoint.json"
#: Since 0.4. A newer one is refused.
FORMAT = 1
_DIGITS = 20


class StoredFile(msgspec.Struct, frozen=True):
    """One file: its name below the directory, bytes, and `new_checksum` of them in hex."""

    name: str
    size: int
    xxh3: str


class CheckpointInfo(msgspec.Struct, frozen=True):
    """A partition's state at `applied_lsn`: everything up to it is in the files, and nothing behind it."""

    format: int
    partition_id: int
    applied_lsn: int
    #: LSN of the newest leader announcement at that LSN.
    epoch: int
    #: The partition's range of the key space, both ends included.
    start_key: int
    end_key: int
    #: Format of the rows, see `shared.storage.values.STORE_FORMAT`.
    store_format: int
    created_at_ms: int
    files: tuple[StoredFile, ...]

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(file.size for file in self.files)


def new_checksum() -> xxhash.xxh3_128:
    """XXH3 of 128 bits, for damage; nobody is kept out by it. SHA-256 took a fifth of all CPU under large bodies, on
    processors without instructions for it."""
    return xxhash.xxh3_128()


def encode_checkpoint(info: CheckpointInfo) -> bytes:
    return seal(info)


def decode_checkpoint(data: bytes, *, what: str) -> CheckpointInfo:
    """Raises CorruptionError that names `what`, FormatError for a newer format."""
    return unseal(data, CheckpointInfo, what=what, newest_format=FORMAT)


def checkpoint_name(applied_lsn: int) -> str:
    """The directory's name."""
    return f"{applied_lsn:0{_DIGITS}d}"


def lsn_of_name(name: str) -> int | None:
    """The LSN of a kept checkpoint's directory; None for any other name."""
    return int(name) if len(name) == _DIGITS and name.isdecimal() else None
